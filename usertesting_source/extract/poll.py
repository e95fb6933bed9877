"""
One look at the API, shared by all resources of a source: what is wanted, what was asked for, when to end.

A poll begins with the first resource that runs and ends when all have run to their ends; `run.load` holds one open over
many load packages, so that a test is listed once however many packages its sessions fill.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..api.client import ResultsApi, connect
from ..api.clock import Clock
from ..config import Settings, in_section, named_for
from ..errors import ApiUnavailable, ConfigurationError, CredentialsError, Interrupted, UserTestingError
from ..outcome import Tally, Watcher, Wishes
from ..stop import Stop
from ..sync.outage import Outage
from ..sync.state import ResourceState
from ..sync.studies import Test
from ..videos.store import Downloads, VideoStore
from .discovery import Discovery
from .known import Known, Reader
from .listings import STALE_LISTING_S, Listings
from .package import Package

CHUNK = 500
BACKLOG = 25


class Poll:
    """
    See the module.

    Args:
        settings: checked ones.
        reader: of the destination that dlt loads into.

    Attributes:
        wishes: what is wanted beyond what is due.
        tally: what happened so far.
        error: what ends the poll, kept for its holder.
        listings: what the tests list.
        known: what the destination holds.
        package: the load package that is being filled.
        outage: tells an API that is down from items that fail alone.

    """

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self.settings = settings
        self._default_reader = reader
        self._api: ResultsApi | None = None
        self._discovery = Discovery(settings, lambda: self.api, self.now)
        self._downloads: Downloads[Any] | None = None
        self._lock = threading.RLock()  # resources may run in threads of their own
        self.release()

    # -- who holds it --------------------------------------------------------------

    def hold(self, watcher: Watcher, stop: Stop, chunk: int, reader: Reader) -> None:
        """From now on it stays open from `begin` to `begin`, and keeps an error instead of raising it."""
        self._watcher, self.stop, self._chunk, self._is_held = watcher, stop, chunk, True
        self._reader = reader

    def release(self) -> None:
        """Nobody holds it, or asks for a stop, any more: the next resource that runs begins anew."""
        self._watcher, self.stop, self._chunk, self._is_held = Watcher(), Stop(), CHUNK, False
        self._reader = self._default_reader
        self.begin()

    def begin(self, wishes: Wishes | None = None, max_age_s: float = STALE_LISTING_S) -> None:
        """
        Starts anew: nothing is listed yet.

        Args:
            wishes: what is wanted beyond what is due.
            max_age_s: a listing older than this is read again.

        """
        self._end_downloads()
        self.wishes = wishes or Wishes()
        self.tally = Tally()
        self.error: UserTestingError | None = None
        self.outage = Outage(self.settings.base_url)
        self.listings = Listings(self.settings, lambda: self.api, max_age_s)
        self.known = Known(self._reader)
        self._started: set[str] = set()
        self.begin_package()

    def begin_package(self) -> None:
        """A new load package begins; what failed a while ago may be tried again, also within one long poll."""
        self.package = Package(self._chunk if self._is_held else None, self.settings.rate_period)
        self.known.committed()
        self._discovery.refresh()
        self.tally.unlisted.clear()

    @contextmanager
    def run(self, resource: str) -> Iterator[None]:
        """So long a resource runs; when it has run before, and nobody holds the poll, that is a new poll."""
        with self._lock:
            if not self._is_held and resource in self._started:
                self.begin()
            self._started.add(resource)
        with self.package.fills(resource):
            yield

    @property
    def backlog_from(self) -> int:
        """A test with more than so much to do waits until all are listed: others may have less, and fresher."""
        return min(self._chunk, BACKLOG)

    # -- what it asks ----------------------------------------------------------------

    @staticmethod
    def now() -> int:
        """The wall clock, in ms since 1970."""
        return round(time.time() * 1000)

    @property
    def api(self) -> ResultsApi:
        """The API; made when first needed, since building a source does no I/O."""
        with self._lock:
            if self._api is None:
                self._api = connect(self.settings, Clock(wait=self._wait, stopped=lambda: self.stop.asked))
            return self._api

    def _wait(self, seconds: float) -> bool:
        self._watcher.waits(seconds)
        return self.stop.wait(seconds)

    @property
    def requests(self) -> int:
        """Requests sent to the API so far, over all polls of this source."""
        return self._api.requests_sent if self._api else 0

    @property
    def downloads(self) -> Downloads[Any]:
        """The downloads of videos; they outlive the load package that began them, and end with the poll."""
        if self._downloads is None:
            url, concurrency = self.settings.video_bucket_url or "", self.settings.video_concurrency
            self._downloads = Downloads(VideoStore(url, concurrency, stop=lambda: self.is_ended))
        return self._downloads

    def leave_downloads(self) -> None:
        """No more are taken in now: those on their way are for the next load package, or end if nobody fills one."""
        if not self._is_held:
            self._end_downloads()

    def _end_downloads(self) -> None:
        if self._downloads is not None:
            self._downloads.close()
            self._downloads = None

    @property
    def workspaces(self) -> dict[str, str]:
        """The names of the workspaces that were seen, by id."""
        return self._discovery.workspaces

    def recall(self, kept: ResourceState) -> None:
        """What the resource `tests` keeps of them: see `Discovery.recall`."""
        self._discovery.recall(kept.tests())

    def tests(self) -> list[Test]:
        """The tests to load, see `Discovery.tests`."""
        return self._discovery.tests(self.fail)

    # -- when to end -----------------------------------------------------------------

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is to be begun at all: a stop, or an error."""
        return self.stop.asked or self.error is not None

    @property
    def ends(self) -> bool:
        """Whether resources should end now: the poll has ended, or the load package is to be committed."""
        return self.is_ended or self.is_to_be_committed

    @property
    def is_to_be_committed(self) -> bool:
        """Whether the load package should be committed now."""
        return self.package.is_due(lambda: self._api.wait if self._api else 0.0)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around requests: a stop, or an error that concerns everything, ends the poll."""
        try:
            with named_for(self.settings.section):
                yield
        except Interrupted:
            self.stop.ask()
        except (ConfigurationError, CredentialsError, ApiUnavailable) as error:
            if not self._is_held:
                raise
            self.error = error  # its holder commits first what was fetched

    # -- what went well, what did not ------------------------------------------------

    def asked(self, resource: str, test_id: str, items: int = 1) -> None:
        """A resource asked the API, or found so many items in a listing, whatever came of it."""
        self.package.asked(resource, items)
        self.tally.asked[resource, test_id] += items

    def succeeded(self, resource: str, items: int = 1) -> None:
        """Something was loaded: the API works."""
        self.tally.done[resource] += items
        self.outage.over(resource)
        self._progressed()

    def fail(self, line: str) -> None:
        """Something failed in this run."""
        self.tally.failed.append(in_section(line, self.settings.section))
        self._progressed()

    def _progressed(self) -> None:
        self.package.holds_rows()
        self._watcher.progressed(self.tally, self.requests)
