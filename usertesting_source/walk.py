"""
How one resource goes through the tests: which to list, what is due in each, in which order, and what to do when
something fails. The resources differ in what they ask for; this they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Literal

from .cursor import (
    DAY,
    GIVE_UP_AFTER,
    HOUR,
    LAST_TEST_RETRY,
    PROBE_GROWTH,
    Cursor,
    Due,
    Retry,
    Why,
    oldest_first,
    retry_after,
)
from .errors import ApiError, DownloadError, NotFound
from .listing import Listed, Listing
from .poll import Poll, Test
from .tables import issue_row

FIRST_PAGE = 2**62
FOREVER = 2**62

SURVEY, INTERACTION, THINK_OUT_LOUD, LIVE = (
    "SURVEY",
    "NON_THINK_OUT_LOUD",
    "THINK_OUT_LOUD",
    "LIVE_CONVERSATION",
)
PRODUCT_TYPES = {SURVEY, INTERACTION, THINK_OUT_LOUD, LIVE}
HAVE = {
    "transcripts": {THINK_OUT_LOUD, LIVE},
    "session_videos": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "clips": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "highlight_reels": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "qx_scores": {INTERACTION},
}
"""Which product types have what (compatibility notes of the OpenAPI); what is not named here, all have."""

Absent = Literal["failed", "waiting", "none"]
"""What a 404 for a listed session means: a fault; not there yet; that there is none."""


def may_have(resource: str, product_type: str | None) -> bool | None:
    """Whether a test has what `resource` loads; None when its type does not say."""
    if resource not in HAVE:
        return True
    return product_type in HAVE[resource] if product_type in PRODUCT_TYPES else None


@dataclass
class Visit:
    """One test, as one resource finds it."""

    test: Test
    cursor: Cursor
    listing: Listing
    probes: bool

    def summary(self, due: Due) -> dict[str, Any]:
        """How the session was listed; what is known of it when it is not listed any more."""
        if due.session_id in self._by_id:
            return dict(self._by_id[due.session_id].summary)
        retry = self.cursor.again.get(due.session_id)
        return {**(retry["summary"] if retry else {}), "sessionId": due.session_id}

    @cached_property
    def _by_id(self) -> dict[str, Listed]:
        return {session.session_id: session for session in self.listing.sessions}


class Walk:
    """
    One resource's way through the tests, in one extraction.

    Args:
        poll: shared with the other resources.
        resource: its name.
        state: what dlt keeps for it, see `cursor`.
        absent: what a 404 for a listed session means.

    """

    def __init__(self, poll: Poll, resource: str, state: dict[str, Any], absent: Absent = "failed") -> None:
        self.poll = poll
        self.resource = resource
        self.state = state
        self._absent = absent
        self._days = DAY * poll.settings.overlap_days
        self._told: list[dict[str, Any]] = self.state.setdefault("tell", [])

    # -- which tests ------------------------------------------------------------------

    def visits(self, border: int | None = None) -> Iterator[Visit | None]:
        """
        The tests that may have news, each listed; None for the others, so that other resources get their turn.

        Args:
            border: how far back to list; default: as far as the cursor needs.

        """
        for test in self.tests():
            yield self.visit(test, border)

    def tests(self) -> Iterator[Test]:
        """The tests to load, until the poll ends."""
        tests: list[Test] = []
        with self.poll.guard():
            tests = self.poll.tests()
        for test in tests:
            if self.poll.ends:
                return
            yield test

    def visit(self, test: Test, border: int | None = None) -> Visit | None:
        """A test to look at, if there is anything to ask it now."""
        has = may_have(self.resource, test.product_type)
        skipped = self.poll.unlisted | self.poll.paused
        if test.is_classic or has is False or test.test_id in skipped:
            return None
        cursor = self.cursor(test)
        now = self.poll.now()
        wanted = self.poll.wishes.session_ids
        if cursor.rests(now) and not wanted:
            self.poll.tally.resting.add(test.test_id)
            return None
        failing: Retry | None = cursor.state.get("failing")
        if failing and now < failing["at"] and not wanted:
            self.poll.unlisted.add(test.test_id)
            self.poll.tally.waiting["tests"] += 1
            return None
        listing = None
        with self.poll.guard():
            listing = self._list(test, cursor, border)
        if listing is None:
            return None
        cursor.look(listing, now)
        return Visit(test, cursor, listing, probes=has is None)

    def cursor(self, test: Test) -> Cursor:
        """Where the resource stands in a test; from the beginning, once, when everything is wanted anew."""
        wishes, start = self.poll.wishes, self.poll.settings.start_date
        floor = None if start is None else round(start.timestamp() * 1000)
        if floor is not None and wishes.since is not None:
            floor = min(floor, wishes.since)
        cursor = Cursor(self.state["tests"].setdefault(test.test_id, {}), int(self._days), floor)
        key = (self.resource, test.test_id)
        if wishes.full and key not in self.poll.forgotten:
            self.poll.forgotten.add(key)
            cursor.forget()
        return cursor

    def _list(self, test: Test, cursor: Cursor, border: int | None) -> Listing | None:
        now, wanted = self.poll.now(), self.poll.wishes.session_ids
        if border is None:
            border = cursor.border
        enough = lambda listing: cursor.is_unchanged(listing, now)  # noqa: E731 - one of two rules
        if wanted:
            border = None
            enough = lambda listing: wanted <= {s.session_id for s in listing.sessions}  # noqa: E731
        elif cursor.state.get("barren") is not None:
            border = FIRST_PAGE
        try:
            listing = self.poll.listing(test.test_id, border, enough)
        except ApiError as error:
            self._unlisted(test, cursor, error)
            return None
        self._listed(test, cursor, listing)
        return listing

    def _unlisted(self, test: Test, cursor: Cursor, error: ApiError) -> None:
        """A test that fails alone is tried again later; the others go on."""
        now = self.poll.now()
        retry = retry_after(cursor.state.get("failing"), now, now, "failed", FOREVER, LAST_TEST_RETRY)
        assert retry is not None
        cursor.state["failing"] = retry
        self.poll.unlisted.add(test.test_id)
        message = str(error)
        if isinstance(error, NotFound):
            message = (
                f"Test {test.test_id} cannot be listed (404): it does not exist, belongs to a workspace that these"
                " credentials do not see, or is a classic test, which this API does not serve. Check the id in the"
                " address of the test's results page."
            )
        self._tell(test.test_id, None, "failed", message, retry)
        self.poll.fail(message)
        self.poll.count_failure(test.test_id, error)

    def _listed(self, test: Test, cursor: Cursor, listing: Listing) -> None:
        failing: Retry | None = cursor.state.pop("failing", None)
        if failing:
            self._tell(test.test_id, None, "resolved", "The test can be listed again.", failing)
        said = cursor.state.get("said")
        if listing.problem:
            self.poll.warn(f"Test {test.test_id}: {listing.problem}.")
        if listing.ended and listing.problem != said:
            status = "resolved" if listing.problem is None else "failed" if listing.gaps else "given_up"
            self._tell(test.test_id, None, status, listing.problem or "The listing is complete again.", None)
            cursor.state.pop("said", None)
            if listing.problem:
                cursor.state["said"] = listing.problem

    # -- what is due in them ------------------------------------------------------------

    def due(self) -> Iterator[tuple[Visit, Due] | None]:
        """
        Sessions to ask for: tests with little to do at once, the others when all are listed.

        Ends when the poll does; only an undisturbed end counts as finished.
        """
        backlog: list[Visit] = []
        for visit in self.visits():
            if visit is None:
                yield None
            elif len(batch := self._batch(visit)) > self.poll.chunk:
                backlog.append(visit)
                yield None
            else:
                yield from self._serve(visit, batch)
        for visit in backlog:
            yield from self._serve(visit, self._batch(visit))
        if not self.poll.ends:
            self.poll.finished.add(self.resource)

    def _batch(self, visit: Visit) -> list[Due]:
        """What to ask of one test now, in order."""
        wishes, cursor, now = self.poll.wishes, visit.cursor, self.poll.now()
        if wishes.session_ids:
            due = [
                Due(s.session_id, s.time)
                for s in visit.listing.sessions
                if s.session_id in wishes.session_ids and (self.resource, s.session_id) not in self.poll.served
            ]
        else:
            due = cursor.due(now, wishes.since)
        key = (self.resource, visit.test.test_id)
        self.poll.sight(*key, len(due))
        if visit.probes and not wishes.session_ids:
            due = cursor.probe(due, visit.listing.total)
        fresh = self.poll.fresh_ids(*key, visit.listing, is_backlog=len(due) > self.poll.chunk)
        return oldest_first(due, fresh)

    def _serve(self, visit: Visit, batch: list[Due]) -> Iterator[tuple[Visit, Due]]:
        """Hands out a test's sessions; what turns up due only now (a first transcript) is handed out too."""
        while batch:
            for due in batch:
                if self.poll.ends:
                    return
                if visit.test.test_id in self.poll.paused:
                    return
                yield visit, due
            batch = self._batch(visit) if visit.probes else []
        if not self.poll.wishes.session_ids:
            visit.cursor.finish(visit.listing, self.poll.now(), self.quiet_after)

    @property
    def quiet_after(self) -> int | None:
        """How long without a session makes a test quiet, in ms; None: never."""
        days = self.poll.settings.quiet_test_days
        return int(days * DAY) if days else None

    # -- one request per test ---------------------------------------------------------------

    def has_news(self, visit: Visit) -> bool:
        """Whether a test's sessions have changed since it was last asked, or the last try is to be repeated."""
        state, listing = visit.cursor.state, visit.listing
        if self.poll.wishes.session_ids or (self.resource, visit.test.test_id) in self.poll.served:
            return False
        visit.cursor.rest(listing.newest, self.poll.now(), self.quiet_after)
        retry: Retry | None = state.get("asking")
        if retry:
            return self.poll.now() >= retry["at"]
        if (barren := state.get("barren")) is not None and listing.total < barren * PROBE_GROWTH:
            return False
        return listing.total > 0 and state.get("seen") != [listing.total, listing.newest]

    def done_test(self, visit: Visit, items: int) -> None:
        """The test was asked: moves the state, so it must come before the rows are yielded."""
        state, listing = visit.cursor.state, visit.listing
        retry: Retry | None = state.pop("asking", None)
        if retry:
            self._tell(visit.test.test_id, None, "resolved", "Loaded.", retry)
        state.pop("barren", None)
        state["seen"] = [listing.total, listing.newest]
        self.poll.served.add((self.resource, visit.test.test_id))
        self.poll.succeeded(self.resource, items)

    def failed_test(self, visit: Visit, error: ApiError) -> None:
        """The test could not be asked: 404 says that it has none of this; all else is tried again later."""
        test_id, state, now = visit.test.test_id, visit.cursor.state, self.poll.now()
        if isinstance(error, NotFound):
            self.done_test(visit, 0)
            if visit.probes:
                state["barren"] = max(visit.listing.total, 1)
            return
        retry = retry_after(state.get("asking"), now, now, "failed", FOREVER)
        state["asking"] = retry
        self._tell(test_id, None, "failed", str(error), retry)
        self.poll.fail(str(error))
        self.poll.count_failure(test_id, error)

    # -- what became of them -------------------------------------------------------------

    def done(self, visit: Visit, due: Due, items: int = 1) -> None:
        """The session is loaded: moves the state, so it must come before the rows are yielded."""
        if due.tries and due.since is not None:
            retry = visit.cursor.again.get(due.session_id)
            if retry is not None:
                self._tell(visit.test.test_id, due.session_id, "resolved", "Loaded.", retry)
        visit.cursor.settle(due.session_id, due.time)
        self.poll.served.add((self.resource, due.session_id))
        if visit.probes:
            visit.cursor.hit()
        self.poll.succeeded(self.resource, items)

    def failed(self, visit: Visit, due: Due, error: ApiError | DownloadError) -> None:
        """The session could not be loaded: it is asked for again later, or given up."""
        if isinstance(error, NotFound) and self._absent == "none":
            self.done(visit, due, items=0)
            return
        why: Why = "waiting" if isinstance(error, NotFound) and self._absent == "waiting" else "failed"
        now = self.poll.now()
        before = visit.cursor.again.get(due.session_id)
        self.poll.served.add((self.resource, due.session_id))
        retry = visit.cursor.later(due, now, why, self._until(due, why, now), visit.summary(due))
        self._say(visit, due, why, error, retry, before)
        self.poll.count_failure(visit.test.test_id, error)

    def _until(self, due: Due, why: Why, now: int) -> int:
        if why == "waiting":
            return due.time + int(self.poll.settings.transcript_wait_hours * HOUR)
        return (due.since or now) + GIVE_UP_AFTER

    def _say(
        self, visit: Visit, due: Due, why: Why, error: Exception, retry: Retry | None, before: Retry | None
    ) -> None:
        test_id = visit.test.test_id
        if why == "failed":
            self.poll.fail(str(error))
        elif retry is not None:
            self.poll.tally.waiting[self.resource] += 1
            self.poll.has_rows = True
        if retry is None and why == "waiting" and visit.probes and visit.cursor.miss(visit.listing.total):
            self.poll.warn(f"Test {test_id} seems to have no {self.resource}: no more are asked for.")
        status = "given_up" if retry is None else why
        attempts = (before["tries"] if before else 0) + 1
        self._tell(test_id, due.session_id, status, str(error), retry or before, attempts)

    def _tell(
        self,
        test_id: str,
        session_id: str | None,
        status: str,
        message: str,
        retry: Retry | None,
        attempts: int | None = None,
    ) -> None:
        """Puts a row for `load_issues` into the state, from where it goes out with the next package."""
        now = self.poll.now()
        self._told.append(
            {
                "test_id": test_id,
                "session_id": session_id,
                "status": status,
                "message": message,
                "attempts": attempts or (retry["tries"] if retry else 1),
                "first_seen_at": retry["since"] if retry else now,
                "last_tried_at": now,
                "resolved_at": now if status == "resolved" else None,
            }
        )

    def told(self) -> Iterator[dict[str, Any]]:
        """Rows for `load_issues` that wait to go out."""
        while self._told:
            issue = self._told.pop(0)
            for key in ("first_seen_at", "last_tried_at", "resolved_at"):
                issue[key] = moment(issue[key])
            yield issue_row(self.resource, **issue)


def moment(milliseconds: int | None) -> datetime | None:
    """The moment so many ms after 1970."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
