"""
What one resource has loaded of one test, and what is due: listing + state + now in; due, settled, later, removed out.

The state is a small JSON dict that dlt keeps with the data. It is bounded: a cursor on the finish time, the ids
settled around it, and what is to be asked for again:

    cursor    everything listed that finished before `cursor - overlap` is settled (ms since 1970)
    floor     sessions that finished before are not wanted (`start_date`)
    settled   {session id: finished at} inside the overlap, and above the cursor while a backlog is worked off
    again     {session id: Retry}: failed, or not there yet
    total     the API's count when everything listed was settled: the same count says that nothing has changed
    deep      when the listing was last read back to the overlap's border
    quiet     when a test without news for a long time was last listed
    failing   Retry of the test itself: it could not be listed
    misses, found, barren   what was learnt of tests that may have none of this (see `Cursor.probe`)

Times are ms since 1970. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast

from .listing import Listed, Listing, milliseconds

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FIRST_RETRY = 5 * MINUTE
LAST_RETRY = DAY
LAST_TEST_RETRY = HOUR
GIVE_UP_AFTER = 14 * DAY
DEEP_EVERY = DAY
QUIET_EVERY = DAY - HOUR  # a daily cron that starts a minute early still lists every test
PROBES = 3
PROBE_GROWTH = 10

Why = Literal["waiting", "failed"]


class Retry(TypedDict):
    """
    Something to ask for again: when it finished, tries so far, next try, first failure, deadline; and how it was
    listed, since it may not be listed any more when it comes.
    """

    time: int
    tries: int
    at: int
    since: int
    until: int
    why: str
    summary: dict[str, Any]


def retry_delay(tries: int, longest: int = LAST_RETRY) -> int:
    """How long to wait after the try with this number (from 1): 5, 15, 45 minutes and so on, at most `longest`."""
    return int(min(FIRST_RETRY * 3 ** min(tries - 1, 12), longest))


def retry_after(
    before: Retry | None, time: int, now: int, why: Why, until: int, longest: int = LAST_RETRY
) -> Retry | None:
    """The next try after one that went wrong at `now`; None when `until` has passed: given up."""
    if now >= until:
        return None
    tries = (before["tries"] if before else 0) + 1
    since = before["since"] if before else now
    at = min(now + retry_delay(tries, longest), max(until, now + 1))
    summary = before["summary"] if before else {}
    return Retry(time=time, tries=tries, at=at, since=since, until=until, why=why, summary=summary)


@dataclass(frozen=True)
class Due:
    """A session to be asked for now, and the tries that went wrong before."""

    session_id: str
    time: int
    tries: int = 0
    since: int | None = None


class Cursor:
    """
    One resource's place in one test: a view on its dict in dlt's state.

    Args:
        state: changed in place.
        overlap: how far behind the cursor a session may still turn up, in ms.
        floor: sessions that finished before are not wanted, in ms.

    """

    def __init__(self, state: dict[str, Any], overlap: int, floor: int | None = None) -> None:
        self.state = state
        self._overlap = overlap
        self._floor = floor
        self._open: list[Listed] = []
        self._newest = 0
        self._holds = False

    # -- what is due ---------------------------------------------------------

    @property
    def settled(self) -> dict[str, int]:
        """Ids of sessions that are done, with the time each finished."""
        return cast("dict[str, int]", self.state.setdefault("settled", {}))

    @property
    def again(self) -> dict[str, Retry]:
        """What is to be asked for again."""
        return cast("dict[str, Retry]", self.state.setdefault("again", {}))

    @property
    def border(self) -> int | None:
        """How far back a listing has to be read, in ms; None: to the beginning."""
        cursor = self.state.get("cursor")
        if cursor is None or self._is_lowered():
            return self._floor
        border = int(cursor) - self._overlap
        return border if self._floor is None else max(border, self._floor)

    def look(self, listing: Listing, now: int) -> None:
        """Takes a listing to work on, read back at least to `border`."""
        self._note_floor(listing)
        self._holds = listing.gaps
        # a finish time in the future must not carry the cursor over everything before it
        self._newest = min(listing.newest or 0, now)
        border = self._settled_before()
        self._prune(border)
        self._open = sorted(
            (
                session
                for session in listing.sessions
                if session.time >= border
                and session.session_id not in self.settled
                and session.session_id not in self.again
            ),
            key=lambda session: (session.time, session.session_id),
        )

    def due(self, now: int, since: int | None = None) -> list[Due]:
        """
        What to ask for at `now`, oldest first; with `since` (ms), only what finished since.

        What `since` leaves out stays due for a later call without it.
        """
        fresh = [Due(s.session_id, s.time) for s in self._open if since is None or s.time >= since]
        retries = [
            Due(session_id, retry["time"], retry["tries"], retry["since"])
            for session_id, retry in self.again.items()
            if retry["at"] <= now
        ]
        return sorted(fresh + retries, key=lambda due: (due.time, due.session_id))

    def is_unchanged(self, listing: Listing, now: int) -> bool:
        """Whether a first page shows that nothing came or went since all was settled."""
        if self.state.get("total") != listing.total or self._is_lowered():
            return False
        if now - self.state.get("deep", 0) >= DEEP_EVERY:
            return False
        border = self._settled_before()
        return all(
            s.time < border or s.session_id in self.settled or s.session_id in self.again for s in listing.sessions
        )

    # -- what was done -------------------------------------------------------

    def settle(self, session_id: str, time: int) -> None:
        """The session is done: never asked for again."""
        self.again.pop(session_id, None)
        self.settled[session_id] = time
        self._advance()

    def later(self, due: Due, now: int, why: Why, until: int, summary: dict[str, Any]) -> Retry | None:
        """The session is to be asked for again, with growing delays; None when it is given up, and so settled."""
        retry = retry_after(self.again.get(due.session_id), due.time, now, why, until)
        if retry is None:
            self.settle(due.session_id, due.time)
        else:
            self.again[due.session_id] = Retry(**{**retry, "summary": summary})
            self._advance()
        return retry

    def finish(self, listing: Listing, now: int, quiet_after: int | None) -> None:
        """Notes what a look at the test showed, once all that was due in it is done."""
        self._advance()
        barren = self.state.get("barren") is not None
        if (self._open_left() and not barren) or listing.gaps:
            self.state.pop("total", None)
            self.state.pop("quiet", None)
            return
        border = self.border
        self._prune(self._settled_before())
        if listing.ended or (border is not None and listing.back_to is not None and listing.back_to <= border):
            if self.state.get("total") != listing.total or now - self.state.get("deep", 0) >= DEEP_EVERY:
                self.state["deep"] = now
            self.state["total"] = listing.total
        self.rest(self._newest, now, quiet_after)

    def rest(self, newest: int | None, now: int, quiet_after: int | None) -> None:
        """Lets a test rest for a day whose newest session is old and where nothing is to be asked for again."""
        if quiet_after is None or self.again or not newest or now - newest < quiet_after:
            self.state.pop("quiet", None)
        elif now - self.state.get("quiet", 0) >= QUIET_EVERY:
            self.state["quiet"] = now

    def rests(self, now: int) -> bool:
        """Whether the test needs no listing now: it has been quiet for long, and was listed within the day."""
        return now - self.state.get("quiet", 0) < QUIET_EVERY and not self._is_lowered()

    def forget(self) -> None:
        """Makes everything due again."""
        self.state.clear()

    # -- tests that may have none of this ---------------------------------------

    def probe(self, due: list[Due], total: int) -> list[Due]:
        """
        What to ask for of a test of unknown kind, which may have no transcripts (or videos) at all.

        Until one is found, `PROBES` sessions are asked: the oldest, the newest, the middle one. When they were given
        up, the test counts as having none, until it has `PROBE_GROWTH` times as many sessions: then one is asked again.
        """
        if self.state.get("found"):
            return due
        retries = [d for d in due if d.tries]
        fresh = [d for d in due if not d.tries]
        if (barren := self.state.get("barren")) is not None:
            return fresh[-1:] if total >= barren * PROBE_GROWTH and not self.again else retries
        places = PROBES - self.state.get("misses", 0) - len(self.again)
        spread = fresh[:1] + fresh[1:][-1:] + fresh[1:-1][len(fresh[1:-1]) // 2 :][:1]
        return retries + spread[: max(places, 0)]

    def hit(self) -> None:
        """One was there: the test has them, and everything not asked for is due."""
        self.state["found"] = True
        self.state.pop("barren", None)
        self.state.pop("misses", None)

    def miss(self, total: int) -> bool:
        """One was given up; True when the test counts as having none from now on."""
        if self.state.get("found"):
            return False
        self.state["misses"] = self.state.get("misses", 0) + 1
        if self.state["misses"] < PROBES:
            return False
        self.state["barren"] = max(total, PROBES)
        return True

    # -- inside ----------------------------------------------------------------

    def _settled_before(self) -> int:
        """Everything that finished before is settled, or not wanted."""
        cursor = self.state.get("cursor")
        border = 0 if cursor is None else int(cursor) - self._overlap
        return max(border, self._floor or 0)

    def _is_lowered(self) -> bool:
        """Whether older sessions are wanted than those that the state speaks of."""
        floor = self.state.get("floor")
        return floor is not None and (self._floor is None or self._floor < floor)

    def _note_floor(self, listing: Listing) -> None:
        """Keeps in the state from when on it is complete."""
        cursor = self.state.get("cursor")
        if cursor is None or self._is_lowered():
            self._rewind(listing)
            self.state["floor"] = self._floor
        elif self._floor is not None and self._floor > int(cursor) - self._overlap:
            self.state["floor"] = max(self._floor, self.state.get("floor") or 0)

    def _rewind(self, listing: Listing) -> None:
        """Older sessions are wanted now: go back to the beginning, but keep what is settled."""
        floor, cursor = self.state.get("floor"), self.state.get("cursor")
        if cursor is None or floor is None:
            return
        done_before = int(cursor) - self._overlap
        self.settled.update({s.session_id: s.time for s in listing.sessions if floor <= s.time < done_before})
        self.state["cursor"] = None

    def _prune(self, border: int) -> None:
        for session_id in [i for i, time in self.settled.items() if time < border]:
            del self.settled[session_id]

    def _open_left(self) -> list[Listed]:
        return [s for s in self._open if s.session_id not in self.settled and s.session_id not in self.again]

    def _advance(self) -> None:
        """Moves the cursor up to the oldest session that is still open, and drops the ids far behind it."""
        done = 0
        for session in self._open:
            if session.session_id not in self.settled and session.session_id not in self.again:
                break
            done += 1
        del self._open[:done]
        reached = self._open[0].time if self._open else self._newest
        if not self._holds and min(reached, self._newest) > (self.state.get("cursor") or 0):
            self.state["cursor"] = min(reached, self._newest)


_SUMMARY = ("finishTime", "startTime", "audienceId", "status")


def compact(summary: Mapping[str, Any]) -> list[Any]:
    """A session's row of the listing, without the names that all rows share; what is unknown keeps its name."""
    more = {key: value for key, value in summary.items() if key not in (*_SUMMARY, "sessionId")}
    return [*(summary.get(key) for key in _SUMMARY), *([more] if more else [])]


