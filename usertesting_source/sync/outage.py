"""Telling an API, or one of its endpoints, that is down from items that fail alone: by how many fail in a row."""

from __future__ import annotations

from collections import Counter

from ..errors import ApiUnavailable, GatewayPage, RateLimited, ServerError, UserTestingError

SESSIONS_IN_A_ROW = 3
TESTS_IN_A_ROW = 2
LISTINGS_IN_A_ROW = 3


class Outage:
    """
    Counts failures in a row that could mean that the API is down.

    So many sessions of a test in a row: the resource leaves the test for the next run. So many tests in a row: it
    leaves all of them, and when nothing else works either, the API is down. Sessions that had failed in an earlier run
    already say little about today, and count only for their own test.

    Args:
        base_url: for the message.

    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._paused: set[tuple[str, str]] = set()
        self._down: set[str] = set()
        self._sessions: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._everywhere: list[str] = []
        self._listings = 0

    def over(self, resource: str) -> None:
        """A resource has loaded something."""
        self._sessions[resource] = self._tests[resource] = self._listings = 0
        self._everywhere.clear()

    def listed(self) -> None:
        """A test could be listed, which says nothing of the other endpoints."""
        self._listings = 0

    def unlisted(self, error: UserTestingError) -> None:
        """
        A test could not be listed.

        Raises:
            ApiUnavailable: so many in a row that it is not the tests.

        """
        self._listings = self._listings + 1 if _may_be_down(error) else 0
        if self._listings >= LISTINGS_IN_A_ROW:
            raise self._unavailable(error)

    def failed(self, resource: str, test_id: str, error: UserTestingError, *, again: bool) -> bool:
        """
        Something could not be loaded; True when the resource leaves the test alone from now on.

        Args:
            resource: whose request it was.
            test_id: of the session.
            error: what happened.
            again: it had failed in an earlier run.

        Raises:
            ApiUnavailable: nothing works.

        """
        if not _may_be_down(error):
            self._sessions[resource] = 0
            return False
        self._sessions[resource] += 1
        if not again:
            self._everywhere.append(test_id)
        if len(self._everywhere) >= SESSIONS_IN_A_ROW * TESTS_IN_A_ROW and len(set(self._everywhere)) > 1:
            raise self._unavailable(error)
        if self._sessions[resource] < SESSIONS_IN_A_ROW:
            return False
        self._pause(resource, test_id, again)
        return True

    def is_paused(self, resource: str, test_id: str) -> bool:
        """Whether a resource leaves a test for the next run."""
        return resource in self._down or (resource, test_id) in self._paused

    def _pause(self, resource: str, test_id: str, again: bool) -> None:
        self._paused.add((resource, test_id))
        self._sessions[resource] = 0
        self._tests[resource] += not again
        if self._tests[resource] >= TESTS_IN_A_ROW:
            self._down.add(resource)

    def _unavailable(self, error: UserTestingError) -> ApiUnavailable:
        return ApiUnavailable(
            f"{self._base_url} keeps failing, last: {error} The run stops here; what was loaded is kept, and a later"
            " run goes on."
        )


def _may_be_down(error: UserTestingError) -> bool:
    return isinstance(error, (ServerError, RateLimited, GatewayPage))
