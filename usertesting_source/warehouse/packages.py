"""
The load packages of one pipeline: filled, committed, and what an earlier run left of them.

What dlt raises on the way becomes our errors here, and nowhere else.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import dlt
from dlt.common.exceptions import SignalReceivedException
from dlt.common.schema.typing import TTableFormat
from dlt.common.schema.utils import get_nested_tables, has_table_seen_data
from dlt.common.storages.exceptions import LoadPackageNotFound
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.extract import DltResource, DltSource
from dlt.extract.exceptions import ResourceExtractionError

from ..errors import (
    ConfigurationError,
    DestinationError,
    DestinationLocked,
    NotInstalled,
    UserTestingError,
)
from ..extras import to_install
from ..outcome import Watcher
from ..stop import Stop
from .connection import connected, is_locked, patience
from .empty import create_tables
from .home import is_foreign, take_state, unwritable
from .troubles import root_of, step_of, told
from .views.create import create_views

ISSUES = "load_issues"
MERGING = {"delta": "deltalake", "iceberg": "pyiceberg"}
"""Formats of tables in files in which rows replace each other, and the package that each needs."""

UNWRITABLE = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT}
_NOT_RESTORED = (
    "The state of the working folder is not the one that the destination holds, and restore_from_destination = false"
    " keeps it: sessions that only one of them knows are skipped, or loaded again. Remove that setting, or run --full."
)


class Packages:
    """
    See the module.

    Args:
        pipeline: any dlt pipeline.
        source: fills the packages.
        watcher: hears of commits, and of a destination that is busy.
        stop: shortens the wait for a busy destination.
        complain: is told what fails without stopping the run.
        file_format: of the packages; default: what loads fastest.

    Attributes:
        committed: how many.

    """

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        source: DltSource,
        watcher: Watcher,
        stop: Stop,
        complain: Callable[[str], None],
        file_format: str | None = None,
    ) -> None:
        self.committed = 0
        self._file_format = file_format
        self._source = source
        self._pipeline = pipeline
        self._watcher = watcher
        self._stop = stop
        self._complain = complain
        self._viewed: list[str] = []

    def state(self) -> dict[str, Any]:
        """The state that dlt keeps of each resource, by name, as its file has it: a copy of one's own."""
        sources: dict[str, Any] = self._pipeline.state.get("sources", {})
        resources: dict[str, Any] = sources.get(self._source.name, {}).get("resources", {})
        return resources

    def begin(self, was_killed: bool = False) -> Counter[str]:
        """
        Commits what an earlier run fetched and could not load, then takes the state that the destination holds.

        Args:
            was_killed: the last run was, and the working folder is empty since.

        Returns:
            Rows committed, by table.

        """
        with destination_errors(self._pipeline):
            self._wait_for_duckdb(self._check_duckdb_names)
        rows: Counter[str] = Counter()
        if self._pipeline.has_pending_data:
            with destination_errors(self._pipeline):
                self._missing([ISSUES])
            rows = self.commit()
        with destination_errors(self._pipeline):
            if was_killed or self._pipeline.config.restore_from_destination:
                take_state(self._pipeline)
            elif is_foreign(self._pipeline):
                self._complain(_NOT_RESTORED)
        return rows

    def check_tables(self) -> None:
        """
        Sees that no table was dropped behind dlt's back, which makes a table once and then relies on it.

        Raises:
            DestinationError: one was; nothing is fetched for a table that is not there.

        """
        with destination_errors(self._pipeline):
            gone = self._missing([*self._source.selected_resources, ISSUES])
        if gone:
            roots = list(dict.fromkeys(table.split("__")[0] for table in gone))
            raise DestinationError(
                f"The table `{gone[0]}` was dropped in the destination, and dlt does not make it again by itself. Run"
                f" `dlt pipeline {self._pipeline.pipeline_name} drop {' '.join(roots)}`, which makes dlt forget it, and"
                " load again: it is fetched anew. The rest of the data is as it was."
            )

    def _missing(self, roots: Iterable[str]) -> list[str]:
        """Of these tables and their children, those that dlt has made and that are not there; issues are made anew."""
        name = self._source.schema.name
        if name not in self._pipeline.schemas:
            return []
        tables = self._pipeline.schemas[name].tables
        nested = [table for root in roots if root in tables for table in get_nested_tables(tables, root)]
        made = [str(table["name"]) for table in nested if has_table_seen_data(table)]
        with self._pipeline.destination_client(name) as client:
            if not made or not isinstance(client, SqlJobClientBase) or not client.is_storage_initialized():
                return []
            gone = [table for table, columns in client.get_storage_tables(made) if not columns]
            if ISSUES in gone:  # nothing of it is fetched; dlt makes it again once it does not know the schema any more
                gone.remove(ISSUES)
                known = client.sql_client.make_qualified_table_name(client.schema.version_table_name)
                client.sql_client.execute_sql(f"DELETE FROM {known} WHERE schema_name = %s", name)  # noqa: S608 - dlt's own table
        return gone

    def _check_duckdb_names(self, client: SqlJobClientBase) -> None:
        """DuckDB names the catalog after the file, and takes a schema of the same name for ambiguous."""
        ((catalog,),) = client.sql_client.execute_sql("select current_database()") or [("",)]
        if catalog.lower() == self._pipeline.dataset_name.lower():
            raise ConfigurationError(
                f"The DuckDB file and the dataset of pipeline `{self._pipeline.pipeline_name}` are both called"
                f" `{catalog}`, which DuckDB cannot tell apart: give the file another name, such as"
                f" dlt.destinations.duckdb('{catalog}_data.duckdb'), or the dataset."
            )

    def extract(self) -> None:
        """Fills a package."""
        with destination_errors(self._pipeline):
            file_format = self._file_format or ("parquet" if self._is_duckdb else None)
            self._pipeline.extract(self._source, loader_file_format=file_format)  # type: ignore[arg-type] # None: the default
        self._pipeline.refresh = None  # it would drop what this very run loads

    def commit(self) -> Counter[str]:
        """Normalises and loads what was extracted, whatever asks for a stop meanwhile; returns rows by table."""
        with destination_errors(self._pipeline):
            normalized = self._pipeline.normalize()
            if not self._pipeline.has_pending_data:
                return Counter()
            self._wait_for_duckdb()
            if loaded := self._pipeline.load():
                self._tidy(loaded.loads_ids)
        self._create_views()
        counts = normalized.row_counts if normalized else {}
        rows = Counter({name: count for name, count in counts.items() if not name.startswith("_dlt") and count})
        self.committed += 1
        self._watcher.committed(rows)
        return rows

    def _tidy(self, load_ids: Iterable[str]) -> None:
        """Nothing that was loaded stays in the working folder: it holds participants' words."""
        storage = self._pipeline._get_load_storage()
        for load_id in load_ids:
            with suppress(LoadPackageNotFound):
                storage.delete_loaded_package(load_id)

    def _create_views(self) -> None:
        """Views can only change with the first package of a run, and with a schema; without them all else works."""
        versions = [schema.version_hash for schema in self._pipeline.schemas.values()]
        if versions == self._viewed:
            return
        self._viewed = versions
        try:
            create_tables(self._pipeline, self._source.schema.name)
            create_views(self._pipeline, self._source.schema.name)
        except DestinationError as error:
            self._complain(str(error))

    @property
    def _is_duckdb(self) -> bool:
        """Whether the destination is DuckDB: parquet packages load twenty times faster there, and nowhere else."""
        return isinstance(self._pipeline.destination, dlt.destinations.duckdb)

    def _wait_for_duckdb(self, then: Callable[[SqlJobClientBase], None] = lambda _: None) -> None:
        """A DuckDB file held by another program is waited for."""
        if not self._is_duckdb:
            return
        with connected(
            self._pipeline,
            patience(lambda: self._stop.asked),
            blocked=lambda: self._watcher.blocked("another program holds the DuckDB file"),
        ) as client:
            then(client)


