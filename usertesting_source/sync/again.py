"""
When to ask again for what failed or is not there yet, and when to give it up: one rule for all of it.

5, 15, 45 minutes after the first try and so on, at most a day apart, and once more at the deadline.
"""

from __future__ import annotations

from typing import NamedTuple

from .state import Retry, Why

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FIRST_RETRY = 5 * MINUTE
LAST_RETRY = DAY
LAST_TEST_RETRY = HOUR
GIVE_UP_AFTER = 14 * DAY
NEVER = 2**62


class Due(NamedTuple):
    """A session to be asked for now, and the tries that went wrong before."""

    session_id: str
    time: int
    tries: int = 0
    since: int | None = None


def retry_after(
    before: Retry | None, time: int, now: int, why: Why, until: int, longest: int = LAST_RETRY
) -> Retry | None:
    """
    The next try after one that went wrong at `now`; None when `until` has passed: given up.

    Args:
        before: how it stood before this try.
        time: when the session finished, in ms.
        now: in ms.
        why: what went wrong.
        until: the deadline, in ms.
        longest: the longest delay, in ms.

    """
    if now >= until:
        return None
    tries = (before["tries"] if before else 0) + 1
    since, summary = (before["since"], before["summary"]) if before else (now, {})
    at = min(now + min(FIRST_RETRY * 3 ** min(tries - 1, 12), longest), until)
    return Retry(time=time, tries=tries, at=at, since=since, until=until, why=why, summary=summary)


def deadline(due: Due, why: Why, now: int, wait_hours: float) -> int:
    """When a session is given up: 14 days after a first failure; so long after it finished, if it never came."""
    if why == "waiting":
        return min(due.time, due.since or now) + int(wait_hours * HOUR)
    return (due.since or now) + GIVE_UP_AFTER
