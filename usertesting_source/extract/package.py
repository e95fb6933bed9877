"""One load package while it is filled: how much it takes, and when it is time to commit it."""

from __future__ import annotations

import time
from collections import Counter

COMMIT_S = 120.0


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

    def asked(self, resource: str) -> None:
        """A resource has asked the API, or found something in a listing."""
        self._asked[resource] += 1

    def holds_rows(self) -> None:
        """There is something to commit."""
        if self._holds_rows_since is None:
            self._holds_rows_since = time.monotonic()

    def is_full(self, resource: str) -> bool:
        """Whether a resource has asked for as much as the package takes."""
        return self.chunk is not None and self._asked[resource] >= self.chunk

    def takes(self, items: int) -> bool:
        """Whether there is room for one more beside so many items."""
        return self.chunk is None or items < self.chunk

    @property
    def is_due(self) -> bool:
        """Whether what it holds has waited long enough to be committed."""
        since = self._holds_rows_since
        return self.chunk is not None and since is not None and time.monotonic() - since >= COMMIT_S
