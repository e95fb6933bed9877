"""How a resource that asks once per test goes through the tests: which have news, and what to do when one fails."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ApiError, NotFound
from ..sync import kinds
from ..sync.again import NEVER, Due, deadline, is_due, retry_after
from ..sync.state import ResourceState, TestState
from .per_session import Absent, is_probe
from .poll import Poll
from .visits import FIRST_PAGE, Visit, Visits


class PerTest:
    """
    One resource's way through the tests that have news for it, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what is kept of it.
        absent: what a 404 for a test means.
        every: a test without news is asked again after so long, in ms; None: never.

    """

    def __init__(self, poll: Poll, resource: str, state: ResourceState, absent: Absent, every: int | None) -> None:
        self.visits = Visits(poll, resource, state)
        self._poll = poll
        self._resource = resource
        self._absent = absent
        self._every = every

    def due(self) -> Iterator[Visit | None]:
        """Tests to ask for, each to be handed to `done` or `failed`; None for those without news."""
        for visit in self.visits.each(FIRST_PAGE):
            yield visit if visit is not None and self._has_news(visit) else None
        self.visits.finish()

    def _has_news(self, visit: Visit) -> bool:
        """Whether a test's sessions have changed since it was last asked, or it is to be asked again."""
        state, poll, total = visit.state, self._poll, visit.listing.total
        if poll.wishes.session_ids or (self._resource, visit.test.test_id) in poll.tally.served:
            return False
        if poll.outage.is_paused(self._resource, visit.test.test_id):
            return False
        if retry := state.test_retry:
            goes_by_time = retry["why"] == "failed" or is_probe(visit)
            return is_due(retry, poll.now()) or (not goes_by_time and _has_changed(visit))
        if (_has_changed(visit) or self._is_old(state)) and total > 0 and kinds.has_grown(state, total):
            return True
        self._rest(visit)
        return False

    def _is_old(self, state: TestState) -> bool:
        """Whether the last answer may have changed by itself."""
        return self._every is not None and not 0 <= self._poll.now() - (state.answered_at or 0) < self._every

    def _rest(self, visit: Visit) -> None:
        newest = None if visit.state.test_retry else visit.listing.newest
        visit.cursor.rest(newest, self._poll.now(), self.visits.quiet_after)

    # -- what became of it ----------------------------------------------------------------

    def done(self, visit: Visit, items: int, lacks: str | None = None) -> None:
        """
        The test was asked: moves the state, so it must come before the rows are yielded.

        Args:
            visit: the test.
            items: how many came.
            lacks: what is not there yet, for which the test is asked again.

        """
        test_id, state, now = visit.test.test_id, visit.state, self._poll.now()
        if items and is_probe(visit):
            kinds.hit(state)
        if lacks:
            self._wait(visit, lacks)
        else:
            retry, since = state.test_retry, state.unanswered_since
            if retry or since:
                self.visits.issues.tell(now, test_id, None, "resolved", "Loaded.", retry=retry, since=since)
            state.test_retry = state.unanswered_since = state.barren_total = None
        state.answered_for = _mark(visit)
        state.answered_at = now if self._every else None
        self._rest(visit)
        self._asked(test_id)
        self._poll.succeeded(self._resource, items)

    def failed(self, visit: Visit, error: ApiError) -> None:
        """The test could not be asked, or is not there: it is asked again later."""
        if isinstance(error, NotFound):
            is_none = self._absent == "none" and not is_probe(visit)
            self.done(visit, 0, lacks=None if is_none else str(error))
            return
        test_id, state, now = visit.test.test_id, visit.state, self._poll.now()
        before = state.test_retry
        state.test_retry = retry = retry_after(before, now, now, "failed", NEVER)
        state.quiet_at = None
        self._asked(test_id)
        self.visits.issues.tell(now, test_id, None, "failed", str(error), retry=retry)
        self._poll.fail(str(error))
        self._poll.outage.failed(self._resource, test_id, error, again=before is not None)

    def _wait(self, visit: Visit, lacks: str) -> None:
        """Asks again later; when that has been done for long enough, the rest is given up, or the test has none."""
        test_id, state, now = visit.test.test_id, visit.state, self._poll.now()
        before, newest = state.test_retry, visit.listing.newest or now
        if before and _has_changed(visit) and not is_probe(visit):
            before = {**before, "tries": 0}  # new sessions, for which it begins anew
        until = deadline(Due(test_id, newest), "waiting", now, self._poll.settings.transcript_wait_hours)
        state.test_retry = retry = retry_after(before, newest, now, "waiting", until)
        tries, since = (before["tries"], before["since"]) if before else (0, now)
        status = "waiting"
        if retry:
            self._poll.tally.waiting[self._resource] += 1
        elif is_probe(visit):
            state.barren_total = max(visit.listing.total, 1)
            status, lacks = "resolved", f"This test has no {self._resource}."
        else:
            state.unanswered_since = state.unanswered_since or since
            self._poll.tally.give_up(self._resource)
            status = "given_up"
        self.visits.issues.tell(now, test_id, None, status, lacks, attempts=tries + 1, since=since)

    def _asked(self, test_id: str) -> None:
        self._poll.tally.served.add((self._resource, test_id))
        self._poll.asked(self._resource, test_id)


def _mark(visit: Visit) -> list[int | None]:
    return [visit.listing.total, visit.listing.newest]


def _has_changed(visit: Visit) -> bool:
    """Whether sessions came, or went, since the last answer."""
    return visit.state.answered_for != _mark(visit)
