"""A warehouse with the tables that the source loads, made by dlt from a few invented sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import dlt

from usertesting_source.alerts.ledger import PIPELINE
from usertesting_source.warehouse.connection import Connection, Warehouse, placeholders

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)
TEST_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

Row = dict[str, Any]

_TYPES: dict[str, dict[str, Any]] = {
    "removed_at": {"data_type": "timestamp"},
    "finish_time": {"data_type": "timestamp"},
    "start_time": {"data_type": "timestamp"},
    "extracted_at": {"data_type": "timestamp"},
    "task_text": {"data_type": "text"},
    "start_time_ms": {"data_type": "bigint"},
    "end_time_ms": {"data_type": "bigint"},
    "skipped": {"data_type": "bool"},
    "answer_json": {"data_type": "json"},
    "answered": {"data_type": "bool"},
    "answer_kind": {"data_type": "text"},
    "answer_number": {"data_type": "double"},
    "answer_scale_max": {"data_type": "double"},
    "answer_success": {"data_type": "bool"},
    "answer_text": {"data_type": "text"},
    "task_group_response": {"data_type": "json"},
    "title": {"data_type": "text"},
}
_COLUMNS = {
    "tests": ("title",),
    "sessions": ("finish_time", "removed_at"),
    "session_details": ("start_time", "finish_time", "extracted_at"),
    "session_details__tasks": tuple(_TYPES)[4:15],
    "session_details__task_groups": ("task_group_response",),
    "transcripts": ("extracted_at",),
    "transcripts__cues": (),
}
_KEYS = {"tests": "test_id"}


def failed(number: int = 3, **more: Any) -> Row:
    """A navigation task that was not completed."""
    kind = {"task_type": "URL", "answer_kind": "url", "answer_success": False, "answered": True}
    return {"task_number": number, "task_text": "Find where to return an order", **kind, **more}


def rated(value: float, of: float = 5, number: int = 5, **more: Any) -> Row:
    """A rating."""
    kind = {"task_type": "RATING_SCALE", "answer_kind": "rating_scale", "answered": True}
    return {"task_number": number, "answer_number": value, "answer_scale_max": of, **kind, **more}


def wrote(words: str, number: int = 6, **more: Any) -> Row:
    """A written answer."""
    kind = {"task_type": "WRITTEN", "answer_kind": "written", "answered": True}
    return {"task_number": number, "answer_text": words, **kind, **more}


def session(session_id: str, *tasks: Row, finished: datetime = NOW, **more: Any) -> Row:
    """A session; `more`: test_id, score, transcript, removed_at."""
    return {"session_id": session_id, "test_id": TEST_ID, "finish_time": finished, "tasks": tasks, **more}


class Loader:
    """Loads sessions as the pipeline `usertesting` does, into a DuckDB file in `folder`."""

    def __init__(
        self, folder: Path, only: tuple[str, ...] = tuple(_COLUMNS), database: str = "warehouse.duckdb"
    ) -> None:
        self.folder, self.database, self._only = folder, folder / database, only
        self._pipeline = self._named("usertesting")

    def _named(self, name: str) -> dlt.Pipeline:
        target = dlt.destinations.duckdb(str(self.database))
        pipes = str(self.folder / "pipelines")
        return dlt.pipeline(name, destination=target, dataset_name="usertesting", pipelines_dir=pipes)

    def load(self, *sessions: Row, title: str | None = "Checkout redesign") -> None:
        """One load package."""
        rows = _rows(sessions, title)
        self._pipeline.run([_resource(name, rows[name]) for name in self._only])

    def insert(self, *sessions: Row) -> None:
        """One load package of new sessions, by plain statements: dlt takes long for each of many."""
        load_id = uuid4().hex
        loads = {
            "load_id": load_id,
            "schema_name": "usertesting",
            "status": 0,
            "inserted_at": datetime.now(timezone.utc),
        }
        with self.warehouse().open() as db:
            _insert(db, "_dlt_loads", loads)
            for table, rows in _rows(sessions, "Checkout redesign").items():
                for row in rows:
                    _insert(db, table, {**row, "_dlt_load_id": load_id, "_dlt_id": uuid4().hex})

    def warehouse(self, patience: float = 5) -> Warehouse:
        """The warehouse as the alerts see it; a new one has forgotten all that is not in the tables."""
        return Warehouse(self._named(PIPELINE), patience=patience)

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query; `{table}` stands for a qualified name."""
        with self.warehouse().open() as db:
            return db.rows(sql, *values)

    def ledger(self) -> list[Row]:
        """The signals in the ledger, oldest first, without the bookkeeping."""
        return self.rows("SELECT * FROM {alerts} WHERE status <> 'baseline' ORDER BY created_at, session_id, rule_id")

    def backdate(self, hours: float) -> None:
        """Make all loads so far look older, as they are when the next round comes."""
        with self.warehouse().open() as db:
            db.execute("UPDATE {_dlt_loads} SET inserted_at = inserted_at - %s", timedelta(hours=hours))


def _insert(db: Connection, table: str, row: Row) -> None:
    db.execute(f"INSERT INTO {{{table}}} ({', '.join(row)}) VALUES ({placeholders(list(row))})", *row.values())


def _resource(name: str, rows: list[Row]) -> Any:
    key = _KEYS.get(name, "session_id")
    columns: Any = {key: {"data_type": "text", "nullable": False}} | {c: _TYPES[c] for c in _COLUMNS[name]}
    child = "__" in name
    merge = {"merge_key": key} if child else {"primary_key": key}
    return dlt.resource(rows, name=name, columns=columns, write_disposition="merge", **merge)  # type: ignore[call-overload]  # keys differ


def _rows(sessions: tuple[Row, ...], title: str | None) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    for one in sessions:
        ids = {"session_id": one["session_id"], "test_id": one["test_id"]}
        times = {"finish_time": one["finish_time"]}
        rows["tests"].append({"test_id": one["test_id"], "title": title})
        rows["sessions"].append({**ids, **times, "removed_at": one.get("removed_at")})
        rows["session_details"].append({**ids, **times, "start_time": None, "extracted_at": NOW})
        rows["session_details__tasks"] += _tasks(one)
        if "score" in one:
            group = {"task_group_uuid": "g1", "task_group_type": "QX_SCORE"}
            rows["session_details__task_groups"].append(
                {"session_id": one["session_id"], **group, "task_group_response": {"score": one["score"]}}
            )
        if "transcript" in one:
            words = {"transcript_plain_text": one["transcript"]}
            rows["transcripts"].append({**ids, **words, "extracted_at": NOW})
            rows["transcripts__cues"].append(
                {"session_id": one["session_id"], "start_ms": 61_000, "end_ms": 65_000, "text": one["transcript"]}
            )
    return rows


def _tasks(one: Mapping[str, Any]) -> Iterator[Row]:
    for task in one["tasks"]:
        number = task["task_number"]
        times = {"start_time_ms": number * 20_000, "end_time_ms": number * 20_000 + 15_000, "skipped": False}
        yield {"session_id": one["session_id"], "task_uuid": f"task-{number}", **times, **task}
