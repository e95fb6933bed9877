"""What a message says, whatever channel carries it. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from urllib.parse import quote

from .privacy import masked
from .signals import SEVERITIES, Signal, one_line

__all__ = [
    "QUOTE_CHARS",
    "Message",
    "Style",
    "as_uncertain",
    "cut",
    "digest",
    "group",
    "hashed",
    "headline",
    "link",
    "message_key",
    "problem",
    "quoted",
    "signal_key",
    "stamp",
    "tally",
    "test_name",
]

QUOTE_CHARS = 200


@dataclass(frozen=True)
class Style:
    """
    How messages are worded.

    Attributes:
        include_text: whether the participant's own words may leave the warehouse.
        result_url: the page of a test, with `{test_id}` and perhaps `{session_id}`.

    """

    include_text: bool = True
    result_url: str = "https://app.usertesting.com/tests/{test_id}/results"


@dataclass(frozen=True)
class Message:
    """
    Signals that are told together: those of a session (or of one of its tasks), or a digest of many sessions.

    Attributes:
        key: the same for the same set of signals; the label of a Jira issue is made from it.
        tried_at: when it may have been accepted already without our knowing; None: surely not.

    """

    signals: tuple[Signal, ...]
    key: str
    tried_at: datetime | None = None

    @property
    def first(self) -> Signal:
        """The most severe signal."""
        return self.signals[0]

    @property
    def sessions(self) -> list[str]:
        """The session ids it speaks of, each once."""
        return list(dict.fromkeys(signal.session_id for signal in self.signals))

    @property
    def is_digest(self) -> bool:
        return len(self.sessions) > 1


def signal_key(signal: Signal, channel: str) -> str:
    """The ledger's key of a signal on a channel."""
    return hashed(*signal.key, channel)


def message_key(signals: Iterable[Signal], channel: str) -> str:
    """The key of a set of signals, whatever their order."""
    return hashed(*sorted(signal_key(signal, channel) for signal in signals))


def hashed(*parts: str) -> str:
    """A key made of `parts`: 32 hexadecimal digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def group(signals: Iterable[Signal], channel: str, per: str = "session") -> list[Message]:
    """One message per session or, with `per="task"`, per task; the most severe and the oldest first."""
    groups: dict[tuple[str, str], list[Signal]] = {}
    for signal in signals:
        task = (signal.finding.task_uuid or "") if per == "task" else ""
        groups.setdefault((signal.session_id, task), []).append(signal)
    return sorted((_message(some, channel) for some in groups.values()), key=_urgency)


def digest(messages: Sequence[Message], channel: str) -> Message:
    """All signals of `messages` in one."""
    return _message([signal for message in messages for signal in message.signals], channel)


def _message(signals: Sequence[Signal], channel: str) -> Message:
    return Message(tuple(sorted(signals, key=_weight)), message_key(signals, channel))


def _weight(signal: Signal) -> tuple[int, int]:
    return SEVERITIES.index(signal.severity), signal.finding.task_number or 0


def _urgency(message: Message) -> tuple[int, float]:
    finished = message.first.finish_time
    return SEVERITIES.index(message.first.severity), finished.timestamp() if finished else 0.0


def as_uncertain(signals: Sequence[Signal], key: str, tried_at: datetime) -> Message:
    """A message that may have been accepted at `tried_at` already: it keeps its key."""
    return replace(Message(tuple(sorted(signals, key=_weight)), key), tried_at=tried_at)


def test_name(signal: Signal) -> str:
    """The test's title or, without one, its id."""
    return one_line(signal.test_title) or f"Test {signal.test_id}"


def problem(signal: Signal) -> str:
    """What went wrong, in one short line: `Task 3: failed`."""
    task, what = signal.finding.task_number, masked(signal.finding.what)
    return cut(f"Task {task}: {what}" if task else _capital(what), 300)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def headline(message: Message) -> str:
    """The whole message in a few words."""
    if message.is_digest:
        return f"{len(message.sessions)} more sessions showed a problem"
    more = f" (+{len(message.signals) - 1} more)" if len(message.signals) > 1 else ""
    return f"{problem(message.first)}{more}"


def quoted(signal: Signal, style: Style) -> str | None:
    """The participant's own words, masked and cut; None when there are none or they are to stay in the warehouse."""
    words = one_line(signal.finding.quote) if style.include_text else None
    return cut(masked(words), QUOTE_CHARS) if words else None


def tally(message: Message) -> list[tuple[Signal, int]]:
    """Per test of a digest: one of its signals (for name and link) and how many sessions, most first."""
    first = {signal.test_id: signal for signal in reversed(message.signals)}
    sessions = {(signal.test_id, signal.session_id) for signal in message.signals}
    counts = Counter(test_id for test_id, _ in sessions)
    return [(first[test_id], count) for test_id, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]


def link(signal: Signal, style: Style) -> str:
    """The page where the test's results are shown."""
    url = style.result_url.replace("{test_id}", quote(signal.test_id, safe=""))
    return url.replace("{session_id}", quote(signal.session_id, safe=""))


def stamp(when: datetime | None) -> str:
    """`2024-11-21 12:25 UTC`."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if when else "at an unknown time"


def cut(words: str, limit: int) -> str:
    """`words` on one line, in at most `limit` characters."""
    line = " ".join(words.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
