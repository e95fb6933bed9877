"""How a resource that asks once per test goes through the tests: which have news, and what to do when one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import ApiError, NotFound
from ..sync.cursor import PROBE_GROWTH, Retry, retry_after
from .poll import Poll
from .visits import FIRST_PAGE, FOREVER, Visit, Visits


class PerTest:
    """
    One resource's way through the tests that have news for it, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what dlt keeps for it.

    """

    def __init__(self, poll: Poll, resource: str, state: dict[str, Any]) -> None:
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
        state, listing, poll = visit.cursor.state, visit.listing, self._poll
        if poll.wishes.session_ids or (self._resource, visit.test.test_id) in poll.served:
            return False
        if poll.outage.is_paused(self._resource, visit.test.test_id):
            return False
        retry: Retry | None = state.get("asking")
        barren = state.get("barren")
        if retry:
            return poll.now() >= retry["at"]
        may_have = barren is None or listing.total >= barren * PROBE_GROWTH
        if may_have and listing.total > 0 and state.get("seen") != [listing.total, listing.newest]:
            return True
        self._rest(visit)
        return False

    def _rest(self, visit: Visit) -> None:
        visit.cursor.rest(visit.listing.newest, self._poll.now(), self.visits.quiet_after)

    def done(self, visit: Visit, items: int) -> None:
        """The test was asked: moves the state, so it must come before the rows are yielded."""
        test_id, state, listing = visit.test.test_id, visit.cursor.state, visit.listing
        retry: Retry | None = state.pop("asking", None)
        if retry:
            self.visits.issues.tell(self._poll.now(), test_id, None, "resolved", "Loaded.", retry=retry)
        state.pop("barren", None)
        state["seen"] = [listing.total, listing.newest]
        self._rest(visit)
        self._asked(test_id)
        self._poll.succeeded(self._resource, items)

    def failed(self, visit: Visit, error: ApiError) -> None:
        """The test could not be asked: 404 says that it has none of this; all else is tried again later."""
        test_id, state, now = visit.test.test_id, visit.cursor.state, self._poll.now()
        if isinstance(error, NotFound):
            self.done(visit, 0)
            if visit.probes:
                state["barren"] = max(visit.listing.total, 1)
            return
        before = state.get("asking")
        retry = retry_after(before, now, now, "failed", FOREVER)
        state["asking"] = retry
        state.pop("quiet", None)
        self._asked(test_id)
        self.visits.issues.tell(now, test_id, None, "failed", str(error), retry=retry)
        self._poll.fail(str(error))
        self._poll.outage.failed(self._resource, test_id, error, again=before is not None)

    def _asked(self, test_id: str) -> None:
        self._poll.served.add((self._resource, test_id))
        self._poll.asked(self._resource, test_id)
