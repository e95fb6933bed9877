"""The cache of listings: a test is listed once in a poll, however many resources and load packages look at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..api.client import ResultsApi
from ..config import Settings
from ..errors import ApiError
from ..sync.listing import Listing, ListingReader, Page
from ..tables.payloads import storable
from .reading import readable

STALE_LISTING_S = 600.0
FAILED_LISTING_S = 240.0
LISTING_SHARE = 4


class Listings:
    """
    The listings of one poll.

    Args:
        settings: the quota, by which it is told how often tests can be listed again.
        api: gives the API.
        max_age_s: a listing older than this is read again.

    """

    def __init__(self, settings: Settings, api: Callable[[], ResultsApi], max_age_s: float = STALE_LISTING_S) -> None:
        self._settings = settings
        self._api = api
        self._max_age_s = max_age_s
        self._readers: dict[str, tuple[float, ListingReader]] = {}
        self._errors: dict[str, tuple[float, ApiError]] = {}
        self._first_seen: dict[tuple[str, str], frozenset[str]] = {}
        self._lock = threading.RLock()

    def has(self, test_id: str) -> bool:
        """Whether a test was listed in this poll: looking at it again costs nothing."""
        return test_id in self._readers

    def read(
        self,
        test_id: str,
        border: int | None,
        unchanged: Callable[[Listing], bool],
        lacks: Callable[[Listing], bool] = lambda _: False,
    ) -> Listing:
        """
        A test's listing, read back to `border`; see `ListingReader.back_to`.

        Raises:
            ApiError: the test cannot be listed, or could not be some minutes ago.

        """
        with self._lock:
            reader = self._reader(test_id)
            failed_at, error = self._errors.get(test_id, (float("-inf"), None))
            if error is not None and time.monotonic() - failed_at < FAILED_LISTING_S:
                raise error
            try:
                return reader.back_to(border, unchanged, lacks)
            except ApiError as error:
                self._errors[test_id] = time.monotonic(), error
                raise

    def fresh_ids(self, resource: str, test_id: str, listing: Listing, is_backlog: bool) -> frozenset[str]:
        """Sessions that a test got since its backlog was first seen: they go first."""
        key = (resource, test_id)
        if not is_backlog:
            self._first_seen.pop(key, None)
            return frozenset()
        ids = frozenset(session.session_id for session in listing.sessions)
        return ids - self._first_seen.setdefault(key, ids)

    def _reader(self, test_id: str) -> ListingReader:
        known = self._readers.get(test_id)
        if known is None or time.monotonic() - known[0] > self._stale_s:
            reader = ListingReader(lambda offset, limit: self._page(test_id, offset, limit))
            self._readers[test_id] = known = (time.monotonic(), reader)
            self._errors.pop(test_id, None)
        return known[1]

    def _page(self, test_id: str, offset: int, limit: int) -> Page:
        """A page of a listing, of which the state may keep any part."""
        page = self._api().session_page(test_id, offset, limit)
        with readable(f"the sessions of test {test_id}"):
            return replace(page, rows=storable(page.rows))

    @property
    def _stale_s(self) -> float:
        """The age in which a listing is read again: with many pages so old that listings leave room for the rest."""
        limit, period = self._settings.rate_limit, self._settings.rate_period
        pages = sum(reader.pages for _, reader in self._readers.values())
        pass_s = pages * period / limit if limit else 0.0
        return max(self._max_age_s, LISTING_SHARE * pass_s)
