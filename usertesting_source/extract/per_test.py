"""How a resource that asks once per test goes through the tests: which have news, and what to do when one fails."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ApiError, NotFound
from ..sync import kinds
from ..sync.again import NEVER, retry_after
from ..sync.state import ResourceState
from .poll import Poll
from .visits import FIRST_PAGE, Visit, Visits


class PerTest:
    """
    One resource's way through the tests that have news for it, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what is kept of it.

    """

    def __init__(self, poll: Poll, resource: str, state: ResourceState) -> None:
        self.visits = Visits(poll, resource, state)
        self._poll = poll
        self._resource = resource

    def due(self) -> Iterator[Visit | None]:
        """Tests to ask for, each to be handed to `done` or `failed`; None for those without news."""
        for visit in self.visits.each(FIRST_PAGE):
            yield visit if visit is not None and self._has_news(visit) else None
        self.visits.finish()

    def _has_news(self, visit: Visit) -> bool:
        """Whether a test's sessions have changed since it was last asked, or the last try is to be repeated."""
        state, listing, poll = visit.state, visit.listing, self._poll
        if poll.wishes.session_ids or (self._resource, visit.test.test_id) in poll.tally.served:
            return False
        if poll.outage.is_paused(self._resource, visit.test.test_id):
            return False
        if state.test_retry:
            return poll.now() >= state.test_retry["at"]
        is_new = state.answered_for != [listing.total, listing.newest]
        if is_new and listing.total > 0 and kinds.has_grown(state, listing.total):
            return True
        self._rest(visit)
        return False

    def _rest(self, visit: Visit) -> None:
        visit.cursor.rest(visit.listing.newest, self._poll.now(), self.visits.quiet_after)

    def done(self, visit: Visit, items: int) -> None:
        """The test was asked: moves the state, so it must come before the rows are yielded."""
        test_id, state, listing = visit.test.test_id, visit.state, visit.listing
        if retry := state.test_retry:
            self.visits.issues.tell(self._poll.now(), test_id, None, "resolved", "Loaded.", retry=retry)
        state.test_retry = state.barren_total = None
        state.answered_for = [listing.total, listing.newest]
        self._rest(visit)
        self._asked(test_id)
        self._poll.succeeded(self._resource, items)

    def failed(self, visit: Visit, error: ApiError) -> None:
        """The test could not be asked: 404 says that it has none of this; all else is tried again later."""
        test_id, state, now = visit.test.test_id, visit.state, self._poll.now()
        if isinstance(error, NotFound):
            self.done(visit, 0)
            if visit.probes:
                state.barren_total = max(visit.listing.total, 1)
            return
        before = state.test_retry
        state.test_retry = retry = retry_after(before, now, now, "failed", NEVER)
        state.quiet_at = None
        self._asked(test_id)
        self.visits.issues.tell(now, test_id, None, "failed", str(error), retry=retry)
        self._poll.fail(str(error))
        self._poll.outage.failed(self._resource, test_id, error, again=before is not None)

    def _asked(self, test_id: str) -> None:
        self._poll.tally.served.add((self._resource, test_id))
        self._poll.asked(self._resource, test_id)
