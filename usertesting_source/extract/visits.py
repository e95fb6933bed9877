"""
Which tests a resource looks at, and how far back it lists them.

What is common to all resources: those that live on the listings alone, those that ask once per session
(`per_session`) and those that ask once per test (`per_test`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from ..errors import ApiError, NotFound
from ..sync import kinds
from ..sync.again import DAY, LAST_TEST_RETRY, NEVER, Due, is_due, retry_after
from ..sync.cursor import Cursor
from ..sync.listing import PAGE, Listed, Listing
from ..sync.outage import is_troubled
from ..sync.state import ResourceState, TestState
from ..sync.studies import Test, may_have
from ..times import parse_time
from .issues import Issues
from .poll import Poll

FIRST_PAGE = 2**62
FOLLOW = {"session_details"}
"""Resources that ask again for a session whose row in the listing changes: they copy its times."""


@dataclass
class Visit:
    """One test, as one resource finds it; `probes`: nobody said whether it has what the resource loads."""

    test: Test
    cursor: Cursor
    listing: Listing
    probes: bool

    @property
    def state(self) -> TestState:
        """What the resource keeps of the test."""
        return self.cursor.state

    def summary(self, due: Due) -> dict[str, Any]:
        """How the session was listed; what is known of it when it is not listed any more."""
        if due.session_id in self._by_id:
            return dict(self._by_id[due.session_id].summary)
        retry = self.state.again.get(due.session_id)
        return {**(retry["summary"] if retry else {}), "sessionId": due.session_id}

    def finish_time(self, due: Due) -> datetime | None:
        """When the session finished, as it is listed."""
        return parse_time(self.summary(due).get("finishTime"))

    @cached_property
    def _by_id(self) -> dict[str, Listed]:
        return {session.session_id: session for session in self.listing.sessions}


class Visits:
    """
    One resource's way through the tests, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what is kept of it.

    """

    def __init__(self, poll: Poll, resource: str, state: ResourceState) -> None:
        self.poll = poll
        self.resource = resource
        self.issues = Issues(resource, state)
        self._state = state
        self._cut = False

    # -- which tests ------------------------------------------------------------------

    def each(self, border: int | None = None) -> Iterator[Visit | None]:
        """
        The tests that may have news, each listed; None for the others, so that other resources get their turn.

        Args:
            border: how far back to list, in ms; default: as far as the cursor needs.

        """
        for test in self.tests():
            yield self.visit(test, border)

    def tests(self) -> Iterator[Test]:
        """The tests to load, until the poll ends or the load package is full."""
        tests: list[Test] = []
        with self.poll.guard():
            tests = self.poll.tests()
        self.forget(tests)
        found, wanted = self.poll.tally.found, self.poll.wishes.session_ids
        if not wanted:
            for test in tests:
                self._pass_over(test)  # at once, before another resource comes to them
        for test in self.in_order(tests):
            if self.must_end():
                return
            if not wanted or test.test_id in found.values() or wanted - found.keys():
                yield test

    def in_order(self, tests: Iterable[Test]) -> list[Test]:
        """Tests with which an earlier run had trouble go last: they must not keep the others waiting."""
        tests, outage = list(tests), self.poll.outage
        troubled = [test.test_id for test in tests if is_troubled(self.state(test))]
        outage.expect((test.test_id for test in tests if not test.is_classic), troubled)
        return sorted(tests, key=lambda test: outage.was_troubled(test.test_id))

    def must_end(self) -> bool:
        """Whether to begin nothing more in this load package."""
        if self.poll.ends or self.poll.package.is_full(self.resource):
            self.cut()
            return True
        return False

    def cut(self) -> None:
        """Something is left to do."""
        self._cut = True

    def finish(self) -> None:
        """The resource has come to its end; if nothing cut it short, this poll is over for it."""
        if not self._cut and not self.poll.ends:
            self.poll.package.finished.add(self.resource)

    def forget(self, tests: Iterable[Test]) -> None:
        """
        Makes everything due again, once in a poll that wants everything anew.

        All tests at once, so that whatever ends the run early, later runs go on with the rest.
        """
        if not self.poll.wishes.full or self.resource in self.poll.tally.forgotten:
            return
        self.poll.tally.forgotten.add(self.resource)
        now, newest_load = self.poll.now(), self.poll.known.newest_load()
        for test in tests:
            self.state(test).forget(now, newest_load)

    def state(self, test: Test) -> TestState:
        """What the resource keeps of a test."""
        return self._state.of(test.test_id)

    def cursor(self, test: Test, *, reads: bool = True) -> Cursor:
        """Where the resource stands in a test; without `reads`, as far as the state alone says."""
        wishes, start = self.poll.wishes, self.poll.settings.start_date
        floor = None if start is None else round(start.timestamp() * 1000)
        if floor is not None and wishes.since is not None:
            floor = min(floor, wishes.since)
        state, overlap = self.state(test), int(DAY * self.poll.settings.overlap_days)
        if not reads:
            return Cursor(state, overlap, floor)

        def of(test_id: str) -> Cursor:
            return Cursor(self._state.of(test_id), overlap, floor)

        shown = self.poll.known.of(
            self.resource,
            test.test_id,
            self._state,
            window=lambda test_id: self._window(of(test_id)),
            rests=lambda test_id: of(test_id).rests(self.poll.now()),
        )
        return Cursor(state, overlap, floor, shown, follows=self.resource in FOLLOW)

    def _window(self, cursor: Cursor) -> int:
        """From when on (ms) a test's sessions are of interest: what finished before is settled by its time."""
        if self.resource == "sessions" and (cursor.state.settled_total or 0) < PAGE:
            return 0  # removals of any age may be seen
        return (cursor.border or 0) if cursor.state.spans else self.poll.now()

    @property
    def quiet_after(self) -> int | None:
        """How long without a session makes a test quiet, in ms; None: never."""
        days = self.poll.settings.quiet_test_days
        return int(days * DAY) if days else None

    # -- one of them ------------------------------------------------------------------

    def visit(self, test: Test, border: int | None = None) -> Visit | None:
        """A test to look at, if there is anything to ask it now."""
        has, poll = may_have(self.resource, test), self.poll
        if has is False or test.test_id in poll.tally.unlisted:
            return None
        if has:
            self.state(test).take_kind_as_known()
        if not poll.wishes.session_ids and self.rests(test):
            return None
        cursor, now, listing = self.cursor(test), poll.now(), None
        with poll.guard():
            listing = self._list(test, cursor, FIRST_PAGE if has is None and kinds.are_out(cursor.state) else border)
        if listing is None:
            return None
        cursor.look(listing, now)
        return Visit(test, cursor, listing, probes=has is None)

    def revisit(self, visit: Visit) -> Visit:
        """A visit of an earlier load package, with the state of this one: dlt gives each package its own copy."""
        cursor = self.cursor(visit.test)
        cursor.look(visit.listing, self.poll.now())
        return replace(visit, cursor=cursor)

    def rests(self, test: Test) -> bool:
        """Whether a test is not listed now: it has been quiet for long, or could not be listed a short while ago."""
        cursor, now, tally = self.cursor(test, reads=False), self.poll.now(), self.poll.tally
        if test.test_id in tally.unlisted:
            return True
        if cursor.rests(now):
            tally.resting.add(test.test_id)
            return not self.poll.listings.has(test.test_id)
        return self._pass_over(test)

    def _pass_over(self, test: Test) -> bool:
        """Leaves a test alone, for all resources, that could not be listed a short while ago."""
        retry = self.state(test).listing_retry
        if retry is None or is_due(retry, self.poll.now(), LAST_TEST_RETRY):
            return False
        self.poll.tally.pass_over(test.test_id)
        return True

    def _list(self, test: Test, cursor: Cursor, border: int | None) -> Listing | None:
        now, wanted = self.poll.now(), self.poll.wishes.session_ids

        def is_enough(listing: Listing) -> bool:
            if wanted:
                return wanted <= {session.session_id for session in listing.sessions}
            return cursor.is_unchanged(listing, now)

        def lacks(listing: Listing) -> bool:
            return is_deep and cursor.lacks(listing) > 0

        is_deep = not wanted and border is None and self.poll.wishes.since is None
        if wanted:
            border = None
        elif border is None:
            border = cursor.border
            if self.poll.wishes.since is not None:
                border = max(border or 0, self.poll.wishes.since)
        try:
            listing = self.poll.listings.read(test.test_id, border, is_enough, lacks)
        except ApiError as error:
            self._failed(test, cursor.state, error)
            return None
        self.poll.outage.listed()
        for session in listing.sessions if wanted else ():
            if session.session_id in wanted:
                self.poll.tally.found[session.session_id] = test.test_id
        self._listed(test, cursor.state, listing)
        if is_deep and (missing := cursor.lacks(listing)):
            self._adopt_strays(test, cursor, listing, missing)
        return listing

    def _adopt_strays(self, test: Test, cursor: Cursor, listing: Listing, missing: int) -> None:
        """The count says that sessions are missing: looks for them where all is settled by its time."""
        known = self.poll.known.everything(self.resource, test.test_id)
        strays = [] if known is None or cursor.state.barren_total else cursor.strays(listing, known)
        if len(strays) > missing:
            strays = []  # what the table shows does not tell, say since a user changes its ids
        for session in strays:
            cursor.adopt(session, self.poll.now())
        cursor.state.settled_total = None  # this look has told what it can
        if len(strays) < missing and self.resource == "sessions":
            self._fail_once(
                f"Test {test.test_id}: the API counts {missing - len(strays)} sessions more than it lists or than can"
                " be told from those that are loaded. Run --full to fetch all that it lists."
            )

    def _fail_once(self, line: str) -> None:
        if line not in self.poll.tally.failed:
            self.poll.fail(line)

    def _failed(self, test: Test, state: TestState, error: ApiError) -> None:
        """A test that fails alone is tried again later; the others go on."""
        now = self.poll.now()
        state.listing_retry = retry = retry_after(state.listing_retry, now, now, "failed", NEVER, LAST_TEST_RETRY)
        self.poll.tally.unlisted.add(test.test_id)
        message = str(error)
        if isinstance(error, NotFound):
            message = (
                f"Test {test.test_id} cannot be listed (404): it does not exist, belongs to a workspace that these"
                " credentials do not see, or is a classic test, which this API does not serve. Check the id in the"
                " address of the test's results page."
            )
        self.issues.tell(now, test.test_id, None, "failed", message, retry=retry)
        self.poll.fail(message)
        self.poll.outage.unlisted(test.test_id, error)

    def _listed(self, test: Test, state: TestState, listing: Listing) -> None:
        """Tells what does not fit in a listing, and when it fits again."""
        now, problem = self.poll.now(), listing.problem
        if state.listing_retry and not problem:
            text = "The test can be listed again."
            self.issues.tell(now, test.test_id, None, "resolved", text, retry=state.listing_retry)
        state.listing_retry = None
        if problem and listing.at_ceiling:
            self.poll.tally.warn(f"Test {test.test_id}: {problem}.")
        elif problem:
            self._fail_once(f"Test {test.test_id}: {problem}.")
        if listing.ended and problem != state.listing_problem:
            status = "resolved" if problem is None else "failed" if listing.gaps else "given_up"
            self.issues.tell(now, test.test_id, None, status, problem or "The listing is complete again.")
            state.listing_problem = problem
