"""
What one resource has loaded of one test, and what is due: listing + state + now in; due, settled, later out.

    span      sessions that finished in it are settled, whatever their ids: most of what was ever loaded
    overlap   behind the newest session, where more may still turn up: here the ids of what is settled are kept
    cursor    up to where everything is settled; what is listed above it is due, or waits to be asked for again

Nothing here reads a clock. What is kept between runs is in `state`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Any

from .again import DAY, GIVE_UP_AFTER, HOUR, Due, is_due, retry_after, waits
from .listing import Listed, Listing
from .loaded import FORGOTTEN, Shown
from .state import Retry, TestState, Why

DEEP_EVERY = DAY
QUIET_EVERY = DAY - HOUR  # a daily cron that starts a minute early still lists every test

_IN_ORDER = attrgetter("time", "session_id")


class Cursor:
    """
    One resource's place in one test.

    Args:
        state: what is kept of it; changed in place.
        overlap: how far behind the cursor a session may still turn up, in ms.
        floor: sessions that finished before are not wanted, in ms.
        shown: what the destination holds: settled, and not to be kept in the state.
        follows: whether a session is due again when its row in the listing changes.

    """

    def __init__(
        self,
        state: TestState,
        overlap: int,
        floor: int | None = None,
        shown: Shown | None = None,
        *,
        follows: bool = False,
    ) -> None:
        self.state = state
        self.shown = shown or Shown()
        self._follows = follows
        self._overlap = overlap
        self._floor = floor or 0
        self._open: list[Listed] = []
        self._newest = 0
        self._behind = 0
        self._is_deep = False
        self._holds = True

    # -- what is due ---------------------------------------------------------

    @property
    def border(self) -> int | None:
        """How far back a listing has to be read, in ms; None: to the beginning."""
        return max([self._floor, *(end for start, end in self.state.spans if start <= self._floor)]) or None

    def look(self, listing: Listing, now: int) -> None:
        """Takes a listing to work on; one not read back to `border` shows what is due, but moves no cursor."""
        self._is_deep = listing.back_to is None or listing.back_to <= (self.border or 0)
        self._holds = listing.gaps or not self._is_deep
        # a finish time in the future must not carry the cursor over everything before it
        self._newest = next((session.time for session in listing.sessions if session.time <= now), 0)
        unknown = self._note_times(listing)
        self._prune()
        wanted = (session for session in unknown if self._is_wanted(session.time))
        self._open = sorted(wanted, key=_IN_ORDER, reverse=True)  # the oldest is the next to be taken off
        if self._open:
            self.state.settled_total = None

    def due(self, now: int, since: int | None = None) -> list[Due]:
        """
        What to ask for at `now`, oldest first; with `since` (ms), only what finished since.

        What `since` leaves out stays due for a later call without it.
        """
        due = [Due(session.session_id, session.time) for session in self._open_left()]
        due += [Due(i, r["time"], r["tries"], r["since"]) for i, r in self.state.again.items() if is_due(r, now)]
        return sorted((d for d in due if since is None or d.time >= since), key=_IN_ORDER)

    def is_unchanged(self, listing: Listing, now: int) -> bool:
        """Whether a first page shows that nothing came or went since all was settled."""
        if self.state.settled_total != listing.total or not _was(self.state.deep_at, DEEP_EVERY, now):
            return False
        news = (s for s in listing.sessions if self._is_wanted(s.time) and not self._is_known(s))
        return not self._is_lowered() and next(news, None) is None

    def lacks(self, listing: Listing) -> int:
        """
        How many sessions the count says there are beyond those that are known or were listed back to `border`.

        The list may put a session where nobody looks: by an unknown sort key, or without a finish time at its end.
        """
        border = self.border or 0
        if self.state.settled_total is None or not listing.sessions or (listing.back_to or 0) > border:
            return 0
        new = sum(self._is_wanted(s.time) and not self._is_held(s.session_id) for s in listing.sessions)
        return max(listing.total - self.state.settled_total - new, 0)

    def strays(self, listing: Listing, known: Collection[str]) -> list[Listed]:
        """Listed sessions that lie where all is settled by its time, and that nobody knows by their ids (`known`)."""
        return [
            session
            for session in listing.sessions
            if self._is_done(session.time) and not self._is_held(session.session_id) and session.session_id not in known
        ]

    def adopt(self, session: Listed, now: int) -> None:
        """A stray is due: it is kept with what is asked for again, since its time says that it is settled."""
        self.state.again[session.session_id] = Retry(
            time=session.time,
            tries=0,
            at=now,
            since=now,
            until=now + GIVE_UP_AFTER,
            why="late",
            summary=dict(session.summary),
        )

    # -- what was done -------------------------------------------------------

    def settle(self, session_id: str, time: int) -> None:
        """The session is done: never asked for again."""
        self.state.again.pop(session_id, None)
        self._drop_confirmed()
        self.shown.outdated(session_id)
        self.state.settled[session_id] = time
        self._advance()

    def later(self, due: Due, now: int, why: Why, until: int, summary: dict[str, Any]) -> Retry | None:
        """The session is to be asked for again, with growing delays; None when it is given up, and so settled."""
        retry = retry_after(self.state.again.get(due.session_id), due.time, now, why, until)
        if retry is None:
            self.settle(due.session_id, due.time)
        else:
            self._drop_confirmed()
            self.state.again[due.session_id] = {**retry, "summary": summary}
            self._advance()
        return retry

    def finish(self, listing: Listing, now: int, quiet_after: int | None) -> None:
        """Notes what a look at the test showed, once all that was due in it is done."""
        self._advance()
        self._prune()
        is_open = bool(self._open_left())
        if self._is_deep and not is_open and not listing.gaps:
            if self.state.settled_total != listing.total or not _was(self.state.deep_at, DEEP_EVERY, now):
                self.state.deep_at = now
            self.state.settled_total = listing.total
        has_news = is_open and self.state.barren_total is None
        self.rest(None if has_news or listing.gaps else self._newest, now, quiet_after)

    def rest(self, newest: int | None, now: int, quiet_after: int | None) -> None:
        """Lets a test rest for a day whose newest session is old and where nothing is to be asked for again."""
        if quiet_after is None or waits(self.state.again) or not newest or now - newest < quiet_after:
            self.state.quiet_at = None
        elif not _was(self.state.quiet_at, QUIET_EVERY, now):
            self.state.quiet_at = now

    def rests(self, now: int) -> bool:
        """Whether the test needs no listing now: it has been quiet for long, and was listed within the day."""
        return _was(self.state.quiet_at, QUIET_EVERY, now) and not self._is_lowered()

    # -- inside ----------------------------------------------------------------

    def _is_lowered(self) -> bool:
        """Whether older sessions are wanted than those that the state speaks of."""
        return any(start > self._floor for start, _ in self.state.spans)

    def _is_wanted(self, time: int) -> bool:
        return time >= self._floor and not self._is_done(time)

    def _is_done(self, time: int) -> bool:
        return any(start <= time < end for start, end in self.state.spans)

    def _is_known(self, session: Listed) -> bool:
        return session.session_id in self.state.again or (
            self._is_settled(session.session_id) and not self._has_changed(session)
        )

    def _is_held(self, session_id: str) -> bool:
        return session_id in self.state.again or self._is_settled(session_id)

    def _is_settled(self, session_id: str) -> bool:
        return session_id in self.state.settled or session_id in self.shown.sessions

    def _has_changed(self, session: Listed) -> bool:
        """Whether a settled session is listed otherwise than when it was loaded."""
        if not self._follows or session.summary.get("finishTime") is None:
            return False  # one without a finish time may be placed anew by each listing
        loaded = self.shown.sessions.get(session.session_id)
        if loaded is not None and loaded.mark is not None:
            return loaded.mark not in (session.mark, FORGOTTEN)
        return self.state.settled.get(session.session_id, loaded.time if loaded else None) != session.time

    def _note_times(self, listing: Listing) -> list[Listed]:
        """Sessions that are neither settled nor to be asked for again; of the others a changed time is kept."""
        settled, again, unknown = self.state.settled, self.state.again, []
        for session in listing.sessions:
            if session.session_id in again:
                again[session.session_id]["time"] = session.time
            elif not self._is_known(session):
                unknown.append(session)
            elif session.session_id in settled:
                settled[session.session_id] = session.time
        return unknown

    def _open_left(self) -> list[Listed]:
        """What is open still; a session that has changed is, until it is settled as it is now."""
        settled, again = self.state.settled, self.state.again
        return [s for s in self._open if settled.get(s.session_id) != s.time and s.session_id not in again]

    def _advance(self) -> None:
        """Moves the cursor up to the oldest session that is still open: all from `start_date` on to there is done."""
        if self._holds:
            return
        while self._open and self._is_known(self._open[-1]):
            self._open.pop()
        cursor = min(self._open[-1].time, self._newest) if self._open else self._newest
        self._behind = cursor - self._overlap
        span = [self._floor, max(self._floor, self._behind)]
        for other in [o for o in self.state.spans if o[0] <= span[1] and span[0] <= o[1]]:
            span = [min(span[0], other[0]), max(span[1], other[1])]
        apart = [o for o in self.state.spans if (o[1] < span[0] or span[1] < o[0]) and o[0] < o[1]]
        self.state.spans = [*apart, span]

    def _drop_confirmed(self) -> None:
        """Drops what the destination shows as well; only with something new, so that a quiet look changes nothing."""
        while self.shown.confirmed:
            session_id = self.shown.confirmed.pop()
            self.state.settled.pop(session_id, None)
            self.state.listed_rows.pop(session_id, None)
            self.state.gone.pop(session_id, None)

    def _prune(self) -> None:
        for session_id, time in list(self.state.settled.items()):
            if time < self._behind or self._is_done(time):
                del self.state.settled[session_id]


def _was(at: int | None, within: int, now: int) -> bool:
    """Whether it happened less than `within` ago; not so when the clock was turned back."""
    return at is not None and 0 <= now - at < within


def oldest_first(due: Iterable[Due], fresh_ids: frozenset[str]) -> list[Due]:
    """Those of `fresh_ids` first, each group oldest first: news does not wait for a backlog."""
    return sorted(due, key=lambda d: (d.session_id not in fresh_ids, d.time, d.session_id))
