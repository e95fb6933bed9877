"""
The table `alerts`: one row per signal and channel, and what became of it.

dlt makes the table (declared types, any SQL destination); the rows are written with single statements. A dlt
load per message would take seconds on a warehouse and could be stranded in the working folder by a crash; an
UPDATE keeps the window between "sent" and "recorded" as short as it can be, and the truth in the table alone.

    status     meaning
    pending    decided; attempts = 0: not begun, so surely not sent; attempts > 0: begun, and how it ended
               is unknown (a crash, a broken connection), so it may have been sent
    sent       accepted by the channel; never told again
    failed     not accepted; tried again, at growing intervals
    baseline   bookkeeping of a channel: rule `*` and one row per rule. Sessions that finished before
               `finish_time` are old news to the rule; loads until `loaded_until` have been looked at
               (`baseline.py`)

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dlt
from dlt.common.schema.typing import TColumnSchema
from dlt.pipeline.exceptions import PipelineStepFailed

from ..errors import DestinationError
from ..times import parse_time
from ..warehouse.connection import Connection, Warehouse, batches, placeholders
from .message import Message, signal_key
from .signals import Signal

__all__ = [
    "MAX_ATTEMPTS",
    "PIPELINE",
    "SCHEMA",
    "TABLE",
    "OpenRow",
    "begin",
    "failed",
    "give_up",
    "insert",
    "known",
    "open_rows",
    "plan",
    "prepare",
    "refused",
    "sent",
    "unsure",
]

PIPELINE = SCHEMA = "usertesting_alerts"
TABLE = "alerts"
MAX_ATTEMPTS = 20
_FREE_ATTEMPTS = 3
_ROWS_PER_INSERT = 50

_COLUMNS: dict[str, TColumnSchema] = {
    "alert_key": {"data_type": "text", "nullable": False, "primary_key": True},
    "message_key": {"data_type": "text"},
    "rule_id": {"data_type": "text"},
    "severity": {"data_type": "text"},
    "session_id": {"data_type": "text"},
    "test_id": {"data_type": "text"},
    "task_uuid": {"data_type": "text"},
    "channel": {"data_type": "text"},
    "status": {"data_type": "text"},
    "attempts": {"data_type": "bigint"},
    "finish_time": {"data_type": "timestamp"},
    "created_at": {"data_type": "timestamp"},
    "tried_at": {"data_type": "timestamp"},
    "sent_at": {"data_type": "timestamp"},
    "external_id": {"data_type": "text"},
    "last_error": {"data_type": "text"},
    "loaded_until": {"data_type": "timestamp"},
}


@dataclass(frozen=True)
class OpenRow:
    """A signal that is decided and not known to be sent."""

    alert_key: str
    message_key: str
    rule_id: str
    session_id: str
    status: str
    attempts: int
    tried_at: datetime | None

    @property
    def uncertain(self) -> bool:
        """Whether it may have been sent."""
        return self.status == "pending" and self.attempts > 0

    def due(self, now: datetime) -> bool:
        """The first tries come with each run, later ones after 10 minutes, 20, 40, ... 6 hours."""
        if self.tried_at is None or self.attempts < _FREE_ATTEMPTS:
            return True
        pause = min(timedelta(minutes=10 << (self.attempts - _FREE_ATTEMPTS)), timedelta(hours=6))
        return now >= self.tried_at + pause


def prepare(warehouse: Warehouse) -> None:
    """
    Make or complete the table, if need be.

    Raises:
        DestinationError: the destination does not let dlt make a table.

    """
    for _ in range(2):  # a package left over from a crash goes first, and alone
        with warehouse.open() as db:
            if set(_COLUMNS) <= set(db.columns(TABLE)):
                return
        try:
            warehouse.pipeline.run(_empty_table(), schema=dlt.Schema(SCHEMA))
        except PipelineStepFailed as error:
            raise DestinationError(f"The table {TABLE} cannot be made: {error.exception}") from error


def _empty_table() -> Any:
    @dlt.resource(name=TABLE, columns=_COLUMNS, write_disposition="append")
    def alerts() -> Iterator[Any]:
        yield dlt.mark.materialize_table_schema()

    return alerts()


def open_rows(db: Connection, channel: str, now: datetime) -> list[OpenRow]:
    """What earlier runs left to do on `channel`, and is due."""
    columns = ("alert_key", "message_key", "rule_id", "session_id", "status", "attempts", "tried_at")
    where = "channel = %s AND status IN ('pending', 'failed') AND attempts < %s"
    rows = [
        OpenRow(**{**row, "tried_at": parse_time(row["tried_at"])})
        for row in db.select(TABLE, columns, where, channel, MAX_ATTEMPTS)
    ]
    return [row for row in rows if row.due(now)]


def known(db: Connection, channel: str, session_ids: Sequence[str]) -> set[str]:
    """The keys of all signals of these sessions that are in the table, whatever became of them."""
    where = f"channel = %s AND session_id IN ({placeholders(session_ids)})"
    rows = db.select(TABLE, ("alert_key",), where, channel, *session_ids) if session_ids else []
    return {row["alert_key"] for row in rows}


def plan(db: Connection, channel: str, signals: Iterable[Signal], now: datetime) -> None:
    """Record new signals as decided, before any of them is sent."""
    insert(db, [_row(signal, channel, now) for signal in signals])


def _row(signal: Signal, channel: str, now: datetime) -> dict[str, object]:
    return {
        "alert_key": signal_key(signal, channel),
        "message_key": "",
        "rule_id": signal.rule_id,
        "severity": signal.severity,
        "session_id": signal.session_id,
        "test_id": signal.test_id,
        "task_uuid": signal.finding.task_uuid,
        "channel": channel,
        "status": "pending",
        "attempts": 0,
        "finish_time": signal.finish_time,
        "created_at": now,
    }


def insert(db: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Add rows; columns that they leave out are null."""
    names = [*_COLUMNS, "_dlt_load_id", "_dlt_id"]
    for start in range(0, len(rows), _ROWS_PER_INSERT):
        some = rows[start : start + _ROWS_PER_INSERT]
        values = [[*map(row.get, _COLUMNS), PIPELINE, row["alert_key"]] for row in some]
        one = f"({placeholders(names)})"
        sql = f"INSERT INTO {{{TABLE}}} ({', '.join(names)}) VALUES {', '.join([one] * len(some))}"  # noqa: S608 - names are ours
        db.execute(sql, *(value for row in values for value in row))


