"""
A copy in DuckDB of the tables of any other SQL destination, so that what reads them knows one SQL only.

It lies in the user's own folder and is renewed whole when something was loaded since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # it has no types

from ..errors import ConfigurationError
from ..folders import user_folder
from ..tables.schema import TABLES
from ..warehouse.connection import Connection, Warehouse
from ..warehouse.home import home_of
from ..warehouse.views.render import SQL_TYPES

LOADS = {"load_id": "text", "schema_name": "text", "status": "bigint", "inserted_at": "timestamp"}
_LOAD_ID = {"_dlt_load_id": "text"}
_ARROW = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}
_AT_A_TIME = 20_000


def mirror_of(pipeline: dlt.Pipeline) -> Path:
    """Where the copy of what `pipeline` loads lies on this machine."""
    return user_folder() / "copies" / f"{home_of(pipeline)[:24]}.duckdb"


def mirrored(pipeline: dlt.Pipeline) -> Path:
    """
    The copy, as new as the newest load.

    Raises:
        ConfigurationError: nothing is loaded yet, or the destination is not an SQL one.
        DestinationError: it cannot be read.

    """
    path = mirror_of(pipeline)
    with Warehouse(pipeline).open() as db:
        newest = _newest(db)
        if newest is None:
            raise ConfigurationError(
                f"Nothing is loaded yet into the dataset `{pipeline.dataset_name}` of {_name(pipeline)}: load first"
                " (usertesting load), name another one (--dataset), or look at invented data (--demo)."
            )
        if newest != _copied(path, pipeline.dataset_name):
            _copy(db, path, pipeline.dataset_name)
    return path


def _name(pipeline: dlt.Pipeline) -> str:
    return str(pipeline.destination.destination_name)


def _newest(db: Connection) -> str | None:
    if not db.columns("_dlt_loads"):
        return None
    (row,) = db.rows("SELECT MAX(load_id) AS newest FROM {_dlt_loads} WHERE status = 0")
    return None if row["newest"] is None else str(row["newest"])


def _copied(path: Path, dataset: str) -> str | None:
    """The newest load of which the copy holds the rows."""
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as copy:
            found = copy.execute(f'select max(load_id) from "{dataset}"._dlt_loads').fetchone()  # noqa: S608 - a name of ours
    except duckdb.Error:  # of another version, say
        return None
    return found[0] if found else None


def _copy(db: Connection, path: Path, dataset: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with duckdb.connect(str(part)) as copy:
        copy.execute(f'create schema "{dataset}"')
        for name, table in TABLES.items():
            types = {column.name: column.data_type for column in table.columns}
            _copy_table(db, copy, dataset, name, types if "__" in name else types | _LOAD_ID)
        _copy_table(db, copy, dataset, "_dlt_loads", LOADS, "status = 0")
    part.chmod(0o600)  # it holds participants' words
    part.replace(path)


def _copy_table(
    db: Connection,
    copy: duckdb.DuckDBPyConnection,
    dataset: str,
    name: str,
    types: dict[str, str],
    where: str = "1 = 1",
) -> None:
    present = {column: kind for column, kind in types.items() if column in db.columns(name)}
    if not present:
        return
    columns = ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in present.items())
    copy.execute(f'create table "{dataset}"."{name}" ({columns})')
    for rows in _batches(db, name, list(present), where):
        arrow = _arrow(rows, present)
        copy.register("batch", arrow)
        copy.execute(f'insert into "{dataset}"."{name}" select * from batch')  # noqa: S608 - names of ours
        copy.unregister("batch")


def _batches(db: Connection, name: str, columns: Sequence[str], where: str) -> Iterator[list[dict[str, Any]]]:
    rows = db.select(name, columns, where)
    for start in range(0, len(rows), _AT_A_TIME):
        yield rows[start : start + _AT_A_TIME]


def _arrow(rows: Sequence[dict[str, Any]], types: dict[str, str]) -> pa.Table:
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in types.items()])
    read = [{name: _value(row[name], kind) for name, kind in types.items()} for row in rows]
    return pa.Table.from_pylist(read, schema=schema)


def _value(value: Any, data_type: str) -> Any:
    """As Arrow takes it: drivers give JSON as text or read, and numbers in their own types."""
    if value is None:
        return None
    if data_type == "json":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if data_type == "double":
        return float(value)
    return value