def expand(session_id: str, row: list[Any]) -> dict[str, Any]:
    """The listing's row that `compact` made smaller."""
    more = row[len(_SUMMARY)] if len(row) > len(_SUMMARY) else {}
    return {"sessionId": session_id, **dict(zip(_SUMMARY, row, strict=False)), **more}


def removed(known: Mapping[str, list[Any]], listing: Listing, border: int | None) -> Iterator[str]:
    """
    Ids of `known` sessions ({id: compact row}) that are gone from a listing.

    Only a listing that is complete and not empty proves anything, and only for sessions that both started and finished
    inside the part that was read: then either way of sorting would have shown them.
    """
    if not listing.complete or not listing.sessions:
        return
    read_from = max(0 if listing.back_to is None else listing.back_to, border or 0)
    listed = {session.session_id for session in listing.sessions}
    for session_id, row in known.items():
        times = [time for time in map(milliseconds, row[:2]) if time is not None]
        if session_id not in listed and times and min(times) >= read_from:
            yield session_id


def oldest_first(due: Iterable[Due], fresh_ids: frozenset[str]) -> list[Due]:
    """Those of `fresh_ids` first, each group oldest first: news does not wait for a backlog."""
    return sorted(due, key=lambda d: (d.session_id not in fresh_ids, d.time, d.session_id))
