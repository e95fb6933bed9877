"""Messages to send, for the tests of the channels."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from usertesting_source.alerts.message import Message, digest, group
from usertesting_source.alerts.signals import Finding, Signal

FINISHED = datetime(2024, 11, 21, 12, 25, 3, tzinfo=timezone.utc)


def signal(session_id: str = "s1", number: int | None = 3, what: str = "failed", **more: Any) -> Signal:
    """A signal; `more`: quote, title, test_id, severity, task_text, finished."""
    task = f"task-{number}" if number else None
    return Signal(
        rule_id=more.get("rule_id", "failed_task"),
        severity=more.get("severity", "high"),
        session_id=session_id,
        test_id=more.get("test_id", "test1"),
        test_title=more.get("title", "Checkout redesign"),
        finish_time=more.get("finished", FINISHED),
        finding=Finding(what, more.get("quote"), task, number, more.get("task_text", "Find the returns page")),
    )


def message(*signals: Signal, channel: str = "slack", per: str = "session") -> Message:
    """The one message that tells `signals`, all of one session."""
    (one,) = group(signals or [signal()], channel, per)
    return one


def many(count: int, channel: str = "slack") -> Message:
    """A digest of so many sessions, in two tests."""
    signals = [signal(f"s{n}", test_id=f"test{n % 2}", title=f"Test {n % 2}") for n in range(count)]
    return digest(group(signals, channel), channel)
