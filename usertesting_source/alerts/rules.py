"""
The rules that ship with the package. Pure; a field that is null or of an unknown shape keeps a rule silent.

Each function takes its thresholds and returns a check: a `Session` in, `Finding`s out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .privacy import masked
from .signals import Check, Finding, Row, Session, finding, finite, is_one, kind, one_line

__all__ = [
    "SPEECH",
    "failed_task",
    "keyword",
    "low_nps",
    "low_qx",
    "low_rating",
    "own_rule",
    "skipped_task",
    "slow_task",
]

SPEECH = ("written", "spoken", "transcript")
"""Where a participant's own words are."""

# what a participant picked, not what they said
_PICKED = frozenset({"multiplechoice", "rankorder", "matrix"})
# no answer is asked for there, so none can be missing
_ASKS_NOTHING = frozenset({"blank", "image", "url", "figma", "unrecognized"})
_SPOKEN = frozenset({"verbal", "spoken"})


def low_rating(threshold: float = 2, of: float = 5) -> Check:
    """A rating at or below `threshold` of `of`, in proportion on other scales: 2 of 5 is 4 of 10."""

    def check(session: Session) -> Iterator[Finding]:
        for task in session.tasks:
            value, top = finite(task.get("answer_number")), finite(task.get("answer_scale_max"))
            if kind(task) != "ratingscale" or value is None or top is None or not 0 <= value <= top:
                continue
            if value * of <= threshold * top:
                yield finding(session, task, f"rated {value:g} of {top:g}")

    return check


def failed_task() -> Check:
    """A navigation or prototype task that the participant did not complete (`answer_success` is false)."""

    def check(session: Session) -> Iterator[Finding]:
        for task in session.tasks:
            success = task.get("answer_success")
            # some databases hand back 0 for false
            if isinstance(success, bool | int) and success == 0:
                yield finding(session, task, "failed")

    return check


def low_nps(threshold: float = 6) -> Check:
    """A "how likely to recommend" (0 to 10) at or below `threshold`; 6 and below are detractors."""

    def check(session: Session) -> Iterator[Finding]:
        for task in session.tasks:
            value = finite(task.get("answer_number"))
            if kind(task) == "nps" and value is not None and 0 <= value <= min(threshold, 10):
                yield finding(session, task, f"NPS {value:g}")

    return check


def skipped_task(unanswered: bool = True) -> Check:
    """A task that was skipped or, with `unanswered`, shown and left without an answer."""

    def check(session: Session) -> Iterator[Finding]:
        for task in session.tasks:
            if is_one(task.get("skipped")):
                yield finding(session, task, "skipped")
            elif unanswered and _left_empty(task):
                yield finding(session, task, "left unanswered")

    return check


def _left_empty(task: Row) -> bool:
    answered = task.get("answered")
    shown = finite(task.get("start_time_ms")) is not None
    return isinstance(answered, bool | int) and answered == 0 and shown and kind(task) not in _ASKS_NOTHING


def slow_task(threshold: float = 3, min_sessions: int = 10, min_seconds: float = 60) -> Check:
    """
    A task that took `threshold` times the median of its test, and at least `min_seconds`.

    Silent until `min_sessions` sessions of the test have done the task.
    """

    def check(session: Session) -> Iterator[Finding]:
        for task in session.tasks:
            seconds, usual = _seconds(task), session.pace.get(str(task.get("task_uuid")))
            if seconds is None or usual is None or usual.sessions < min_sessions or usual.median <= 0:
                continue
            if seconds >= max(threshold * usual.median, min_seconds):
                yield finding(session, task, f"took {_clock(seconds)}, usually {_clock(usual.median)}")

    return check


def _seconds(task: Row) -> float | None:
    start, end = finite(task.get("start_time_ms")), finite(task.get("end_time_ms"))
    return None if start is None or end is None or end < start else (end - start) / 1000


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def low_qx(threshold: float = 40) -> Check:
    """A QXscore of this participant (0 to 100) below `threshold`."""

    def check(session: Session) -> Iterator[Finding]:
        for group in session.task_groups:
            score = _score(group)
            if score is not None and 0 <= score < threshold:
                yield Finding(f"QXscore {score:g} of 100", task_uuid=one_line(group.get("task_group_uuid")))

    return check


def _score(group: Row) -> float | None:
    response = group.get("task_group_response")
    if isinstance(response, str):
        try:
            response = json.loads(response)
        except ValueError:
            return None
    return finite(response.get("score")) if isinstance(response, dict) else None


def keyword(
    keywords: Sequence[str] = (),
    patterns: Sequence[str] = (),
    look_in: Sequence[str] = SPEECH,
) -> Check:
    """
    A word or a pattern in what the participant wrote or said.

    Args:
        keywords: whole words or phrases, in any case.
        patterns: regular expressions, in any case.
        look_in: any of `written` (answers), `spoken` (answers given aloud) and `transcript`.

    """
    wanted = [
        *((f'mentions "{word}"', _word(word)) for word in keywords),
        *((f"matches /{pattern}/", re.compile(pattern, re.IGNORECASE)) for pattern in patterns),
    ]

    def check(session: Session) -> Iterator[Finding]:
        told = set()
        for task in session.tasks:
            said = one_line(task.get("answer_text")) if _is_speech(task, look_in) else None
            for what, match in _matches(said, wanted):
                told.add(what)
                yield finding(session, task, what, _around(said or "", match))
                break
        for what, match in _matches(session.transcript if "transcript" in look_in else None, wanted):
            if what not in told:
                yield Finding(f"{what} (transcript)", quote=_around(session.transcript or "", match))
                break

    return check


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _is_speech(task: Row, look_in: Sequence[str]) -> bool:
    if kind(task) in _PICKED:
        return False
    return ("spoken" if kind(task) in _SPOKEN else "written") in look_in


def _matches(said: str | None, wanted: Iterable[tuple[str, re.Pattern[str]]]) -> Iterator[tuple[str, re.Match[str]]]:
    for what, pattern in wanted if said else ():
        match = pattern.search(said or "")
        if match:
            yield what, match


def _around(said: str, match: re.Match[str], reach: int = 80) -> str:
    # masked before it is cut: half a phone number is not known as one
    before, after = masked(said[: match.start()]), masked(said[match.end() :])
    inside = " ".join(f"{before[-reach:]}{match.group()}{after[:reach]}".split())
    return f"{'… ' if len(before) > reach else ''}{inside}{' …' if len(after) > reach else ''}"


def own_rule(function: Callable[[Session], Any], told_as: str | None = None) -> Check:
    """
    A user's function as a check: it may return None, a text, a `Finding`, or several of these.

    Args:
        function: takes a `Session`.
        told_as: what is told in place of what the function says, which may hold a participant's words.

    Raises:
        TypeError: from the check, when it returns anything else.

    """

    def check(session: Session) -> Iterator[Finding]:
        for one in _several(function(session)):
            found = Finding(one) if isinstance(one, str) else one
            if not isinstance(found, Finding) or not isinstance(found.what, str):
                raise TypeError("a rule returns None, a text, a Finding, or a list of these")
            if found.what.strip():
                yield found if told_as is None else replace(found, what=told_as, quote=None, task_text=None)

    return check


def _several(answer: Any) -> Iterable[Any]:
    if answer is None:
        return ()
    is_many = isinstance(answer, Iterable) and not isinstance(answer, str | Mapping)
    return answer if is_many else (answer,)
