"""
One look at the API: what it has listed, what it asks for, when it stops. All resources of a source share it.

A poll begins with the first resource that runs and ends when all have run to their ends; `run.load` keeps one open over
many load packages, so that a test is listed once however many packages its sessions fill.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..api.client import ResultsApi
from ..api.connection import connect
from ..config import EVERY_WORKSPACE, Settings
from ..errors import (
    ApiError,
    ApiUnavailable,
    ConfigurationError,
    CredentialsError,
    Interrupted,
    NotFound,
    UserTestingError,
)
from ..outcome import Tally, Wishes
from ..stop import Stop
from ..sync.cursor import HOUR
from ..sync.listing import Listing, ListingReader, Page
from ..sync.outage import Outage
from ..sync.studies import Test
from ..tables.payloads import storable
from .reading import readable

STALE_LISTING_S = 600.0
REDISCOVER_MS = HOUR
COMMIT_S = 120.0
FAILED_LISTING_S = 240.0
LISTING_SHARE = 4


class Poll:
    """
    See the module.

    Args:
        settings: checked ones.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._api: ResultsApi | None = None
        self._tests: list[Test] | None = None
        self._tests_at = 0
        self._in_workspace: dict[str, list[Test]] = {}
        self._is_patchy = False
        self._lock = threading.RLock()  # resources may run in threads of their own
        self.release()

    def release(self) -> None:
        """Nobody holds the poll, or asks for a stop, any more: the next resource that runs begins anew."""
        self.stop = Stop()
        self.chunk = 25
        self.on_event: Callable[[], None] = lambda: None
        self.on_wait: Callable[[float], None] = lambda _: None
        self.begin()

    def begin(self, wishes: Wishes | None = None, *, held: bool = False, max_age_s: float = STALE_LISTING_S) -> None:
        """
        Starts anew: nothing is listed yet.

        Args:
            wishes: what is wanted beyond what is due.
            held: stays open until the next `begin`, and keeps an error for the holder instead of raising it.
            max_age_s: a listing older than this is read again.

        """
        self.wishes = wishes or Wishes()
        self.held = held
        self.max_age_s = max_age_s
        self.tally = Tally()
        self.error: UserTestingError | None = None
        self.outage = Outage(self.settings.base_url)
        self.unlisted: set[str] = set()
        self.unlisted_before: set[str] = set()
        self.found: dict[str, str] = {}  # sessions asked for by name, and the test of each
        self.served: set[tuple[str, str]] = set()
        self.forgotten: set[str] = set()
        self._started: set[str] = set()
        self._readers: dict[str, tuple[float, ListingReader]] = {}
        self._errors: dict[str, tuple[float, ApiError]] = {}
        self._first_seen: dict[tuple[str, str], frozenset[str]] = {}
        self._sighted: set[tuple[str, str]] = set()
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """A new load package begins."""
        self.finished: set[str] = set()
        self.has_rows = False
        self._in_package: Counter[str] = Counter()
        self._package_ends: float | None = None
        if self._tests is not None and (self._is_patchy or self.now() - self._tests_at >= REDISCOVER_MS):
            self._tests = None
        # what failed a while ago may be tried again, also within one long poll
        self.unlisted.clear()

    def join(self, resource: str) -> None:
        """A resource starts to run: when it has run before, and nobody holds the poll, that is a new poll."""
        with self._lock:
            if not self.held and resource in self._started:
                self.begin()
            self._started.add(resource)

    @staticmethod
    def now() -> int:
        """The wall clock, in ms since 1970."""
        return round(time.time() * 1000)

    @property
    def api(self) -> ResultsApi:
        """The API; made when first needed, since building a source does no I/O."""
        with self._lock:
            if self._api is None:
                self._api = connect(self.settings, self._wait)
            return self._api

    def _wait(self, seconds: float) -> bool:
        self.on_wait(seconds)
        return self.stop.wait(seconds)

    @property
    def requests(self) -> int:
        """Requests sent to the API so far, over all polls of this source."""
        return self._api.requests_sent if self._api else 0

    # -- when to end ---------------------------------------------------------------

    @property
    def ends(self) -> bool:
        """Whether resources should end now: a stop, an error, or a package that has been open for long."""
        if self.stop.asked or self.error is not None:
            return True
        if not (self.held and self.has_rows):
            return False
        if self._package_ends is None:
            self._package_ends = time.monotonic() + COMMIT_S
        return time.monotonic() >= self._package_ends

    @property
    def _stale_s(self) -> float:
        """The age in which a listing is read again: with many pages so old that listings leave room for the rest."""
        limit, period = self.settings.rate_limit, self.settings.rate_period
        pages = sum(reader.pages for _, reader in self._readers.values())
        pass_s = pages * period / limit if limit else 0.0
        return max(self.max_age_s, LISTING_SHARE * pass_s)

    def is_listed(self, test_id: str) -> bool:
        """Whether a test was listed in this poll: looking at it again costs nothing."""
        return test_id in self._readers

    def is_full(self, resource: str) -> bool:
        """Whether a resource has asked for as much as a load package takes."""
        return self.held and self._in_package[resource] >= self.chunk

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around requests: a stop, or an error that concerns everything, ends the poll."""
        try:
            yield
        except Interrupted:
            self.stop.ask()
        except (ConfigurationError, CredentialsError, ApiUnavailable) as error:
            if not self.held:
                raise
            self.error = error  # its holder commits first what was fetched

    # -- tests ---------------------------------------------------------------------

    def tests(self) -> list[Test]:
        """All tests to load: the configured ones, and those of the configured workspaces."""
        with self._lock:
            if self._tests is None:
                self._tests = list(self._find_tests())
                self._tests_at = self.now()
            return self._tests

    def _find_tests(self) -> Iterator[Test]:
        found: dict[str, Test] = {}
        self._is_patchy = False
        for workspace_id in self._workspaces():
            try:
                self._in_workspace[workspace_id] = list(self._studies(workspace_id))
            except ApiError as error:
                self._is_patchy = True
                self.fail(f"Workspace {workspace_id} could not be listed: {_hint(error)}")
            for test in self._in_workspace.get(workspace_id, ()):
                found.setdefault(test.test_id, test)
        for test_id in self.settings.test_ids:
            found.setdefault(test_id, Test(test_id))
        yield from found.values()

    def _studies(self, workspace_id: str) -> Iterator[Test]:
        for study in self.api.studies(workspace_id):
            test_id = study.get("uuid")
            if isinstance(test_id, str) and test_id:
                with readable(f"workspace {workspace_id}"):
                    kept = storable(study)
                yield Test(test_id.lower(), kept, workspace_id)

    def _workspaces(self) -> list[str]:
        wanted = self.settings.workspace_ids
        if EVERY_WORKSPACE not in wanted:
            return list(wanted)
        try:
            seen = [str(w.get("uuid")) for w in self.api.workspaces() if w.get("uuid")]
        except ApiError as error:
            raise ApiUnavailable(f"The workspaces cannot be listed: {error}") from None
        return list(dict.fromkeys([w for w in wanted if w != EVERY_WORKSPACE] + list(seen)))

    # -- listings ------------------------------------------------------------------

    def listing(self, test_id: str, border: int | None, unchanged: Callable[[Listing], bool]) -> Listing:
        """A test's listing, read back to `border`; see `ListingReader.back_to`."""
        with self._lock:
            known = self._readers.get(test_id)
            if known is None or time.monotonic() - known[0] > self._stale_s:
                reader = ListingReader(lambda offset, limit: self._page(test_id, offset, limit))
                self._readers[test_id] = (time.monotonic(), reader)
                self._errors.pop(test_id, None)
            failed_at, error = self._errors.get(test_id, (float("-inf"), None))
            if error is not None and time.monotonic() - failed_at < FAILED_LISTING_S:
                raise error
            try:
                listing = self._readers[test_id][1].back_to(border, unchanged)
            except ApiError as error:
                self._errors[test_id] = time.monotonic(), error
                raise
            self.outage.listed()
            return listing

    def _page(self, test_id: str, offset: int, limit: int) -> Page:
        """A page of a listing, of which the state may keep any part."""
        page = self.api.session_page(test_id, offset, limit)
        with readable(f"the sessions of test {test_id}"):
            return replace(page, rows=storable(page.rows))

    def sight(self, resource: str, test_id: str, due: int) -> None:
        """So many items of a test turned out to be due, at first sight."""
        if (resource, test_id) not in self._sighted:
            self._sighted.add((resource, test_id))
            self.tally.due[resource, test_id] = due

    def fresh_ids(self, resource: str, test_id: str, listing: Listing, is_backlog: bool) -> frozenset[str]:
        """Sessions that a test got since its backlog was first seen: they go first."""
        key = (resource, test_id)
        if not is_backlog:
            self._first_seen.pop(key, None)
            return frozenset()
        ids = frozenset(session.session_id for session in listing.sessions)
        return ids - self._first_seen.setdefault(key, ids)

    # -- what went well, what did not ------------------------------------------------

    def asked(self, resource: str, test_id: str, items: int = 1) -> None:
        """A resource asked the API, or found so many items in a listing, whatever came of it."""
        self._in_package[resource] += 1
        self.tally.asked[resource, test_id] += items

    def succeeded(self, resource: str, items: int = 1) -> None:
        """Something was loaded: the API works."""
        self.tally.done[resource] += items
        self.outage.over(resource)
        self.has_rows = True
        self.on_event()

    def fail(self, line: str) -> None:
        """Something failed in this run."""
        self.tally.failed.append(line)
        self.has_rows = True
        self.on_event()

    def warn(self, line: str) -> None:
        """Says something once."""
        self.tally.warnings.setdefault(line)


def _hint(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error} Check the id, and that the credentials' e-mail address is a member of the workspace."
    return str(error)
