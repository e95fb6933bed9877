"""
The load packages of one pipeline: filled, committed, and what an earlier run left of them.

What dlt raises on the way becomes our errors here, and nowhere else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
from dlt.common.exceptions import SignalReceivedException
from dlt.extract import DltSource
from dlt.extract.exceptions import ResourceExtractionError
from dlt.pipeline.exceptions import PipelineStepFailed

from ..errors import (
    ConfigurationError,
    DestinationError,
    DestinationLocked,
    UserTestingError,
)
from ..outcome import Watcher
from ..stop import Stop
from .lock import alone
from .views.create import create_views

LOCK_PATIENCE_S = 120.0
STOP_PATIENCE_S = 10.0
LOCKED = ("Could not set lock", "Conflicting lock", "being used by another process")


class Packages:
    """
    See the module.

    Args:
        pipeline: any dlt pipeline.
        watcher: hears of commits, and of a destination that is busy.
        stop: shortens the wait for a busy destination.
        complain: is told what fails without stopping the run.

    Attributes:
        committed: how many.

    """

    def __init__(self, pipeline: dlt.Pipeline, watcher: Watcher, stop: Stop, complain: Callable[[str], None]) -> None:
        self.committed = 0
        self._pipeline = pipeline
        self._watcher = watcher
        self._stop = stop
        self._complain = complain
        self._viewed: list[str] = []
        self._schema_name: str | None = None

    def state(self, source: DltSource) -> dict[str, Any]:
        """The state that dlt keeps of each resource of a source, by name."""
        sources: dict[str, Any] = self._pipeline.state.get("sources", {})
        resources: dict[str, Any] = sources.get(source.name, {}).get("resources", {})
        return resources

    def finish_pending(self) -> Counter[str]:
        """Commits what an earlier run fetched and could not load; returns rows by table."""
        return self.commit() if self._pipeline.has_pending_data else Counter()

    def sync(self) -> None:
        """Fetches the state from the destination, on a machine that has none or an older one."""
        with destination_errors(self._pipeline):
            self._wait_for_duckdb()
            self._check_duckdb_names()
            if self._pipeline.config.restore_from_destination:
                self._pipeline.sync_destination()

    def _check_duckdb_names(self) -> None:
        """DuckDB names the catalog after the file, and takes a schema of the same name for ambiguous."""
        if not self._is_duckdb:
            return
        with self._pipeline.sql_client() as client:
            ((catalog,),) = client.execute_sql("select current_database()") or [("",)]
        if catalog.lower() == self._pipeline.dataset_name.lower():
            raise ConfigurationError(
                f"The DuckDB file and the dataset of pipeline `{self._pipeline.pipeline_name}` are both called"
                f" `{catalog}`, which DuckDB cannot tell apart: give the file another name, such as"
                f" dlt.destinations.duckdb('{catalog}_data.duckdb'), or the dataset."
            )

    def extract(self, source: DltSource) -> None:
        """Fills a package."""
        self._schema_name = source.schema.name
        with destination_errors(self._pipeline):
            file_format = "parquet" if self._is_duckdb else None
            self._pipeline.extract(source, loader_file_format=file_format)  # type: ignore[arg-type] # None: the default

    def commit(self) -> Counter[str]:
        """Normalises and loads what was extracted, whatever asks for a stop meanwhile; returns rows by table."""
        with destination_errors(self._pipeline):
            normalized = self._pipeline.normalize()
            if not self._pipeline.has_pending_data:
                return Counter()
            self._wait_for_duckdb()
            self._pipeline.load()
        self._create_views()
        counts = normalized.row_counts if normalized else {}
        rows = Counter({name: count for name, count in counts.items() if not name.startswith("_dlt") and count})
        self.committed += 1
        self._watcher.committed(rows)
        return rows

    def _create_views(self) -> None:
        """Views can only change with the first package of a run, and with a schema; without them all else works."""
        versions = [schema.version_hash for schema in self._pipeline.schemas.values()]
        if versions == self._viewed:
            return
        self._viewed = versions
        try:
            create_views(self._pipeline, self._schema_name)
        except DestinationError as error:
            self._complain(str(error))

    @property
    def _is_duckdb(self) -> bool:
        """Whether the destination is DuckDB: parquet packages load twenty times faster there, and nowhere else."""
        return isinstance(self._pipeline.destination, dlt.destinations.duckdb)

    def _wait_for_duckdb(self) -> None:
        """A DuckDB file held by another program is waited for."""
        if not self._is_duckdb:
            return
        began = time.monotonic()
        while True:
            try:
                with self._pipeline.sql_client():
                    return
            except Exception as error:
                patience = STOP_PATIENCE_S if self._stop.asked else LOCK_PATIENCE_S
                if not _is_locked(str(error)) or time.monotonic() - began >= patience:
                    raise
            self._watcher.blocked("another program holds the DuckDB file")
            time.sleep(1.0)


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
        text = _root(error)
        if _is_locked(text):
            raise DestinationLocked(
                f"Another program holds the DuckDB file of pipeline `{pipeline.pipeline_name}`: close it there (a"
                f" notebook, a DuckDB shell, another load) and run again. Nothing is lost. DuckDB says: {text[:300]}"
            ) from error
        step = error.step if isinstance(error, PipelineStepFailed) else "load"
        raise DestinationError(
            f"The destination of pipeline `{pipeline.pipeline_name}` fails in step {step}: {text[:500]} What was"
            " fetched is kept, and finished first by the next run."
        ) from error


def _is_locked(text: str) -> bool:
    return any(sign in text for sign in LOCKED)


def _find(error: BaseException | None, kind: Any) -> Any:
    """The first exception of a kind in a chain of causes."""
    while error is not None and not isinstance(error, kind):
        error = getattr(error, "exception", None) or error.__cause__ or error.__context__
    return error


def _root(error: BaseException) -> str:
    inner: Any = getattr(error, "exception", None)
    return _root(inner) if isinstance(inner, BaseException) else f"{type(error).__name__}: {error}"


@contextmanager
def only_run(pipeline: dlt.Pipeline) -> Iterator[None]:
    """
    One run per pipeline and machine, in a working folder that no killed process has left half-way.

    dlt would go on with such a folder, but it loads rows twice when it was killed right after a commit of the
    destination, and stops for good when it was killed while it changed its schemas. So the folder is emptied, and is as
    on a bare machine: the state comes back from the destination, and fits to the data there.

    Raises:
        AnotherRunIsActive: there is one.

    """
    name, folder = pipeline.pipeline_name, Path(pipeline.pipelines_dir)
    running = folder / f".{name}.usertesting.running"
    taken = f"Pipeline `{name}` is running on this machine already; this run has nothing to do."
    with alone(folder / f".{name}.usertesting.lock", taken):
        if running.exists() and pipeline.config.restore_from_destination:
            pipeline.drop()
        running.touch()
        try:
            yield
        except Exception:
            running.unlink()
            raise
        running.unlink()


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
