"""
What the destination holds, as the resources see it during a poll: read once, and again where a package added to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..sync.inventory import confirmed
from ..sync.loaded import Loaded, Shown
from ..sync.state import TestState


class Reader(Protocol):
    """Reads the destination; see `warehouse.loaded.LoadedSessions`."""

    def since(self, table: str, windows: Mapping[str, int]) -> dict[str, dict[str, Loaded]]:
        """By test, the sessions in `table` that finished since so many ms."""
        ...

    def these(self, table: str, session_ids: Sequence[str]) -> dict[str, Loaded]:
        """Of some sessions, those that `table` holds."""
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
    See the module.

    Args:
        reader: of the destination.

    """

    def __init__(self, reader: Reader) -> None:
        self.row = reader.row
        self.everything = reader.everything
        self.newest_load = reader.newest_load
        self._reader = reader
        self._shown: dict[tuple[str, str], Shown] = {}
        self._stale: set[tuple[str, str]] = set()
        self._read_once: set[str] = set()
        self._lock = threading.Lock()

    def committed(self) -> None:
        """A package was loaded: what the state has kept since may be in the destination now."""
        self._stale = set(self._shown)

    def forget(self) -> None:
        """What was read is about to be dropped."""
        self._shown.clear()
        self._read_once.clear()

    def of(
        self, resource: str, test_id: str, state: TestState, since: int, windows: Callable[[], dict[str, int]]
    ) -> Shown:
        """
        What a resource's table shows of a test.

        Args:
            resource: its name, which is that of its table.
            test_id: the test.
            state: what the resource keeps of it.
            since: from when on (ms) its sessions are of interest.
            windows: tells the same, by test, of those that are likely to be asked for too: read with one query.

        """
        if not state.spans and state.loads_from is None:
            return Shown()  # nothing was loaded
        key = (resource, test_id)
        with self._lock:
            if resource not in self._read_once:
                self._read_once.add(resource)
                self._read(resource, windows())
            if key not in self._shown:
                self._read(resource, {test_id: since})
            shown = self._shown.setdefault(key, Shown())
            if key in self._stale:
                self._stale.discard(key)
                self._add(resource, shown, state)
            return shown

    def _read(self, resource: str, windows: dict[str, int]) -> None:
        for test_id, sessions in self._reader.since(resource, windows).items():
            self._shown.setdefault((resource, test_id), Shown(sessions))
            self._stale.add((resource, test_id))

    def _add(self, resource: str, shown: Shown, state: TestState) -> None:
        """Adds what is in the destination by now, and says what the state need not keep any longer."""
        kept = list(state.settled.keys() | state.gone.keys())
        since = state.loads_from or 0
        found = {**shown.earlier, **shown.sessions, **(self._reader.these(resource, kept) if kept else {})}
        shown.sessions = {name: one for name, one in found.items() if one.loaded_at >= since}
        shown.earlier = {name: one for name, one in found.items() if one.loaded_at < since}
        shown.confirmed = confirmed(state, shown.sessions)
