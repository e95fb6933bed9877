"""Finding the tests: those that are named, and those of the configured workspaces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ..api.client import ResultsApi
from ..config import EVERY_WORKSPACE, Settings
from ..errors import ApiError, ApiUnavailable, NotFound
from ..sync.again import HOUR
from ..sync.studies import Test
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

    """

    def __init__(self, settings: Settings, api: Callable[[], ResultsApi], now: Callable[[], int]) -> None:
        self._settings = settings
        self._api = api
        self._now = now
        self._tests: list[Test] | None = None
        self._found_at = 0
        self._in_workspace: dict[str, list[Test]] = {}
        self._is_patchy = False
        self._lock = threading.Lock()

    def tests(self, complain: Callable[[str], None]) -> list[Test]:
        """
        The tests; `complain` is told of a workspace that cannot be listed: what was last known of it is taken then.

        Raises:
            ApiUnavailable: all workspaces are wanted, and nobody says which there are.

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

    def _find(self, complain: Callable[[str], None]) -> Iterator[Test]:
        found: dict[str, Test] = {}
        self._is_patchy = False
        for workspace_id in self._workspaces():
            try:
                self._in_workspace[workspace_id] = list(self._studies(workspace_id))
            except ApiError as error:
                self._is_patchy = True
                complain(f"Workspace {workspace_id} could not be listed: {_hint(error)}")
            for test in self._in_workspace.get(workspace_id, ()):
                found.setdefault(test.test_id, test)
        for test_id in self._settings.test_ids:
            found.setdefault(test_id, Test(test_id))
        yield from found.values()

    def _studies(self, workspace_id: str) -> Iterator[Test]:
        for study in self._api().studies(workspace_id):
            test_id = study.get("uuid")
            if isinstance(test_id, str) and test_id:
                with readable(f"workspace {workspace_id}"):
                    kept = storable(study)
                yield Test(test_id.lower(), kept, workspace_id)

    def _workspaces(self) -> list[str]:
        wanted = self._settings.workspace_ids
        if EVERY_WORKSPACE not in wanted:
            return list(wanted)
        try:
            seen = [str(w.get("uuid")) for w in self._api().workspaces() if w.get("uuid")]
        except ApiError as error:
            raise ApiUnavailable(f"The workspaces cannot be listed: {error}") from None
        return list(dict.fromkeys([w for w in wanted if w != EVERY_WORKSPACE] + list(seen)))


def _hint(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error} Check the id, and that the credentials' e-mail address is a member of the workspace."
    return str(error)
