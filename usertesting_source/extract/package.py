"""One load package while it is filled: how much it takes, and when it is time to commit it."""

from __future__ import annotations

import time
from collections import Counter

COMMIT_S = 120.0
LISTED = 200


class Package:
    """
    See the module.

    Args:
        chunk: requests of each resource that it takes; None: it takes all, since nobody fills a next one.

    Attributes:
        finished: the resources that came to their ends: nothing is left to do for them in this poll.

    """

    def __init__(self, chunk: int | None = None) -> None:
        self.chunk = chunk
        self.finished: set[str] = set()
        self._asked: Counter[str] = Counter()
        self._holds_rows_since: float | None = None

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

    def takes(self, items: int) -> bool:
        """Whether there is room for one more beside so many items."""
        return self.chunk is None or items < self.chunk

    @property
    def is_due(self) -> bool:
        """Whether what it holds has waited long enough to be committed."""
        since = self._holds_rows_since
        return self.chunk is not None and since is not None and time.monotonic() - since >= COMMIT_S
