"""
How a resource that asks once per session goes through the tests: what is due in each, in which order, and what to do
when something fails. The resources differ in what they ask for; this they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from ..errors import ApiError, DownloadError, NotFound
from ..sync import kinds
from ..sync.again import GIVE_UP_AFTER, Due, deadline
from ..sync.cursor import oldest_first
from ..sync.state import ResourceState, Retry, Why
from .poll import Poll
from .visits import Visit, Visits

Absent = Literal["failed", "waiting", "none"]
"""What a 404 for a listed session means: a fault; not there yet; that there is none so far, and may be more later."""

ORDER: Mapping[str | None, int] = {"watching": 1, "failed": 2}
"""New sessions first; what is loaded can wait, and what failed before may well fail again."""


class PerSession:
    """
    One resource's way through the sessions, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what is kept of it.
        absent: what a 404 for a listed session means.

    """

    def __init__(self, poll: Poll, resource: str, state: ResourceState, absent: Absent = "failed") -> None:
        self.visits = Visits(poll, resource, state)
        self._poll = poll
        self._resource = resource
        self._absent = absent
        self._out: set[str] = set()

    # -- what is due --------------------------------------------------------------------

    def due(self) -> Iterator[tuple[Visit, Due] | None]:
        """
        Sessions to ask for: tests with little to do at once, the others when all are listed.

        Each is to be handed to `done` or `failed`. Ends when the poll does, or when the load package is full.
        """
        backlog: list[Visit] = []
        for visit in self.visits.each():
            if visit is None:
                yield None
            elif len(batch := self._batch(visit)) > self._poll.backlog_from:
                backlog.append(visit)
                yield None
            else:
                yield from self._serve(visit, batch)
                yield None  # every test is a turn: no resource runs ahead of those that know more about the next
        for visit in backlog:
            yield from self._serve(visit, self._batch(visit))

    def finish(self) -> None:
        """All that was due is handed out, and the resource has come to its end, unless something is still out."""
        if not self._out:
            self.visits.finish()

    def take_up(self, visit: Visit, due: Due) -> Visit:
        """A session that an earlier load package handed out and did not see the end of: it is out in this one too."""
        self._out.add(due.session_id)
        visit = self.visits.revisit(visit)
        if _is_unsure(visit):
            self.visits.cut()
        return visit

    def _batch(self, visit: Visit) -> list[Due]:
        """What to ask of one test now, in order."""
        poll, test_id = self._poll, visit.test.test_id
        due = self._wanted(visit) if poll.wishes.session_ids else visit.cursor.due(poll.now(), poll.wishes.since)
        poll.tally.sight(self._resource, test_id, len(due))
        if visit.probes and not poll.wishes.session_ids:
            due = kinds.probes(visit.state, due, visit.listing.total)
        fresh = poll.listings.fresh_ids(self._resource, test_id, visit.listing, is_backlog=len(due) > poll.backlog_from)
        due = oldest_first((d for d in due if d.session_id not in self._out), fresh)
        return sorted(due, key=lambda d: ORDER.get(_why(visit, d), 0))

    def _wanted(self, visit: Visit) -> list[Due]:
        """Sessions asked for by name."""
        wanted, served = self._poll.wishes.session_ids, self._poll.tally.served
        return [
            Due(session.session_id, session.time)
            for session in visit.listing.sessions
            if session.session_id in wanted and (self._resource, session.session_id) not in served
        ]

    def _serve(self, visit: Visit, batch: list[Due]) -> Iterator[tuple[Visit, Due]]:
        """Hands out a test's sessions; what turns up due only now (a first transcript) is handed out too."""
        while batch:
            for due in batch:
                if self.visits.must_end() or self._poll.outage.is_paused(self._resource, visit.test.test_id):
                    return
                self._out.add(due.session_id)
                yield visit, due
            if self._out and _is_unsure(visit):
                self.visits.cut()
                return
            batch = self._batch(visit) if visit.probes else []
        if not self._poll.wishes.session_ids:
            visit.cursor.finish(visit.listing, self._poll.now(), self.visits.quiet_after)

    # -- what became of it ----------------------------------------------------------------

    def done(self, visit: Visit, due: Due, items: int = 1) -> None:
        """The session is loaded: moves the state, so it must come before the rows are yielded."""
        self._settle(visit, due)
        if visit.probes:
            is_news = kinds.hit(visit.state)
            if is_news and not visit.listing.ended:
                self.visits.cut()  # now all of its sessions are wanted, and only some are listed
        self._asked(visit, due)
        self._poll.succeeded(self._resource, items)

    def _settle(self, visit: Visit, due: Due) -> None:
        """All is well with the session; where it may get more later, or has none so far, it is asked for again."""
        now, cursor = self._poll.now(), visit.cursor
        if retry := _trouble(visit, due):
            self.visits.issues.tell(now, visit.test.test_id, due.session_id, "resolved", "Loaded.", retry=retry)
            due = Due(due.session_id, due.time)
        if self._absent == "none":
            until = now + GIVE_UP_AFTER if is_probe(visit) else deadline(due, "watching", now, 0)
            cursor.later(due, now, "watching", until, {})
        else:
            cursor.settle(due.session_id, due.time)

    def failed(self, visit: Visit, due: Due, error: ApiError | DownloadError) -> None:
        """The session could not be loaded: it is asked for again later, or given up."""
        is_absent = isinstance(error, NotFound)
        if is_absent and self._absent == "none":
            self._none(visit, due)
            return
        self._asked(visit, due)
        why: Why = "waiting" if is_absent and self._absent == "waiting" else "failed"
        before, now, test_id = _trouble(visit, due), self._poll.now(), visit.test.test_id
        due = Due(due.session_id, due.time, due.tries, before["since"] if before else None)
        until = deadline(due, why, now, self._poll.settings.transcript_wait_hours)
        retry = visit.cursor.later(due, now, why, until, visit.summary(due))
        self._note(visit, why, error, retry)
        if retry is not None or not self._has_none(visit, due, why):
            status = why if retry else "given_up"
            self._tell(visit, due, status, str(error), before)
        is_again, is_open = before is not None, is_probe(visit)
        if self._poll.outage.failed(self._resource, test_id, error, again=is_again, is_probe=is_open):
            self._poll.tally.warn(
                f"Test {test_id}: several {self._resource} in a row failed, the rest of them is left for the next run."
            )

    def _none(self, visit: Visit, due: Due) -> None:
        """The session has none so far: a test of unknown kind may have none at all, if that is so a day later, too."""
        if not is_probe(visit):
            self.done(visit, due, items=0)
            return
        is_second_look = _why(visit, due) == "watching"
        self._asked(visit, due)
        if not is_second_look:
            self._settle(visit, due)
            return
        visit.cursor.settle(due.session_id, due.time)
        if kinds.miss(visit.state, visit.listing.total):
            self._warn_of_none(visit.test.test_id)

    def _asked(self, visit: Visit, due: Due) -> None:
        self._out.discard(due.session_id)
        self._poll.tally.served.add((self._resource, due.session_id))
        self._poll.asked(self._resource, visit.test.test_id)

    def _note(self, visit: Visit, why: Why, error: Exception, retry: Retry | None) -> None:
        tally, is_miss = self._poll.tally, why == "waiting" and is_probe(visit)
        if why == "failed":
            self._poll.fail(str(error))
        elif retry is not None:
            tally.waiting[self._resource] += 1
        if retry is None:
            tally.give_up(self._resource, missed_in=visit.test.test_id if is_miss else None)
        self._poll.package.holds_rows()

    def _has_none(self, visit: Visit, due: Due, why: Why) -> bool:
        """Whether a test of unknown kind counts, with this one given up, as having none: then all is well with it."""
        if why != "waiting" or not is_probe(visit):
            return False
        state, test_id, now = visit.state, visit.test.test_id, self._poll.now()
        state.given_up_since[due.session_id] = due.since or now
        if not kinds.miss(state, visit.listing.total):
            return False
        message, tries = f"This test has no {self._resource}.", due.tries + 1
        for session_id, since in state.given_up_since.items():
            self.visits.issues.tell(now, test_id, session_id, "resolved", message, attempts=tries, since=since)
        state.given_up_since.clear()
        key = self._resource, test_id
        self._poll.tally.take_back(*key)
        self._poll.tally.due[key] = self._poll.tally.asked[key]
        self._warn_of_none(test_id)
        return True

    def _warn_of_none(self, test_id: str) -> None:
        self._poll.tally.warn(f"Test {test_id} seems to have no {self._resource}: no more are asked for.")

    def _tell(self, visit: Visit, due: Due, status: str, message: str, before: Retry | None) -> None:
        self.visits.issues.tell(
            self._poll.now(),
            visit.test.test_id,
            due.session_id,
            status,
            message,
            attempts=(before["tries"] if before else 0) + 1,
            since=before["since"] if before else None,
        )


def _is_unsure(visit: Visit) -> bool:
    """Whether nobody knows yet if the test has what is asked for: what is on its way will show what is due."""
    return visit.probes and not visit.state.has_some


def _why(visit: Visit, due: Due) -> str | None:
    retry = visit.state.again.get(due.session_id)
    return retry["why"] if retry else None


def _trouble(visit: Visit, due: Due) -> Retry | None:
    """How the session stands since it failed, or was not there; a look for more is no trouble, nor a late one."""
    return None if _why(visit, due) in ("watching", "late") else visit.state.again.get(due.session_id)


def is_probe(visit: Visit) -> bool:
    """Whether it is still open if the test has any."""
    return visit.probes and not visit.state.has_some
