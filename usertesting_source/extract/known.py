"""
What the destination holds, as the resources see it during a poll: read once, and again where a package added to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..sync.inventory import confirmed
from ..sync.loaded import Loaded, Shown
from ..sync.state import ResourceState
from ..sync.studies import BY_LISTING


class Reader(Protocol):
    """Reads the destination; see `warehouse.loaded.LoadedSessions`."""

    def since(self, table: str, windows: Mapping[str, int]) -> dict[str, dict[str, Loaded]]:
        """By test, the sessions in `table` that finished since so many ms."""
        ...

    def these(self, table: str, session_ids: Sequence[str]) -> dict[str, Loaded]:
        """Of some sessions, those that `table` holds."""
        ...

    def forgotten(self) -> Mapping[str, Mapping[str, Loaded]]:
        """By test, the sessions that were forgotten on request."""
        ...

    def row(self, table: str, session_id: str) -> dict[str, Any] | None:
        """A session's whole row."""
        ...

    def newest_load(self) -> int:
        """When the newest load began, in ms; 0: nobody can say."""
        ...

    def everything(self, table: str, test_id: str) -> set[str] | None:
        """All sessions of a test that `table` holds, or that issues tell of; None: nobody can say."""
        ...


class Known:
    """
    What the tables of a dataset show of the tests: two queries a resource for a whole poll, one more for each package.

    Args:
        reader: of the destination.

    """

    def __init__(self, reader: Reader) -> None:
        self.row = reader.row
        self.everything = reader.everything
        self.newest_load = reader.newest_load
        self._reader = reader
        self._shown: dict[tuple[str, str], Shown] = {}
        self._read: set[str] = set()
        self._is_current: set[str] = set()
        self._forgotten: Mapping[str, Mapping[str, Loaded]] | None = None
        self._lock = threading.Lock()

    def committed(self) -> None:
        """A package was loaded: what the state has kept since may be in the destination now."""
        self._is_current.clear()

    def forget(self) -> None:
        """What was read is about to be dropped."""
        self._shown.clear()
        self._read.clear()
        self._forgotten = {}

    def of(
        self,
        resource: str,
        test_id: str,
        kept: ResourceState,
        window: Callable[[str], int],
        rests: Callable[[str], bool],
    ) -> Shown:
        """
        What a resource's table shows of a test.

        Args:
            resource: its name, which is that of its table.
            test_id: the test.
            kept: what the resource keeps of all tests.
            window: from when on (ms) the sessions of a test are of interest.
            rests: whether a test is seldom asked for, and so read alone when it is.

        """
        with self._lock:
            if resource not in self._read:
                self._read.add(resource)
                self._is_current.add(resource)
                self._look(resource, kept, {one: window(one) for one in kept.tests() if not rests(one)})
            elif resource not in self._is_current:
                self._is_current.add(resource)
                self._update(resource, kept)
            if (resource, test_id) not in self._shown:
                self._look(resource, kept, {test_id: window(test_id)})
            return self._shown[resource, test_id]

    def _look(self, resource: str, kept: ResourceState, windows: dict[str, int]) -> None:
        """Reads what is there of some tests; of one of which nothing was loaded yet, nothing is."""
        loaded = {test_id: since for test_id, since in windows.items() if kept.of(test_id).was_loaded}
        found = self._reader.since(resource, loaded) if loaded else {}
        for test_id in windows:
            self._shown[resource, test_id] = Shown()
            if resource not in BY_LISTING:
                self._shown[resource, test_id].add(self._forgotten_in(test_id), 0)
            self._add(resource, kept, test_id, found.get(test_id, {}))
        if loaded:
            self._update(resource, kept)

    def _forgotten_in(self, test_id: str) -> Mapping[str, Loaded]:
        """What is settled for good, whatever else the state says; read once."""
        if self._forgotten is None:
            self._forgotten = self._reader.forgotten()
        return self._forgotten.get(test_id, {})

    def _update(self, resource: str, kept: ResourceState) -> None:
        """Looks for what the state has kept since."""
        missing = {
            test_id: [name for name in state.kept_ids if name not in self._shown[resource, test_id].looked_for]
            for test_id, state in kept.tests().items()
            if state.was_loaded and (resource, test_id) in self._shown
        }
        names = [name for some in missing.values() for name in some]
        found = self._reader.these(resource, names) if names else {}
        for test_id, some in missing.items():
            if some:
                self._add(resource, kept, test_id, {name: found[name] for name in some if name in found})
                self._shown[resource, test_id].looked_for.update(some)

    def _add(self, resource: str, kept: ResourceState, test_id: str, found: Mapping[str, Loaded]) -> None:
        shown, state = self._shown[resource, test_id], kept.of(test_id)
        shown.add(found, state.loads_from or 0)
        shown.confirmed = confirmed(state, shown.sessions)
