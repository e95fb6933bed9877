"""One load package while it is filled: how much it takes, and when it is time to commit it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMMIT_S = 30.0
IDLE_S = 20.0  # a commit fits in
LEAST_S = 1.0  # both shrink with a shorter period of the quota, but a commit has its cost
PERIOD_S = 60.0
LISTED = 400
GRACE_S = 5.0  # most videos are there by then, and need no package of their own


class Package:
    """
    See the module.

    Args:
        chunk: requests of each resource that it takes; None: it takes all, since nobody fills a next one.
        period: of the quota, in seconds.

    Attributes:
        finished: the resources that came to their ends: nothing is left to do for them in this poll.

    """

    def __init__(self, chunk: int | None = None, period: float = PERIOD_S) -> None:
        self.chunk = chunk
        self._pace = min(period / PERIOD_S, 1.0)
        self.finished: set[str] = set()
        self._asked: Counter[str] = Counter()
        self._holds_rows_since: float | None = None
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self._last_end = time.monotonic()

    @contextmanager
    def fills(self, resource: str) -> Iterator[None]:
        """So long a resource runs."""
        self._running.add(resource)
        try:
            yield
        finally:
            self._running.discard(resource)
            self._ended.add(resource)
            self._last_end = time.monotonic()

    def asked(self, resource: str, items: int = 1) -> None:
        """A resource has asked the API, or found so much in a listing."""
        self._asked[resource] += items

    @property
    def room_for_listed(self) -> int | None:
        """How many rows of listed sessions it takes yet: the state keeps each until it is committed; None: all."""
        return None if self.chunk is None else max(LISTED - self._asked["sessions"], 0)

    def holds_rows(self) -> None:
        """There is something to commit."""
        if self._holds_rows_since is None:
            self._holds_rows_since = time.monotonic()

    def is_full(self, resource: str) -> bool:
        """Whether a resource has asked for as much as the package takes."""
        if resource == "sessions":
            return self.room_for_listed == 0
        return self.chunk is not None and self._asked[resource] >= self.chunk

    def is_left_to(self, resource: str) -> bool:
        """Whether the resource is the only one that still runs."""
        return self._running <= {resource}

    def is_kept_open_by(self, resource: str) -> bool:
        """
        Whether one resource alone, which waits for something, keeps it from being committed for too long.

        At once, when others have more to do than fitted in; after a moment, when they have finished and loaded
        something; and now and then anyway, since there may be news for them.
        """
        if self.chunk is None or not self.is_left_to(resource):
            return False
        if self._ended - self.finished:
            return True
        patience = GRACE_S if self._asked.keys() - {resource} else COMMIT_S
        return time.monotonic() - self._last_end >= patience

    def is_due(self, idle: Callable[[], float]) -> bool:
        """
        Whether what it holds is to be committed: it has waited long enough, or there is nothing else to do now.

        Args:
            idle: for how many seconds the quota lets no request through.

        """
        since = self._holds_rows_since
        if self.chunk is None or since is None:
            return False
        has_waited = time.monotonic() - since >= max(COMMIT_S * self._pace, LEAST_S)
        return has_waited or idle() >= max(IDLE_S * self._pace, LEAST_S)
