"""Finding the tests: those that are named, and those of the configured workspaces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from ..api.client import ResultsApi
from ..config import EVERY_WORKSPACE, Settings
from ..errors import ApiError, ApiUnavailable, CredentialsError, Forbidden, NotFound
from ..sync.again import DAY, HOUR
from ..sync.state import TestState
from ..sync.studies import Test, is_called
from ..tables.payloads import storable
from .reading import readable

REDISCOVER_MS = HOUR


class Discovery:
    """
    The tests to load, asked for once an hour.

    Args:
        settings: which tests and workspaces.
        api: gives the API.
        now: the time, in ms.

    Attributes:
        workspaces: the names of the workspaces that were seen, by id.

    """

    def __init__(self, settings: Settings, api: Callable[[], ResultsApi], now: Callable[[], int]) -> None:
        self.workspaces: dict[str, str] = {}
        self._settings = settings
        self._api = api
        self._now = now
        self._tests: list[Test] | None = None
        self._found_at = 0
        self._in_workspace: dict[str, list[Test]] = {}
        self._is_patchy = False
        self._recalled: dict[str, Test] = {}
        self._lock = threading.Lock()

    def tests(self, complain: Callable[[str], None]) -> list[Test]:
        """
        The tests.

        Args:
            complain: is told of a workspace that cannot be listed (what was last known of it is taken then), of named
                tests that cannot be loaded, and when there is no test at all.

        Raises:
            ApiUnavailable: all workspaces are wanted, and nobody says which there are.
            CredentialsError: all workspaces are wanted, and these credentials may not know which there are.

        """
        with self._lock:
            if self._tests is None:
                self._tests = list(self._find(complain))
                self._found_at = self._now()
            return self._tests

    def refresh(self) -> None:
        """Looks again, with the next call, when what is known is old or has holes."""
        if self._is_patchy or self._now() - self._found_at >= REDISCOVER_MS:
            self._tests = None

    def recall(self, kept: Mapping[str, TestState]) -> None:
        """What is kept of the tests from earlier runs, by id: their titles need not be looked up again for a day."""
        for test_id, state in kept.items():
            if state.study_at is not None:
                workspace_id, study = state.study or [None, {}]
                self._recalled.setdefault(test_id, Test(test_id, study, workspace_id, state.study_at))

    # -- which ---------------------------------------------------------------------------

    def _find(self, complain: Callable[[str], None]) -> Iterator[Test]:
        wanted = self._settings
        self._is_patchy = False
        found = self._listed(complain) if wanted.workspace_ids or wanted.test_titles else self._looked_up()
        if wanted.test_ids or wanted.test_titles:
            found = {test.test_id: test for test in self._named(found, complain)}
        for test_id in wanted.exclude_test_ids:
            found.pop(test_id, None)
        if not found and not self._is_patchy:
            complain(
                "No test was found: no workspace is visible to these credentials, or there is none in them. Check"
                " `sources.usertesting.workspace_ids`, and that the credentials' e-mail address is a member."
            )
        yield from found.values()

    def _listed(self, complain: Callable[[str], None], wanted: Collection[str] = ()) -> dict[str, Test]:
        """All tests of the workspaces, by id; with `wanted` ids, of as many as it takes to find these."""
        found: dict[str, Test] = {}
        for workspace_id in self._workspaces():
            try:
                self._in_workspace[workspace_id] = list(self._studies(workspace_id))
            except ApiError as error:
                self._is_patchy = True
                complain(f"Workspace {workspace_id} could not be listed: {_hint(error)}")
            for test in self._in_workspace.get(workspace_id, ()):
                found.setdefault(test.test_id, test)
            if wanted and found.keys() >= set(wanted):
                break
        return found

    def _looked_up(self) -> dict[str, Test]:
        """The tests that are named by ids alone, with titles where a workspace that is visible tells them."""
        ids, day_ago = self._settings.test_ids, self._now() - DAY
        known = {test_id: self._recalled.get(test_id, Test(test_id)) for test_id in ids}
        if not self._settings.look_up_titles or all((test.asked_at or 0) > day_ago for test in known.values()):
            return known
        try:
            seen = self._listed(lambda _: None, ids)
        except (ApiUnavailable, CredentialsError):  # who may not see workspaces may well load the tests
            seen = {}
        self._is_patchy = False
        asked_at = self._now()
        found = {test_id: replace(seen.get(test_id, test), asked_at=asked_at) for test_id, test in known.items()}
        self._recalled |= found
        return found

    def _named(self, found: dict[str, Test], complain: Callable[[str], None]) -> Iterator[Test]:
        """Those of the tests found that are named by id or title; with workspaces, they are looked for there alone."""
        for test_id in self._settings.test_ids:
            test = found.get(test_id)
            if test is None and self._settings.workspace_ids and not self._is_patchy:
                complain(f"Test {test_id} is in none of the workspaces that `sources.usertesting.workspace_ids` names.")
                continue
            test = test or Test(test_id)
            if test.is_classic:
                kind = test.study.get("type")
                complain(f"Test {test_id} is of type {kind}, a classic test, which the Results API does not serve.")
            yield test
        for title in self._settings.test_titles:
            called = [test for test in found.values() if is_called(test, title)]
            if not called and not self._is_patchy:
                complain(f"No test is called {title!r} in the workspaces: `usertesting tests` lists their titles.")
            yield from called

    def _studies(self, workspace_id: str) -> Iterator[Test]:
        for study in self._api().studies(workspace_id):
            test_id = study.get("uuid")
            if isinstance(test_id, str) and test_id:
                with readable(f"workspace {workspace_id}"):
                    kept = storable(study)
                yield Test(test_id.lower(), kept, workspace_id, self._now())

    def _workspaces(self) -> list[str]:
        wanted = self._settings.workspace_ids or (EVERY_WORKSPACE,)
        if EVERY_WORKSPACE not in wanted:
            return list(wanted)
        try:
            seen = {str(w.get("uuid")): str(w.get("name") or "") for w in self._api().workspaces() if w.get("uuid")}
        except Forbidden as error:
            raise CredentialsError(str(error), error.status) from None
        except ApiError as error:
            raise ApiUnavailable(f"The workspaces cannot be listed: {error}") from None
        self.workspaces |= seen
        return list(dict.fromkeys([w for w in wanted if w != EVERY_WORKSPACE] + list(seen)))


def _hint(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error} Check the id, and that the credentials' e-mail address is a member of the workspace."
    return str(error)
