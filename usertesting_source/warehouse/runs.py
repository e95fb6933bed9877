"""
The table `load_runs`: a sign of life, so that a reader can tell data that is quiet from a schedule that is dead.

A row is one statement after the load, not a load package: what is told (how the run ended) is known only then, and a
package costs hundreds of times as much. A quiet poll writes at most one an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import cast
from uuid import uuid4

import dlt
from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import new_table
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import DestinationError
from ..outcome import Summary
from ..tables.schema import columns
from ..times import parse_time
from .connection import Connection, make_table, placeholders

TABLE = "load_runs"
QUIET = timedelta(hours=1)
_LENGTH = 1000  # of an error's text
_NOTE = "usertesting_last_run"

_log = logging.getLogger(__name__)


def tell(pipeline: dlt.Pipeline, summary: Summary, ended: datetime) -> None:
    """
    Writes the row of one look at all tests, unless it has no news and neither is the last row an hour old.

    Whatever the destination says to that is logged and no more: a run is not failed for its own diary. A destination
    without SQL, or without the dataset yet, has none.

    Args:
        pipeline: that has run.
        summary: how it went.
        ended: when it ended, UTC.

    """
    if isinstance(summary.error, DestinationError) or _is_old_news(_noted(pipeline), summary, ended):
        return
    try:
        _write(pipeline, summary, ended)
    except Exception as error:  # noqa: BLE001 - see above; each destination has errors of its own
        _log.warning("The run could not be written to %s: %s", TABLE, error)


def _write(pipeline: dlt.Pipeline, summary: Summary, ended: datetime) -> None:
    with _opened(pipeline) as db:
        if db is None:
            return
        last = _stored(db, pipeline.pipeline_name)
        if last is not None and _is_old_news(last, summary, ended):
            _note(pipeline, *last)
            return
        row = _row(pipeline, summary, ended)
        db.execute(
            f"INSERT INTO {{{TABLE}}} ({', '.join(row)}) VALUES ({placeholders(tuple(row))})",  # noqa: S608 - names are ours
            *row.values(),
        )
    _note(pipeline, ended, summary.outcome)


@contextmanager
def _opened(pipeline: dlt.Pipeline) -> Iterator[Connection | None]:
    """A connection to the dataset, with the table in it; None where there is no SQL, or no dataset yet."""
    client = pipeline._get_destination_clients(_schema())[0]
    if not isinstance(client, SqlJobClientBase):
        yield None
        return
    with client:
        if not client.is_storage_initialized():
            yield None
            return
        if not Connection(client).columns(TABLE):
            make_table(client, TABLE, _hints())
        yield Connection(client)


def _row(pipeline: dlt.Pipeline, summary: Summary, ended: datetime) -> dict[str, object]:
    return {
        "run_id": uuid4().hex,
        "pipeline": pipeline.pipeline_name,
        "started_at": ended - timedelta(seconds=summary.seconds),
        "ended_at": ended,
        "outcome": summary.outcome,
        "requests": summary.requests,
        "rows_loaded": summary.rows.total(),
        "items_left": summary.left,
        "error": str(summary.error)[:_LENGTH] if summary.error else None,
    }


def _is_old_news(last: tuple[datetime, str] | None, summary: Summary, now: datetime) -> bool:
    """Whether nothing was loaded, it ended as the last one did, and that is not an hour ago."""
    if last is None or summary.rows:
        return False
    when, outcome = last
    return outcome == summary.outcome and abs(now - when) < QUIET


def _noted(pipeline: dlt.Pipeline) -> tuple[datetime, str] | None:
    """The last row, as this machine remembers it: a quiet poll asks nobody."""
    try:
        seconds, outcome = pipeline.get_local_state_val(_NOTE)
    except KeyError:
        return None
    return datetime.fromtimestamp(seconds, tz=timezone.utc), outcome


def _note(pipeline: dlt.Pipeline, when: datetime, outcome: str) -> None:
    pipeline.set_local_state_val(_NOTE, [when.timestamp(), outcome])


def _stored(db: Connection, name: str) -> tuple[datetime, str] | None:
    """The last row of a pipeline, as the destination has it."""
    newest = "SELECT max(ended_at) FROM {load_runs} WHERE pipeline = %s"
    rows = db.select(TABLE, ("ended_at", "outcome"), f"pipeline = %s AND ended_at = ({newest})", name, name)
    when = parse_time(rows[0]["ended_at"]) if rows else None
    return (when, rows[0]["outcome"]) if when else None


def _hints() -> list[TColumnSchema]:
    return cast("list[TColumnSchema]", list(columns(TABLE).values()))


def _schema() -> dlt.Schema:
    """Of dlt's, with this table alone."""
    schema = dlt.Schema(f"usertesting_{TABLE}")
    schema.update_table(new_table(TABLE, columns=_hints()))
    return schema
