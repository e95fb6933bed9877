"""The sessions of the warehouse, as the rules want them; any table but `session_details` may be missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from ..times import parse_time
from ..warehouse.connection import Connection, batches, placeholders
from .ledger import SCHEMA
from .signals import Pace, Session, finite

__all__ = ["arrived", "newest_load", "read"]

# loaders on other machines have clocks of their own
CLOCK_SKEW = timedelta(hours=1)
PACE_DAYS = 90

Row = dict[str, Any]

_FINISHED = "COALESCE(d.finish_time, d.start_time, d.extracted_at)"
_TASK = (
    "session_id",
    "task_number",
    "task_uuid",
    "task_text",
    "task_type",
    "start_time_ms",
    "end_time_ms",
    "skipped",
    "answer_json",
    "answered",
    "answer_kind",
    "answer_number",
    "answer_scale_max",
    "answer_success",
    "answer_text",
)


def newest_load(db: Connection) -> datetime | None:
    """When the newest load of anybody but the alerts was completed."""
    if not db.columns("_dlt_loads"):
        return None
    where = "WHERE status = 0 AND schema_name <> %s"
    (row,) = db.rows(f"SELECT MAX(inserted_at) AS newest FROM {{_dlt_loads}} {where}", SCHEMA)  # noqa: S608 - all ours
    return parse_time(row["newest"])


def arrived(db: Connection, since: datetime, loaded_after: datetime | None) -> list[str]:
    """
    The ids of sessions that finished at or after `since` and of which something was loaded lately.

    What counts is when a load was *completed*: a session that finished or was fetched long ago, but whose
    package reached the warehouse today, is news; so is a transcript that came after its session.

    """
    found: dict[str, None] = {}
    for table in ("session_details", "transcripts"):
        if db.columns(table) and db.columns("session_details"):
            found.update(dict.fromkeys(_arrived(db, table, since, loaded_after)))
    return list(found)


def _arrived(db: Connection, table: str, since: datetime, loaded_after: datetime | None) -> Iterator[str]:
    sql = (
        f"SELECT d.session_id AS session_id FROM {{session_details}} d"  # noqa: S608 - all ours
        f" JOIN {{{table}}} x ON x.session_id = d.session_id"
        " JOIN {_dlt_loads} l ON l.load_id = x._dlt_load_id"
        f" WHERE l.status = 0 AND {_FINISHED} >= %s"
    )
    values: list[object] = [since]
    if loaded_after is not None:
        sql += " AND l.inserted_at >= %s"
        values.append(loaded_after - CLOCK_SKEW)
    return (row["session_id"] for row in db.rows(sql, *values))


def read(db: Connection, session_ids: Sequence[str], now: datetime, pace: bool) -> Iterator[Session]:
    """
    The sessions with these ids, without those that were removed.

    Args:
        db: an open connection.
        session_ids: any number; a few hundred are held in memory at a time.
        now: bounds how far back the usual pace is measured.
        pace: whether a rule asks for it.

    """
    for ids in batches(session_ids):
        yield from _read(db, ids, now, pace)


def _read(db: Connection, ids: list[str], now: datetime, pace: bool) -> Iterator[Session]:
    details = _of(db, "session_details", ("session_id", "test_id", "finish_time"), ids)
    removed = {row["session_id"] for row in _removed(db, ids)}
    titles = _titles(db, sorted({row["test_id"] for row in details}))
    tasks = _by_session(_of(db, "session_details__tasks", _TASK, ids))
    groups = _by_session(_of(db, "session_details__task_groups", _GROUP, ids))
    spoken = _by_session(_of(db, "transcripts", ("session_id", "transcript_plain_text"), ids))
    cues = _by_session(_of(db, "transcripts__cues", ("session_id", "start_ms", "end_ms", "speaker", "text"), ids))
    usual = _pace(db, sorted({row["test_id"] for row in details}), now) if pace else {}
    for row in details:
        session_id = row["session_id"]
        if session_id in removed:
            continue
        yield Session(
            session_id=session_id,
            test_id=row["test_id"],
            test_title=titles.get(row["test_id"]),
            finish_time=parse_time(row["finish_time"]),
            tasks=sorted(tasks[session_id], key=lambda task: task.get("task_number") or 0),
            task_groups=groups[session_id],
            transcript=next((line.get("transcript_plain_text") for line in spoken[session_id]), None),
            cues=sorted(cues[session_id], key=lambda cue: cue.get("start_ms") or 0),
            pace=usual.get(row["test_id"], {}),
        )


_GROUP = ("session_id", "task_group_uuid", "task_group_type", "task_group_response")


def _of(db: Connection, table: str, columns: Sequence[str], ids: Sequence[str]) -> list[Row]:
    return db.select(table, columns, f"session_id IN ({placeholders(ids)})", *ids)


def _removed(db: Connection, ids: Sequence[str]) -> list[Row]:
    if "removed_at" not in db.columns("sessions"):
        return []
    where = f"removed_at IS NOT NULL AND session_id IN ({placeholders(ids)})"
    return db.select("sessions", ("session_id",), where, *ids)


def _titles(db: Connection, test_ids: Sequence[str]) -> dict[str, str]:
    if "title" not in db.columns("tests") or not test_ids:
        return {}
    rows = db.select("tests", ("test_id", "title"), f"test_id IN ({placeholders(test_ids)})", *test_ids)
    return {row["test_id"]: row["title"] for row in rows}


def _by_session(rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["session_id"]].append(row)
    return grouped


def _pace(db: Connection, test_ids: Sequence[str], now: datetime) -> dict[str, dict[str, Pace]]:
    """Per test and task, from the sessions of the last 90 days."""
    if not db.columns("session_details__tasks") or not test_ids:
        return {}
    rows = db.rows(
        "SELECT d.test_id AS test_id, t.task_uuid AS task_uuid,"  # noqa: S608 - all ours
        " t.start_time_ms AS start_time_ms, t.end_time_ms AS end_time_ms"
        " FROM {session_details__tasks} t JOIN {session_details} d ON d.session_id = t.session_id"
        f" WHERE {_FINISHED} >= %s AND d.test_id IN ({placeholders(test_ids)})",
        now - timedelta(days=PACE_DAYS),
        *test_ids,
    )
    times: dict[str, defaultdict[str, list[float]]] = {test_id: defaultdict(list) for test_id in test_ids}
    for row in rows:
        start, end = finite(row["start_time_ms"]), finite(row["end_time_ms"])
        if start is not None and end is not None and end >= start:
            times[row["test_id"]][str(row["task_uuid"])].append((end - start) / 1000)
    return {
        test_id: {task: Pace(median(seconds), len(seconds)) for task, seconds in tasks.items()}
        for test_id, tasks in times.items()
    }
