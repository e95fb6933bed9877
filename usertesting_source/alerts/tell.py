"""One round: what is new in the warehouse is told once, and what failed before is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dlt import Pipeline

from ..warehouse.connection import Connection, Warehouse, batches
from ..warehouse.lock import alone
from . import baseline, ledger, sessions
from .baseline import Baseline
from .channel import Channel, ChannelRefused, MaybeDelivered, NotDelivered
from .ledger import OpenRow
from .message import Message, as_uncertain, digest, group, signal_key
from .signals import Rule, Signal, detect

__all__ = ["MAX_ALERTS", "Report", "only_teller", "tell"]

MAX_ALERTS = 20
_GONE = "The rule does not fire any more: it was changed or switched off, or the session was replaced."


@dataclass
class Report:
    """
    What a round did on one channel.

    Attributes:
        first_run: set on a first run without `since`: from when on the channel is told.
        messages: what was due, with payloads as sent or (dry run) as they would be sent.
        told: what was accepted.
        errors: why others were not; each is tried again by the next rounds.
        waiting: how many are left to the next round.
        broken: rules that raised, with a session and what they raised.

    """

    channel: str
    first_run: datetime | None = None
    messages: list[tuple[Message, dict[str, Any]]] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    waiting: int = 0
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything that was due is told."""
        return not (self.errors or self.waiting or self.broken)

    @property
    def quiet(self) -> bool:
        """Whether there was nothing to tell."""
        return self.complete and not self.messages and not self.first_run


def only_teller(pipeline: Pipeline) -> AbstractContextManager[None]:
    """
    One process tells per machine, pipeline and dataset.

    Raises:
        AnotherRunIsActive: there is one.

    """
    dataset = pipeline.dataset_name
    taken = f"Another alert process is at work on the dataset {dataset}; it tells what is new."
    return alone(Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}.{dataset}.lock", taken)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def tell(
    warehouse: Warehouse,
    rules: Sequence[Rule],
    channel: Channel,
    *,
    since: datetime | None = None,
    max_alerts: int = MAX_ALERTS,
    dry_run: bool = False,
    clock: Callable[[], datetime] = _utc_now,
    stopped: Callable[[], bool] = lambda: False,
) -> Report:
    """
    Tell `channel` what `rules` find in the sessions of `warehouse` and what it was not told yet.

    Args:
        warehouse: where the sessions and the ledger are.
        rules: the rules that are on.
        channel: Slack or Jira.
        since: tell sessions that finished at or after; else a first run tells none, only later ones.
        max_alerts: so many messages, then one that sums up the rest.
        dry_run: nothing is sent and nothing is written.
        clock: the time.
        stopped: asked before each message; what is left then is told by the next run.

    Raises:
        DestinationError: the warehouse cannot be read or written.

    """
    if not dry_run:
        ledger.prepare(warehouse)
    this = _Round(warehouse, rules, channel, clock, dry_run, Report(channel.name))
    messages = _in_order(this.decide(since), channel, max_alerts)
    this.report.messages = [(message, channel.render(message)) for message in messages]
    if not dry_run:
        this.deliver(messages, stopped)
    return this.report


@dataclass
class _Queue:
    """Signals that surely were not sent, and messages that may have been."""

    signals: list[Signal]
    uncertain: list[Message]


def _in_order(queue: _Queue, channel: Channel, max_alerts: int) -> list[Message]:
    """What may be a repeat first, alone; then the most urgent; the rest in a digest."""
    uncertain = queue.uncertain[:max_alerts]
    messages = group(queue.signals, channel.name, channel.per)
    room = max_alerts - len(uncertain)
    rest = messages[room:]
    return [*uncertain, *messages[:room], *([digest(rest, channel.name)] if rest else [])]


