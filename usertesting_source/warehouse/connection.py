"""Connections to the warehouse, short ones: a DuckDB file is open only while something is read or written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from dlt import Pipeline
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.client import JobClientBase
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import ConfigurationError, DestinationError, DestinationLocked

__all__ = ["Connection", "Warehouse", "batches", "connected", "is_locked", "placeholders"]

Row = dict[str, Any]
BATCH = 200
LOCK_PATIENCE_S = 120.0
STOP_PATIENCE_S = 10.0
_TRY_AGAIN_S = 0.5
_REFUSED = (
    *("authentication failed", "incorrect username or password", "login failed", "access denied", "not authorized"),
    *("permission denied", "no pg_hba.conf entry", "invalid credentials", "invalid_grant", "unauthorized"),
    "does not exist",
)
_NO_HOST = ("could not translate host name", "name or service not known", "nodename nor servname", "failed to resolve")
_LOCKED = ("could not set lock", "conflicting lock", "being used by another process")


_FREE: WeakKeyDictionary[Pipeline, dict[tuple[object, ...], list[JobClientBase]]] = WeakKeyDictionary()


def place_of(pipeline: Pipeline) -> tuple[object, ...]:
    """Tells whether a pipeline has been given another destination or dataset since."""
    return id(pipeline.destination), pipeline.dataset_name


@contextmanager
def reading(pipeline: Pipeline) -> Iterator[JobClientBase]:
    """
    A client of the pipeline's destination, not connected yet; for nobody else until the block ends.

    Clients are kept for the next one who reads: dlt looks up a hundred settings for each that it makes.
    """
    # a dataset of several schemas may be called after the pipeline's first one
    place = place_of(pipeline), pipeline.default_schema_name
    free = _FREE.setdefault(pipeline, defaultdict(list))[place]
    client = free.pop() if free else pipeline.destination_client()
    yield client
    free.append(client)


@contextmanager
def connected(
    pipeline: Pipeline,
    patience: Callable[[], float],
    wait: Callable[[float], object] = time.sleep,
    blocked: Callable[[], object] = lambda: None,
) -> Iterator[SqlJobClientBase]:
    """
    The client of the destination, connected; a DuckDB file that another program holds is waited for.

    Args:
        pipeline: only its destination and dataset are used.
        patience: for how many seconds; asked after each try, as a stop may shorten it.
        wait: sleeps so many seconds; raise in it to give up early.
        blocked: is called each time that the file is held.

    Raises:
        ConfigurationError: the destination is not an SQL one.
        DestinationConnectionError: dlt's own; the file was held all the time (`is_locked`), or something else is wrong.

    """
    began = time.monotonic()
    with reading(pipeline) as client:
        if not isinstance(client, SqlJobClientBase):
            raise ConfigurationError(
                f"destination = {client.config.destination_type!r}: alerts need an SQL destination"
            )
        while True:
            try:
                client.__enter__()
                break
            except DestinationConnectionError as error:
                if not is_locked(str(error)) or time.monotonic() - began >= patience():
                    raise
            blocked()
            wait(_TRY_AGAIN_S)
        try:
            yield client
        finally:
            client.__exit__(None, None, None)  # type: ignore[arg-type]  # dlt's own signature asks for an error


def make_table(client: SqlJobClientBase, name: str, columns: Sequence[TColumnSchema]) -> None:
    """Makes a table that is not there, as dlt would; the client's schema has it."""
    client.sql_client.execute_many(client._get_table_update_sql(name, columns, False))


def has_sql(pipeline: Pipeline) -> bool:
    """Whether the destination understands SQL."""
    with reading(pipeline) as client:
        return isinstance(client, SqlJobClientBase)


def is_locked(error: str) -> bool:
    """Whether the text of an error says that another program holds the DuckDB file."""
    return any(sign in error.lower() for sign in _LOCKED)


