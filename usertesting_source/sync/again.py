"""
When to ask again for what failed, is not there yet, or may have grown, and when to stop: one rule for all of it.

What failed or is not there yet: 5, 15, 45 minutes after the first try and so on, at most a day apart, and once more at
the deadline. What should have been there before anybody asked gets a second look, a day later. What is loaded and
watched for more: 1, 4 and 13 days after the first look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .listing import Listing
from .state import Retry, Why

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LAST_RETRY = DAY
LAST_TEST_RETRY = HOUR
SECOND_LOOK = DAY
GIVE_UP_AFTER = 14 * DAY
NEVER = 2**62


class Pace(NamedTuple):
    """The first delay, in ms, of which each is three times the one before, up to the longest."""

    first: int
    longest: int


PACES: Mapping[str, Pace] = {
    "waiting": Pace(5 * MINUTE, LAST_RETRY),
    "failed": Pace(5 * MINUTE, LAST_RETRY),
    "watching": Pace(DAY, 9 * DAY),
    "late": Pace(5 * MINUTE, LAST_RETRY),
}


class Due(NamedTuple):
    """A session to be asked for now, and the tries that went wrong before."""

    session_id: str
    time: int
    tries: int = 0
    since: int | None = None


def retry_after(
    before: Retry | None, time: int, now: int, why: Why, until: int, longest: int | None = None
) -> Retry | None:
    """
    The next try after one at `now`; None when `until` has passed: given up, or watched for long enough.

    Args:
        before: how it stood before this try.
        time: when the session finished, in ms.
        now: in ms.
        why: what is to be asked for again.
        until: the deadline, in ms.
        longest: the longest delay, in ms; default: that of its pace.

    """
    pace = PACES[why]
    if before and "watching" in (why, before["why"]) and why != before["why"]:
        before = None  # a look for more is no try that went wrong
    is_late = why == "waiting" and until <= now
    if is_late:
        is_second = before is not None and before["why"] == why
        until = min(before["until"] if before and is_second else NEVER, now + SECOND_LOOK)
    if now >= until:
        return None
    tries = (before["tries"] if before else 0) + 1
    at = now + min(pace.first * 3 ** min(tries - 1, 12), longest or pace.longest)
    if why == "watching" and at > until:
        return None
    since, summary = (min(before["since"], now), before["summary"]) if before else (now, {})
    at = until if is_late else min(at, until)
    return Retry(time=time, tries=tries, at=at, since=since, until=until, why=why, summary=summary)


def deadline(due: Due, why: Why, now: int, wait_hours: float) -> int:
    """
    When a session is given up, in ms: 14 days after a first failure; so long after it finished, if it never came.

    It is watched for 14 days, if it had finished no longer before: what is made of a session is made soon.
    """
    since = min(due.since or now, now)
    if why == "waiting":
        return min(due.time, since) + int(wait_hours * HOUR)
    if why == "watching" and since - due.time >= GIVE_UP_AFTER:
        return now
    return since + GIVE_UP_AFTER


def is_due(retry: Retry, now: int, longest: int | None = None) -> bool:
    """
    Whether to try now; also when the try lies further ahead than any delay: it was planned by a clock that was ahead.

    Args:
        retry: as it was planned.
        now: in ms.
        longest: the longest delay, in ms; default: that of its pace.

    """
    ahead = retry["at"] - now
    return ahead <= 0 or ahead > (longest or PACES[retry["why"]].longest)


def waits(again: Mapping[str, Retry]) -> bool:
    """Whether something failed or is not there yet; what is loaded and watched for more does not count."""
    return any(retry["why"] != "watching" for retry in again.values())


def missing(completes: int | None, listing: Listing) -> int:
    """How many listed sessions an answer over `completes` of them leaves out; 0 when it does not say over how many."""
    listed = len(listing.sessions) if listing.ended else listing.total
    return 0 if completes is None else max(listed - completes, 0)
