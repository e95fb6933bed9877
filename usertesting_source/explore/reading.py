"""
How every reading command opens the data: read-only, in DuckDB, with the tables and views as this version knows them.

What is opened is the snapshot beside a loader's DuckDB file, or that file itself where there is no snapshot. Of any
other SQL destination a copy is made, kept for this user and renewed when something was loaded since, so that the same
SQL works everywhere. Nothing here asks the API.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import dlt
import duckdb

from ..errors import ConfigurationError, DestinationError, DestinationLocked
from ..tables.schema import TABLES, Table
from ..warehouse.connection import is_locked
from ..warehouse.snapshot import duckdb_file, snapshot_of
from ..warehouse.views.render import SQL_TYPES, Target, rendered
from .mirror import mirrored
from .redact import Redaction, copy_redacted

Row = dict[str, Any]

PATIENCE_S = 10.0
"""How long a loader's file is waited for that a load holds just now."""

_TRY_AGAIN_S = 0.5


class Data:
    """
    The tables and views of a dataset, to read; a context manager.

    A table that is not loaded counts as empty, and every view is there, whichever version loaded the data.

    Args:
        path: the DuckDB file.
        dataset: the schema in it.
        redaction: how what names a person is taken out; what is read then is a copy in memory without it.

    Raises:
        ConfigurationError: nothing is loaded yet.
        DestinationLocked: a load holds the file.

    Attributes:
        path: the DuckDB file.
        redaction: as given.

    """

    def __init__(self, path: Path, dataset: str = "usertesting", redaction: Redaction | None = None) -> None:
        self.path, self.redaction = path, redaction
        self._dataset = dataset
        self.database = _connected(path)
        self.database.execute("set timezone = 'UTC'")
        if redaction:
            self.database = copy_redacted(self.database, dataset, redaction)
        self._make_readable()

    def __enter__(self) -> Data:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self.database.close()

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query in DuckDB's SQL, by column name; a mark `?` for each of `values`."""
        found = self.database.execute(sql, values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def loaded_at(self) -> datetime | None:
        """When the newest load was completed of which this is the data; UTC."""
        if not self._present().get("_dlt_loads"):
            return None
        (row,) = self.rows(f'select max(inserted_at) as loaded_at from "{self._dataset}"._dlt_loads where status = 0')  # noqa: S608 - a name of ours
        moment: datetime | None = row["loaded_at"]
        return moment

    def lock(self) -> None:
        """From now on this connection reaches nothing but this data, whatever SQL it is given."""
        self.database.execute("set enable_external_access = false")
        self.database.execute("set lock_configuration = true")

    def _make_readable(self) -> None:
        """All views of this version, over the tables that are there, and empty ones for those that are not."""
        present = self._present()
        if not any(present.get(name) for name in TABLES):
            self.close()
            raise ConfigurationError(
                f"{self.path.name} holds no sessions yet in the dataset `{self._dataset}`: load first (usertesting"
                " load), name another one (--dataset), or look at invented data (--demo)."
            )
        for table in TABLES.values():
            there = present.get(table.name, set())
            if any(column.name not in there for column in table.columns):
                self._create(table.name, _completed(table, there, self._dataset))
                present[table.name] = {column.name for column in table.columns}
        self.database.execute(f'use "{self._dataset}"')
        for name, query in rendered(present, Target("duckdb", lambda name: [name])).items():
            self._create(name, query)

    def _create(self, name: str, query: str) -> None:
        self.database.execute(f'create or replace temp view "{name}" as {query}')

    def _present(self) -> dict[str, set[str]]:
        """The columns of each table of the dataset."""
        sql = "select table_name, column_name from duckdb_columns() where schema_name = ? and not internal"
        found: dict[str, set[str]] = {}
        for table, column in self.database.execute(sql, [self._dataset]).fetchall():
            found.setdefault(table, set()).add(column)
        return found


def opened(pipeline: dlt.Pipeline, redaction: Redaction | None = None) -> Data:
    """
    The data that `pipeline` loads, to read.

    Raises:
        ConfigurationError: nothing is loaded yet, or the destination is not an SQL one.
        DestinationError: it cannot be read.

    """
    return Data(readable_file(pipeline), pipeline.dataset_name, redaction)


def readable_file(pipeline: dlt.Pipeline) -> Path:
    """
    The DuckDB file in which the data of `pipeline` is read.

    Raises:
        ConfigurationError: nothing is loaded yet, or the destination is not an SQL one.
        DestinationError: it cannot be read.

    """
    database = duckdb_file(pipeline)
    if database is None:
        return mirrored(pipeline)
    for path in (snapshot_of(database), database):
        if path.exists():
            return path
    raise ConfigurationError(
        f"Nothing is loaded yet: there is no {database.name} in {database.parent}. Load first (usertesting load), go to"
        " the folder in which you load, or look at invented data (--demo)."
    )


def _connected(path: Path) -> duckdb.DuckDBPyConnection:
    began = time.monotonic()
    while True:
        try:
            return duckdb.connect(str(path), read_only=True)
        except duckdb.Error as error:
            if not is_locked(str(error)):
                raise DestinationError(f"{path.name} cannot be read: {str(error)[:300]}") from error
            if time.monotonic() - began >= PATIENCE_S:
                raise DestinationLocked(
                    f"A load or another program holds {path.name}, and there is no snapshot of it beside it: wait for"
                    " the load to end, or remove `snapshot = false` from the settings."
                ) from error
        time.sleep(_TRY_AGAIN_S)


def _completed(table: Table, there: set[str], dataset: str) -> str:
    """A query of all the columns that a table should have; nulls for those that it lacks, no row if it is missing."""
    nulls = [
        f'cast(null as {SQL_TYPES[column.data_type]}) as "{column.name}"'
        for column in table.columns
        if column.name not in there
    ]
    if there:
        return f'select *, {", ".join(nulls)} from "{dataset}"."{table.name}"'  # noqa: S608 - names of ours
    return f"select {', '.join(nulls)} limit 0"