def is_mistaken(error: BaseException | None, has_worked: bool) -> bool:
    """
    Whether an error, or what caused it, is a mistake in the settings, which waiting does not mend.

    Args:
        error: of the destination, or of the API.
        has_worked: whether the same settings did before: then a host without an address is a network that is away.

    """
    signs = _REFUSED if has_worked else _REFUSED + _NO_HOST
    while error is not None:
        text = str(error).lower()
        if isinstance(error, ConfigurationException) or any(sign in text for sign in signs):
            return True
        error = error.__cause__ or error.__context__
    return False


def patience(stopped: Callable[[], bool]) -> Callable[[], float]:
    """For how many seconds a run waits for a DuckDB file that another program holds: less once a stop is asked for."""
    return lambda: STOP_PATIENCE_S if stopped() else LOCK_PATIENCE_S


class Connection:
    """
    An open connection to the dataset.

    SQL here keeps to what all destinations understand; `{table}` stands for a qualified name.
    """

    def __init__(self, client: SqlJobClientBase) -> None:
        self._client = client
        self._columns: dict[str, list[str]] = {}

    def columns(self, table: str) -> list[str]:
        """The columns that `table` has; empty when there is no such table."""
        if table not in self._columns:
            ((_, found),) = self._client.get_storage_tables([table])
            self._columns[table] = [name.lower() for name in found]
        return self._columns[table]

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a SELECT, by column name in lower case."""
        with self._client.sql_client.execute_query(self._named(sql), *values) as cursor:
            names = [column[0].lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, *values: object) -> None:
        """Run one statement."""
        written = self._named(sql).split("%s")
        # as a parameter, BigQuery takes no null: its type is not known
        marks = ["NULL" if value is None else "%s" for value in values]
        statement = "".join(part + mark for part, mark in zip(written, [*marks, ""], strict=True))
        self._client.sql_client.execute_sql(statement, *(value for value in values if value is not None))

    def select(self, table: str, wanted: Sequence[str], where: str, *values: object) -> list[Row]:
        """Those `wanted` columns of `table` that exist; no row at all when the table is missing."""
        present = [name for name in wanted if name in self.columns(table)]
        if not present:
            return []
        escape = self._client.sql_client.escape_column_name
        return self.rows(f"SELECT {', '.join(map(escape, present))} FROM {{{table}}} WHERE {where}", *values)  # noqa: S608 - names are ours, values are parameters

    def _named(self, sql: str) -> str:
        return sql.format_map(_Names(self._client))


class _Names(dict[str, str]):
    def __init__(self, client: SqlJobClientBase) -> None:
        super().__init__()
        self._client = client

    def __missing__(self, table: str) -> str:
        return self._client.sql_client.make_qualified_table_name(table)


class Warehouse:
    """
    The dataset of a pipeline.

    Args:
        pipeline: only its destination and dataset are used.
        patience: seconds to wait for a DuckDB file that another program holds.
        wait: sleeps so many seconds; raise in it to give up early.

    """

    def __init__(self, pipeline: Pipeline, patience: float = 120, wait: Callable[[float], object] = time.sleep) -> None:
        self.pipeline = pipeline
        self._patience, self._wait = patience, wait

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """
        A connection for a few statements.

        Raises:
            ConfigurationError: the destination is not an SQL one.
            DestinationLocked: another program held the DuckDB file all the time.
            DestinationError: the destination refuses the connection or a statement.

        """
        try:
            with connected(self.pipeline, lambda: self._patience, self._wait) as client:
                yield Connection(client)
        except DestinationConnectionError as error:
            if is_locked(str(error)):
                raise DestinationLocked(
                    f"Another program held the DuckDB file for {self._patience:.0f} seconds; close it, then run this"
                    " again."
                ) from error
            raise DestinationError(f"The warehouse cannot be reached: {error}") from error
        except DatabaseException as error:
            raise DestinationError(f"The warehouse refuses a statement of the alerts: {error}") from error


def batches(values: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    """`values` in lists short enough for an IN clause."""
    rest = list(values)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def placeholders(values: Sequence[object]) -> str:
    """A mark for each of `values`, as a list in SQL has them: `%s, %s, %s`."""
    return ", ".join(["%s"] * len(values))
