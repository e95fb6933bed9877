"""
Signals: what is worth telling somebody about a session. Pure: rows of a session in, signals out.

A *rule* looks at one `Session` and reports `Finding`s; `detect` runs all rules and stamps each finding with
the rule, its severity and the session. The rules that ship with the package are in `rules.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

__all__ = [
    "SEVERITIES",
    "Detection",
    "Finding",
    "Pace",
    "Rule",
    "Session",
    "Signal",
    "detect",
    "finding",
    "finite",
    "is_one",
    "kind",
    "one_line",
    "own_words",
]

SEVERITIES = ("high", "medium", "low")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pace:
    """How long a task of a test usually takes: the median in seconds, and of how many sessions."""

    median: float
    sessions: int


@dataclass(frozen=True)
class Session:
    """
    A session as the warehouse holds it.

    Attributes:
        tasks: rows of `session_details__tasks`, by task number.
        task_groups: rows of `session_details__task_groups`.
        transcript: the plain text of the transcript, None while there is none.
        cues: rows of `transcripts__cues` (start_ms, end_ms, speaker, text), by start.
        pace: the usual time of each task, by task_uuid; empty when no rule asks for it.

    """

    session_id: str
    test_id: str
    test_title: str | None = None
    finish_time: datetime | None = None
    tasks: Sequence[Row] = ()
    task_groups: Sequence[Row] = ()
    transcript: str | None = None
    cues: Sequence[Row] = ()
    pace: Mapping[str, Pace] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """
    What a rule reports.

    Attributes:
        what: a few words of ours, "rated 1 of 5"; never words of the participant.
        quote: the participant's own words, left out of messages when `include_text` is off.
        task_uuid: what the finding is about (a task, or a task group); None: the whole session.

    """

    what: str
    quote: str | None = None
    task_uuid: str | None = None
    task_number: int | None = None
    task_text: str | None = None


@dataclass(frozen=True)
class Signal:
    """A finding with its rule and session; `key` is the same whenever it is detected again."""

    rule_id: str
    severity: str
    session_id: str
    test_id: str
    test_title: str | None
    finish_time: datetime | None
    finding: Finding

    @property
    def key(self) -> tuple[str, str, str]:
        """Rule, session and task."""
        return self.rule_id, self.session_id, self.finding.task_uuid or ""


Check = Callable[[Session], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """
    A check with a name and a severity.

    Attributes:
        needs_pace: whether the check compares with other sessions of the test (`Session.pace`).

    """

    id: str
    severity: str
    check: Check
    needs_pace: bool = False


@dataclass(frozen=True)
class Detection:
    """The signals of a session, and the ids of rules that raised, with what they raised."""

    signals: list[Signal]
    broken: dict[str, str]


def detect(session: Session, rules: Iterable[Rule]) -> Detection:
    """Run `rules` over `session`. A rule that raises is reported and keeps no other from telling."""
    found: dict[tuple[str, str, str], Signal] = {}
    broken: dict[str, str] = {}
    for rule in rules:
        try:
            for one in rule.check(session):
                signal = _signal(session, rule, one)
                found.setdefault(signal.key, signal)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's own rule may raise anything
            broken[rule.id] = type(error).__name__
    return Detection(list(found.values()), broken)


def _signal(session: Session, rule: Rule, one: Finding) -> Signal:
    return Signal(
        rule_id=rule.id,
        severity=rule.severity,
        session_id=session.session_id,
        test_id=session.test_id,
        test_title=session.test_title,
        finish_time=session.finish_time,
        finding=one,
    )


def finding(session: Session, task: Row, what: str, quote: str | None = None) -> Finding:
    """A finding about `task`; without a `quote`, with what the participant wrote or said there."""
    task_number = finite(task.get("task_number"))
    return Finding(
        what=what,
        quote=quote if quote is not None else own_words(session, task),
        task_uuid=one_line(task.get("task_uuid")),
        task_number=None if task_number is None else int(task_number),
        task_text=one_line(task.get("task_text")),
    )


def own_words(session: Session, task: Row) -> str | None:
    """The participant's words in `task`: the answer's text, else what was said during the task."""
    written = one_line(task.get("answer_text"))
    if written:
        return written
    start, end = finite(task.get("start_time_ms")), finite(task.get("end_time_ms"))
    if start is None or end is None:
        return None
    said = [one_line(cue.get("text")) for cue in session.cues if _within(cue.get("start_ms"), start, end)]
    return " ".join(filter(None, said)) or None


def _within(time_ms: object, start: float, end: float) -> bool:
    value = finite(time_ms)
    return value is not None and start <= value < end


def kind(task: Row) -> str:
    """The kind of a task in one spelling: `ratingScale` and `RATING_SCALE` are both `ratingscale`."""
    name = one_line(task.get("answer_kind")) or one_line(task.get("task_type")) or ""
    return re.sub(r"[^a-z]", "", name.lower())


def finite(value: object) -> float | None:
    """`value` as a finite number; None for everything else, booleans and text included."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except (OverflowError, ValueError):
        return None


def is_one(value: object) -> bool:
    """Whether `value` is true, as databases hand it back: some as 1."""
    return value is True or finite(value) == 1


def one_line(value: object) -> str | None:
    """`value` when it is text that says something, on one line and without control characters."""
    if not isinstance(value, str):
        return None
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", value).split()) or None
