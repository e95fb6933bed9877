"""
Tests of unknown kind, which may have no transcripts (videos, clips, scores) at all: how that is found out cheaply.

Until one is found, `PROBES` sessions are asked: the oldest, the newest, the middle one. When they were given up, the
test counts as having none, until it has `PROBE_GROWTH` times as many sessions: then one is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence

from .again import Due
from .state import TestState

PROBES = 3
PROBE_GROWTH = 10


def probes(state: TestState, due: Sequence[Due], total: int) -> list[Due]:
    """What to ask of what is `due` in such a test, which has `total` sessions."""
    if state.has_some:
        return list(due)
    retries = [d for d in due if d.tries]
    fresh = [d for d in due if not d.tries]
    if state.barren_total is not None:
        return fresh[-1:] if has_grown(state, total) and not state.again else retries
    places = PROBES - (state.probes_missed or 0) - len(state.again)
    spread = fresh[:1] + fresh[1:][-1:] + fresh[1:-1][len(fresh[1:-1]) // 2 :][:1]
    return retries + spread[: max(places, 0)]


def has_grown(state: TestState, total: int) -> bool:
    """Whether a test that counts as having none has so many more sessions that it is asked again."""
    return state.barren_total is None or total >= state.barren_total * PROBE_GROWTH


def are_out(state: TestState) -> bool:
    """Whether all probes are out: until one is found, the first page, which has the count, is listing enough."""
    out = (state.probes_missed or 0) + len(state.again)
    return not state.has_some and (state.barren_total is not None or out >= PROBES)


def hit(state: TestState) -> bool:
    """One was there: everything not asked for is due. True when that is news."""
    is_news = not state.has_some
    state.has_some = True
    state.barren_total = state.probes_missed = None
    state.given_up_since.clear()
    return is_news


def miss(state: TestState, total: int) -> bool:
    """One was given up; True when the test counts as having none from now on."""
    if state.has_some:
        return False
    state.probes_missed = (state.probes_missed or 0) + 1
    if state.probes_missed < PROBES:
        return False
    state.barren_total = max(total, PROBES)
    return True
