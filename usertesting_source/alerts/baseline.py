"""From when on a channel is told: the bookkeeping rows of the table `alerts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..errors import DestinationError
from ..times import parse_time
from ..warehouse.connection import Connection
from . import ledger
from .message import hashed

__all__ = ["Baseline", "keep", "recorded", "this_run"]

_ALL = "*"


@dataclass(frozen=True)
class Baseline:
    """
    From when on a channel is told.

    Attributes:
        since: sessions that finished before are old news.
        checked_at: when the run began that looked last.
        loaded_until: the newest load that has been looked at; None: look at all.
        rules: `since` of each rule; a rule that is added later starts at the run before.

    """

    since: datetime
    checked_at: datetime
    loaded_until: datetime | None = None
    rules: Mapping[str, datetime] = field(default_factory=dict)


def recorded(db: Connection, channel: str) -> Baseline | None:
    """What is recorded about `channel`; None before its first run."""
    columns = ("rule_id", "finish_time", "tried_at", "loaded_until")
    rows = db.select(ledger.TABLE, columns, "status = 'baseline' AND channel = %s", channel)
    by_rule = {row["rule_id"]: row for row in rows}
    whole = by_rule.pop(_ALL, None)
    if whole is None:
        return None
    return Baseline(
        since=_time(whole["finish_time"]),
        checked_at=_time(whole["tried_at"]),
        loaded_until=parse_time(whole["loaded_until"]),
        rules={rule: _time(row["finish_time"]) for rule, row in by_rule.items()},
    )


def _time(value: object) -> datetime:
    moment = parse_time(value)
    if moment is None:
        raise DestinationError("A baseline row of the table alerts has no time; delete that row.")
    return moment


def this_run(
    old: Baseline | None,
    rules: Iterable[str],
    since: datetime | None,
    *,
    now: datetime,
    loaded: datetime | None,
) -> Baseline:
    """
    From when on this run tells, and what is recorded after it.

    Args:
        old: what is recorded; None: the first run, which starts at `since` or else now.
        rules: the ids of the rules that are on.
        since: earlier than recorded: go back to then, and look at all loads again.
        now: when this run began.
        loaded: when the newest load was completed.

    """
    if old is None:
        start = since or now
        return Baseline(start, now, loaded, dict.fromkeys(rules, start))
    starts = {**dict.fromkeys(rules, old.checked_at), **old.rules}
    if since is not None and since < old.since:
        starts = {rule: min(start, since) for rule, start in starts.items()}
        return Baseline(since, now, loaded or old.loaded_until, starts)
    return replace(old, checked_at=now, loaded_until=loaded or old.loaded_until, rules=starts)


def keep(db: Connection, channel: str, new: Baseline, old: Baseline | None) -> None:
    """Record `new` in place of `old`."""
    before = {} if old is None else {_ALL: old.since, **old.rules}
    starts = {_ALL: new.since, **new.rules}
    ledger.insert(db, [_row(channel, rule, starts[rule], new) for rule in starts.keys() - before.keys()])
    where = "status = 'baseline' AND channel = %s"
    if old is not None and new.since < old.since:
        change = f"UPDATE {{alerts}} SET finish_time = %s WHERE {where} AND finish_time > %s"  # noqa: S608 - all ours
        db.execute(change, new.since, channel, new.since)
    change = f"UPDATE {{alerts}} SET tried_at = %s, loaded_until = %s WHERE {where} AND rule_id = '{_ALL}'"  # noqa: S608 - all ours
    db.execute(change, new.checked_at, new.loaded_until, channel)


def _row(channel: str, rule: str, since: datetime, new: Baseline) -> dict[str, object]:
    return {
        "alert_key": hashed("baseline", rule, channel),
        "rule_id": rule,
        "channel": channel,
        "status": "baseline",
        "finish_time": since,
        "created_at": new.checked_at,
        "tried_at": new.checked_at,
        "loaded_until": new.loaded_until,
    }
