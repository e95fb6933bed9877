"""
What one resource has loaded of one test, and what is due: listing + state + now in; due, settled, later, removed out.

The state is a small JSON dict that dlt keeps with the data. It is bounded: where the cursor stands, the ids settled
around it, and what is to be asked for again:

    done      [[from, to], ...]: all that finished in these ranges is settled, and its ids are dropped; the one that
              begins with `start_date` ends at the cursor less the overlap, others are left from other start dates
    settled   {session id: finished at} outside these ranges: inside the overlap, or above a backlog
    again     {session id: Retry}: failed, or not there yet
    total     the API's count while everything listed is settled: the same count says that nothing has changed
    deep      when the listing was last read as far back as the overlap reaches
    quiet     when a test without news for a long time was last listed
    failing   Retry of the test itself: it could not be listed
    misses, found, barren   what was learnt of tests that may have none of this (see `Cursor.probe`)

Times are ms since 1970. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypedDict, cast

from .listing import Listed, Listing

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

_IN_ORDER = attrgetter("time", "session_id")


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


def retry_after(
    before: Retry | None, time: int, now: int, why: Why, until: int, longest: int = LAST_RETRY
) -> Retry | None:
    """
    The next try after one that went wrong at `now`: 5, 15, 45 minutes later and so on, at most `longest`, and once
    more at `until`; None when that has passed: given up.
    """
    if now >= until:
        return None
    tries = (before["tries"] if before else 0) + 1
    since, summary = (before["since"], before["summary"]) if before else (now, {})
    at = min(now + min(FIRST_RETRY * 3 ** min(tries - 1, 12), longest), until)
    return Retry(time=time, tries=tries, at=at, since=since, until=until, why=why, summary=summary)


class Due(NamedTuple):
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
        self._floor = floor or 0
        self._open: list[Listed] = []
        self._newest = 0
        self._behind = 0
        self._is_deep = False
        self._holds = True

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
        return max([self._floor, *(end for start, end in self._done if start <= self._floor)]) or None

    def look(self, listing: Listing, now: int) -> None:
        """Takes a listing to work on; one not read back to `border` shows what is due, but moves no cursor."""
        self._is_deep = listing.back_to is None or listing.back_to <= (self.border or 0)
        self._holds = listing.gaps or not self._is_deep
        # a finish time in the future must not carry the cursor over everything before it
        self._newest = min(listing.newest or 0, now)
        unknown = self._note_times(listing)
        self._prune()
        wanted = (session for session in unknown if self._is_wanted(session.time))
        self._open = sorted(wanted, key=_IN_ORDER, reverse=True)  # the oldest is the next to be taken off
        if self._open:
            self.state.pop("total", None)

    def due(self, now: int, since: int | None = None) -> list[Due]:
        """
        What to ask for at `now`, oldest first; with `since` (ms), only what finished since.

        What `since` leaves out stays due for a later call without it.
        """
        due = [Due(session.session_id, session.time) for session in self._open_left()]
        due += [Due(i, r["time"], r["tries"], r["since"]) for i, r in self.again.items() if r["at"] <= now]
        return sorted((d for d in due if since is None or d.time >= since), key=_IN_ORDER)

    def is_unchanged(self, listing: Listing, now: int) -> bool:
        """Whether a first page shows that nothing came or went since all was settled."""
        if self.state.get("total") != listing.total or not self._was(DEEP_EVERY, now, "deep"):
            return False
        news = (s for s in listing.sessions if self._is_wanted(s.time) and not self._is_known(s))
        return not self._is_lowered() and next(news, None) is None

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
            self.again[due.session_id] = {**retry, "summary": summary}
            self._advance()
        return retry

    def finish(self, listing: Listing, now: int, quiet_after: int | None) -> None:
        """Notes what a look at the test showed, once all that was due in it is done."""
        self._advance()
        self._prune()
        is_open = bool(self._open_left())
        if self._is_deep and not is_open and not listing.gaps:
            if self.state.get("total") != listing.total or not self._was(DEEP_EVERY, now, "deep"):
                self.state["deep"] = now
            self.state["total"] = listing.total
        has_news = is_open and "barren" not in self.state
        self.rest(None if has_news or listing.gaps else self._newest, now, quiet_after)

    def rest(self, newest: int | None, now: int, quiet_after: int | None) -> None:
        """Lets a test rest for a day whose newest session is old and where nothing is to be asked for again."""
        if quiet_after is None or self.again or not newest or now - newest < quiet_after:
            self.state.pop("quiet", None)
        elif not self._was(QUIET_EVERY, now, "quiet"):
            self.state["quiet"] = now

    def rests(self, now: int) -> bool:
        """Whether the test needs no listing now: it has been quiet for long, and was listed within the day."""
        return self._was(QUIET_EVERY, now, "quiet") and not self._is_lowered()

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

    @property
    def is_probed(self) -> bool:
        """Whether all probes are out: until one is found, the first page, which has the count, is listing enough."""
        out = self.state.get("misses", 0) + len(self.again)
        return not self.state.get("found") and ("barren" in self.state or out >= PROBES)

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

    @property
    def _done(self) -> list[list[int]]:
        return cast("list[list[int]]", self.state.get("done", []))

    def _is_lowered(self) -> bool:
        """Whether older sessions are wanted than those that the state speaks of."""
        return any(start > self._floor for start, _ in self._done)

    def _is_wanted(self, time: int) -> bool:
        return time >= self._floor and not self._is_done(time)

    def _is_done(self, time: int) -> bool:
        return any(start <= time < end for start, end in self._done)

    def _is_known(self, session: Listed) -> bool:
        return session.session_id in self.settled or session.session_id in self.again

    def _note_times(self, listing: Listing) -> list[Listed]:
        """Sessions that are neither settled nor to be asked for again; of the others a changed time is kept."""
        settled, again, unknown = self.settled, self.again, []
        for session in listing.sessions:
            if session.session_id in settled:
                settled[session.session_id] = session.time
            elif session.session_id in again:
                again[session.session_id]["time"] = session.time
            else:
                unknown.append(session)
        return unknown

    def _open_left(self) -> list[Listed]:
        settled, again = self.settled, self.again
        return [s for s in self._open if s.session_id not in settled and s.session_id not in again]

    def _advance(self) -> None:
        """Moves the cursor up to the oldest session that is still open: all from `start_date` on to there is done."""
        if self._holds:
            return
        while self._open and self._is_known(self._open[-1]):
            self._open.pop()
        cursor = min(self._open[-1].time, self._newest) if self._open else self._newest
        self._behind = cursor - self._overlap
        span = [self._floor, max(self._floor, self._behind)]
        for other in [o for o in self._done if o[0] <= span[1] and span[0] <= o[1]]:
            span = [min(span[0], other[0]), max(span[1], other[1])]
        apart = [o for o in self._done if (o[1] < span[0] or span[1] < o[0]) and o[0] < o[1]]
        self.state["done"] = [*apart, span]

    def _prune(self) -> None:
        for session_id, time in list(self.settled.items()):
            if time < self._behind or self._is_done(time):
                del self.settled[session_id]

    def _was(self, within: int, now: int, what: str) -> bool:
        """Whether it happened less than `within` ago; not so when the clock was turned back."""
        return 0 <= now - int(self.state.get(what, 0)) < within


def oldest_first(due: Iterable[Due], fresh_ids: frozenset[str]) -> list[Due]:
    """Those of `fresh_ids` first, each group oldest first: news does not wait for a backlog."""
    return sorted(due, key=lambda d: (d.session_id not in fresh_ids, d.time, d.session_id))
