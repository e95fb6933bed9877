"""
Telling an API, or one of its endpoints, that is down, or forbidden as a whole, from items that fail alone: by how many
fail in a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..errors import (
    ApiUnavailable,
    CredentialsError,
    Forbidden,
    GatewayPage,
    NotFound,
    RateLimited,
    ServerError,
    UserTestingError,
)
from .state import TestState

SESSIONS_IN_A_ROW = 3
PROBES_IN_A_ROW = 6
TESTS_IN_A_ROW = 2
LISTINGS_IN_A_ROW = 5
FEWEST_LISTINGS = 3  # where there are no more tests than that


class Outage:
    """
    Counts failures in a row that could mean that the API is down, or that these credentials may not read it.

    So many sessions of a test in a row: the resource leaves the test for the next run. So many tests in a row: it
    leaves all of them, and when nothing else works either, the run stops. So many tests in a row that cannot be listed
    stop it too. What had failed in an earlier run already says little about today, and counts only for its own test.

    Args:
        base_url: for the message.

    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._tests_to_list = LISTINGS_IN_A_ROW
        self._troubled: set[str] = set()
        self._paused: set[tuple[str, str]] = set()
        self._down: set[str] = set()
        self._sessions: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._everywhere: list[tuple[str, bool]] = []
        self._unlisted: set[str] = set()
        self._forbidden: set[str] = set()
        self._works = False

    def expect(self, test_ids: Iterable[str], troubled: Iterable[str]) -> None:
        """Says which tests there are to list, and in which of them (see `is_troubled`) an earlier run had trouble."""
        self._tests_to_list = len(set(test_ids))
        self._troubled.update(troubled)

    def was_troubled(self, test_id: str) -> bool:
        """Whether an earlier run had trouble with a test: it is to go last, lest it keep the others waiting."""
        return test_id in self._troubled

    def over(self, resource: str) -> None:
        """A resource has loaded something."""
        self._sessions[resource] = self._tests[resource] = 0
        self._everywhere.clear()
        self.listed()

    def listed(self) -> None:
        """A test could be listed, which says nothing of the other endpoints."""
        self._works = True
        self._unlisted.clear()

    def unlisted(self, test_id: str, error: UserTestingError) -> None:
        """
        A test could not be listed.

        Raises:
            ApiUnavailable: so many in a row that it is not the tests.
            CredentialsError: all of them, or the first so many, are forbidden, and nothing works.

        """
        if isinstance(error, Forbidden) and not self._works:
            self._forbidden.add(test_id)
            if len(self._forbidden) >= min(LISTINGS_IN_A_ROW, self._tests_to_list):
                raise self._refused(error)
        if not _may_be_down(error):
            self._unlisted.clear()
        elif not (self._works and self.was_troubled(test_id)):
            self._unlisted.add(test_id)
            if len(self._unlisted) >= min(LISTINGS_IN_A_ROW, max(FEWEST_LISTINGS, self._tests_to_list)):
                raise self._unavailable(error)

    def failed(
        self, resource: str, test_id: str, error: UserTestingError, *, again: bool, is_probe: bool = False
    ) -> bool:
        """
        Something could not be loaded; True when the resource leaves the test alone from now on.

        Args:
            resource: whose request it was.
            test_id: of the session.
            error: what happened.
            again: it had failed in an earlier run.
            is_probe: others are asked in its place, whatever failed.

        Raises:
            ApiUnavailable: nothing works.
            CredentialsError: nothing is allowed.

        """
        again = again or self.was_troubled(test_id)
        if isinstance(error, Forbidden) or _may_be_down(error):
            in_a_row = SESSIONS_IN_A_ROW
        elif is_probe and not isinstance(error, NotFound):
            in_a_row = PROBES_IN_A_ROW
        else:
            self._sessions[resource] = 0
            return False
        self._sessions[resource] += 1
        if not again and in_a_row == SESSIONS_IN_A_ROW:
            self._count_everywhere(test_id, error)
        if self._sessions[resource] < in_a_row:
            return False
        self._pause(resource, test_id, again)
        return True

    def is_paused(self, resource: str, test_id: str) -> bool:
        """Whether a resource leaves a test for the next run."""
        return resource in self._down or (resource, test_id) in self._paused

    def _count_everywhere(self, test_id: str, error: UserTestingError) -> None:
        self._everywhere.append((test_id, isinstance(error, Forbidden)))
        tests = {test_id for test_id, _ in self._everywhere}
        if len(self._everywhere) >= SESSIONS_IN_A_ROW * TESTS_IN_A_ROW and len(tests) > 1:
            raise self._refused(error) if all(no for _, no in self._everywhere) else self._unavailable(error)

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

    def _refused(self, error: UserTestingError) -> CredentialsError:
        return CredentialsError(
            f"{self._base_url} allows these credentials nothing, last: {error} The run stops here; what was loaded is"
            " kept.",
            403,
        )


def is_troubled(state: TestState) -> bool:
    """Whether a resource had trouble with a test: it could not list it, or so many of its sessions failed."""
    failed = sum(retry["why"] == "failed" for retry in state.again.values())
    return state.listing_retry is not None or failed >= SESSIONS_IN_A_ROW


def _may_be_down(error: UserTestingError) -> bool:
    return isinstance(error, (ServerError, RateLimited, GatewayPage))