def choose_format(pipeline: dlt.Pipeline, source: DltSource) -> None:
    """
    Has a destination of files keep tables as Delta, unless they have a format: of plain files dlt only adds more, so
    that each change of a session would be one row more.

    Args:
        pipeline: whose destination it is.
        source: a copy of one's own; its resources are given the format.

    Raises:
        ConfigurationError: a table is to be kept as plain files, or Delta is not installed.

    """
    if not isinstance(pipeline.destination, dlt.destinations.filesystem):
        return
    plain = []
    for name, resource in source.selected_resources.items():
        kept = resource.compute_table_schema().get("table_format")
        if kept is None:
            set_format(resource, "delta")
        elif kept not in MERGING:
            plain.append(name)
    if plain:
        raise ConfigurationError(
            f"The destination of pipeline `{pipeline.pipeline_name}` would keep plain files ({', '.join(plain)}), where"
            " dlt only adds rows: sessions would be there twice. Leave table_format away (then it is Delta), choose"
            " iceberg, or load into DuckDB and write files from there."
        )
    for name, package in MERGING.items():
        used = any(one.compute_table_schema().get("table_format") == name for one in source.selected_resources.values())
        if used and find_spec(package) is None:
            raise NotInstalled(
                f"Files are kept as {name.capitalize()} tables, which need the package {package}. To install it:"
                f" {to_install(name)}"
            )


def set_format(resource: DltResource, table_format: TTableFormat) -> None:
    """The table of a resource, and the issues that it writes, are kept in this format."""
    resource.apply_hints(table_format=table_format)
    resource.apply_hints(table_name=ISSUES, table_format=table_format, create_table_variant=True)


@contextmanager
def destination_errors(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Turns what dlt raises into our errors: our own ones inside, a locked file, or else the destination's."""
    try:
        yield
    except UserTestingError:
        raise
    except Exception as error:
        for kind in (UserTestingError, KeyboardInterrupt):
            if (inside := _find(error, kind)) is not None:
                raise inside from None
        if _find(error, (ResourceExtractionError, SignalReceivedException)) is not None:
            raise
        text, cause = str(root_of(error)), _find(error, OSError)
        if cause is not None and cause.errno in UNWRITABLE:
            raise ConfigurationError(unwritable(cause)) from error
        if is_locked(text):
            raise DestinationLocked(
                f"Another program holds the DuckDB file of pipeline `{pipeline.pipeline_name}`: close it there (a"
                f" notebook, a DuckDB shell, another load) and run again. Nothing is lost. DuckDB says: {text[:300]}"
            ) from error
        kept = " What was fetched is kept, and finished first by the next run." if pipeline.has_pending_data else ""
        raise DestinationError(
            f"The destination of pipeline `{pipeline.pipeline_name}` fails in step {step_of(error)}:"
            f" {told(error, pipeline)}{kept}"
        ) from error


def _find(error: BaseException | None, kind: Any) -> Any:
    """The first exception of a kind in a chain of causes."""
    while error is not None and not isinstance(error, kind):
        error = getattr(error, "exception", None) or error.__cause__ or error.__context__
    return error


@contextmanager
def own_signals(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Keeps dlt from taking the signals in normalise and load: it would leave the package half way."""
    runtime = pipeline.runtime_config
    before = runtime.intercept_signals
    runtime.intercept_signals = False
    try:
        yield
    finally:
        runtime.intercept_signals = before