@dataclass(frozen=True)
class _Round:
    warehouse: Warehouse
    rules: Sequence[Rule]
    channel: Channel
    clock: Callable[[], datetime]
    dry_run: bool
    report: Report

    def decide(self, since: datetime | None) -> _Queue:
        """Find out what is to be told, and record it as decided."""
        now, name = self.clock(), self.channel.name
        with self.warehouse.open() as db:
            old = baseline.recorded(db, name)
            loaded = sessions.newest_load(db)
            new = baseline.this_run(old, [rule.id for rule in self.rules], since, now=now, loaded=loaded)
            self.report.first_run = new.since if old is None and since is None else None
            fresh = self._fresh(db, old, new, now)
            rows = ledger.open_rows(db, name, now)
            again = self._again(db, rows, now)
            if self.report.broken:  # once the rule is mended, it shall see these sessions
                new = replace(new, loaded_until=old.loaded_until if old else None)
            if not self.dry_run:
                ledger.plan(db, name, fresh, now)
                baseline.keep(db, name, new, old)
                ledger.give_up(db, [row for row in rows if self._is_gone(row, again)], _GONE)
        loose = [again[row.alert_key] for row in rows if not row.uncertain and row.alert_key in again]
        return _Queue([*fresh, *loose], _uncertain(rows, again))

    def _is_gone(self, row: OpenRow, again: Mapping[str, Signal]) -> bool:
        return row.alert_key not in again and row.rule_id not in self.report.broken

    def _fresh(self, db: Connection, old: Baseline | None, new: Baseline, now: datetime) -> list[Signal]:
        """The signals of sessions that were loaded since the last round and that are not in the ledger."""
        seen = None if old is None or new.since < old.since else old.loaded_until
        ids = sessions.arrived(db, min([new.since, *new.rules.values()]), seen)
        told = {key for some in batches(ids) for key in ledger.known(db, self.channel.name, some)}
        return [
            signal
            for signal in self._signals(db, ids, now)
            if signal_key(signal, self.channel.name) not in told and _is_news(signal, new)
        ]

    def _again(self, db: Connection, rows: Iterable[OpenRow], now: datetime) -> dict[str, Signal]:
        """The signals of the sessions behind `rows`, by their keys in the ledger."""
        ids = list(dict.fromkeys(row.session_id for row in rows))
        return {signal_key(signal, self.channel.name): signal for signal in self._signals(db, ids, now)}

    def _signals(self, db: Connection, ids: Sequence[str], now: datetime) -> Iterator[Signal]:
        pace = any(rule.needs_pace for rule in self.rules)
        for session in sessions.read(db, ids, now, pace):
            detection = detect(session, self.rules)
            for rule, error in detection.broken.items():
                self.report.broken.setdefault(rule, f"{error} in session {session.session_id}")
            yield from detection.signals

    def deliver(self, messages: Sequence[Message], stopped: Callable[[], bool]) -> None:
        """Send each of `messages`, until the channel as a whole refuses or a stop is asked for."""
        for position, message in enumerate(messages):
            if stopped():
                self.report.waiting += len(messages) - position
                return
            try:
                self._deliver(message)
            except ChannelRefused as error:
                self.report.errors.append(str(error))
                self.report.waiting += len(messages) - position - 1
                return
            except (NotDelivered, MaybeDelivered) as error:
                self.report.errors.append(f"Session {message.first.session_id}: {error}")

    def _deliver(self, message: Message) -> None:
        found = self.channel.find(message) if message.tried_at else None
        if message.tried_at and found is None and self.clock() < message.tried_at + self.channel.settle:
            self.report.waiting += 1
            return
        external_id = found or self._send(message)
        with self.warehouse.open() as db:
            ledger.sent(db, message, self.channel.name, self.clock(), external_id)
        self.report.told.append(message)

    def _send(self, message: Message) -> str | None:
        with self.warehouse.open() as db:
            ledger.begin(db, message, self.channel.name, self.clock())
        try:
            return self.channel.send(message)
        except (NotDelivered, MaybeDelivered) as error:
            with self.warehouse.open() as db:
                _record(error)(db, message, self.channel.name, str(error))
            raise


def _is_news(signal: Signal, new: Baseline) -> bool:
    return signal.finish_time is None or signal.finish_time >= new.rules[signal.rule_id]


def _uncertain(rows: Iterable[OpenRow], again: Mapping[str, Signal]) -> list[Message]:
    """Rows that were begun together, as the message that they were."""
    groups: dict[str, list[OpenRow]] = {}
    for row in rows:
        if row.uncertain and row.alert_key in again:
            groups.setdefault(row.message_key, []).append(row)
    return [_as_begun(some, again) for some in groups.values()]


def _as_begun(rows: Sequence[OpenRow], again: Mapping[str, Signal]) -> Message:
    tried_at = max(row.tried_at for row in rows if row.tried_at)
    return as_uncertain([again[row.alert_key] for row in rows], rows[0].message_key, tried_at)


def _record(error: NotDelivered | MaybeDelivered) -> Callable[[Connection, Message, str, str], None]:
    if isinstance(error, ChannelRefused):
        return ledger.refused
    return ledger.failed if isinstance(error, NotDelivered) else ledger.unsure