def begin(db: Connection, message: Message, channel: str, now: datetime) -> None:
    """Record that `message` is about to be sent."""
    change = "status = 'pending', attempts = attempts + 1, tried_at = %s, message_key = %s"
    _update(db, message, channel, change, now, message.key)


def sent(db: Connection, message: Message, channel: str, now: datetime, external_id: str | None) -> None:
    """Record that the channel has accepted `message`."""
    change = "status = 'sent', sent_at = %s, external_id = %s, last_error = NULL"
    _update(db, message, channel, change, now, external_id)


def failed(db: Connection, message: Message, channel: str, error: str) -> None:
    """Record that `message` was not accepted; if an earlier try may have been, that stays open."""
    status = "pending" if message.tried_at else "failed"
    _update(db, message, channel, "status = %s, last_error = %s", status, error)


def refused(db: Connection, message: Message, channel: str, error: str) -> None:
    """Like `failed`, but the fault is the channel's, so that the try does not count."""
    status = "pending" if message.tried_at else "failed"
    change = "status = %s, last_error = %s, attempts = attempts - 1"
    _update(db, message, channel, change, status, error)


def unsure(db: Connection, message: Message, channel: str, error: str) -> None:
    """Record why nobody knows whether `message` was accepted; it stays pending."""
    _update(db, message, channel, "last_error = %s", error)


def give_up(db: Connection, rows: Sequence[OpenRow], why: str) -> None:
    """Close rows that need no telling any more."""
    for keys in batches(row.alert_key for row in rows):
        where = f"alert_key IN ({placeholders(keys)})"
        db.execute(
            f"UPDATE {{{TABLE}}} SET status = 'failed', attempts = %s, last_error = %s WHERE {where}",  # noqa: S608 - names are ours
            MAX_ATTEMPTS,
            why,
            *keys,
        )


def _update(db: Connection, message: Message, channel: str, change: str, *values: object) -> None:
    for keys in batches(signal_key(signal, channel) for signal in message.signals):
        sql = f"UPDATE {{{TABLE}}} SET {change} WHERE alert_key IN ({placeholders(keys)})"  # noqa: S608 - names are ours
        db.execute(sql, *values, *keys)
