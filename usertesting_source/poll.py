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
from dataclasses import dataclass, field
from typing import Any

import dlt
from dlt.sources.helpers.requests import Client

from .api import ResultsApi
from .auth import Bearer, TokenUrl
from .config import EVERY_WORKSPACE, Settings
from .cursor import HOUR
from .errors import (
    ApiError,
    ApiUnavailable,
    ConfigurationError,
    CredentialsError,
    Interrupted,
    NotFound,
    ServerError,
    StateError,
    UserTestingError,
)
from .listing import Listing, ListingReader
from .quota import Quota

STALE_LISTING_S = 600.0
REDISCOVER_MS = HOUR
FAILURES_IN_A_ROW = 3
TESTS_IN_A_ROW = 2
COMMIT_S = 120.0
LOADABLE = "STUDYV2"
STATE_VERSION = 1


class Stop:
    """A request to stop: by a signal, or when time is up."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._deadline: float | None = None

    def ask(self) -> None:
        """Asks for the stop, from any thread or signal handler."""
        self._event.set()

    def after(self, seconds: float) -> None:
        """Asks for it in so many seconds."""
        self._deadline = time.monotonic() + seconds

    @property
    def asked(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._event.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline)

    def wait(self, seconds: float) -> bool:
        """Waits so many seconds, or until the stop; True when it is asked for."""
        if self._deadline is not None:
            seconds = min(seconds, max(self._deadline - time.monotonic(), 0.0))
        self._event.wait(seconds)
        return self.asked


@dataclass(frozen=True)
class Wishes:
    """What one invocation wants beyond what is due: everything anew, only what finished since (ms), some sessions."""

    full: bool = False
    since: int | None = None
    session_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Test:
    """A test to load; `study` is how its workspace describes it, if one was asked."""

    __test__ = False  # not for pytest

    test_id: str
    study: dict[str, Any] = field(default_factory=dict)
    workspace_id: str | None = None

    @property
    def title(self) -> str:
        """Its title, else its id."""
        return self.study.get("title") or self.test_id

    @property
    def product_type(self) -> str | None:
        """Such as THINK_OUT_LOUD, in upper case; None when nobody said."""
        value = self.study.get("productType")
        return value.upper() if isinstance(value, str) and value else None

    @property
    def is_classic(self) -> bool:
        """Whether the Results API does not serve it."""
        kind = self.study.get("type")
        return isinstance(kind, str) and bool(kind) and kind.upper() != LOADABLE


@dataclass
class Tally:
    """What happened so far in one invocation, for whoever watches."""

    due: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # (resource, test): foreseen, then found at first sight
    done: Counter[str] = field(default_factory=Counter)  # resource: items
    failed: list[str] = field(default_factory=list)  # what failed in this run, one line each
    waiting: Counter[str] = field(default_factory=Counter)  # resource: not there yet, asked for again later
    warnings: dict[str, None] = field(default_factory=dict)  # said once
    resting: set[str] = field(default_factory=set)  # tests not listed because they are quiet
    unread: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)  # answers of unknown shape


class Poll:
    """
    See the module.

    Args:
        settings: checked ones.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = Stop()
        self.chunk = 25
        self.error: UserTestingError | None = None
        self.on_event: Callable[[str], None] = lambda _: None
        self.on_wait: Callable[[float], None] = lambda _: None
        self._api: ResultsApi | None = None
        self._tests: list[Test] | None = None
        self._tests_at = 0
        self.held = False
        self.begin()

    def begin(self, wishes: Wishes | None = None, *, held: bool = False, max_age_s: float = STALE_LISTING_S) -> None:
        """
        Starts anew: nothing is listed yet.

        Args:
            held: stays open until the next `begin`, and keeps an error for the holder instead of raising it.
            max_age_s: a listing older than this is read again.

        """
        self.wishes = wishes or Wishes()
        self.held = held
        self.max_age_s = max_age_s
        self.tally = Tally()
        self.error = None
        self.finished: set[str] = set()
        self.unlisted: set[str] = set()
        self.served: set[tuple[str, str]] = set()
        self.forgotten: set[tuple[str, str]] = set()
        self._readers: dict[str, tuple[float, ListingReader]] = {}
        self._errors: dict[str, ApiError] = {}
        self._sighted: set[tuple[str, str]] = set()
        self._first_seen: dict[tuple[str, str], frozenset[str]] = {}
        self._in_a_row = 0
        self._tests_in_a_row = 0
        self.paused: set[str] = set()
        if self._tests is not None and self.now() - self._tests_at >= REDISCOVER_MS:
            self._tests = None
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """A new load package begins."""
        self.finished = set()
        self._chunk_ends = time.monotonic() + COMMIT_S
        self.has_rows = False

    @staticmethod
    def now() -> int:
        """The wall clock, in ms since 1970."""
        return round(time.time() * 1000)

    @property
    def api(self) -> ResultsApi:
        """The API; made when first needed, since building a source does no I/O."""
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

    @property
    def ends(self) -> bool:
        """Whether resources should end now: a stop, an error, or a package that has been open for long."""
        if self.stop.asked or self.error is not None:
            return True
        return self.held and self.has_rows and time.monotonic() >= self._chunk_ends

    # -- tests ---------------------------------------------------------------------

    def tests(self) -> list[Test]:
        """All tests to load: the configured ones, and those of the configured workspaces."""
        if self._tests is None:
            self._tests = list(self._find_tests())
            self._tests_at = self.now()
        return self._tests

    def _find_tests(self) -> Iterator[Test]:
        found: dict[str, Test] = {}
        for workspace_id in self._workspaces():
            try:
                for study in self.api.studies(workspace_id):
                    test_id = study.get("uuid")
                    if isinstance(test_id, str) and test_id:
                        found.setdefault(test_id, Test(test_id, study, workspace_id))
            except ApiError as error:
                self.fail(f"Workspace {workspace_id} is left out: {_hint(error)}")
        for test_id in self.settings.test_ids:
            found.setdefault(test_id, Test(test_id))
        yield from found.values()

    def _workspaces(self) -> list[str]:
        wanted = self.settings.workspace_ids
        if EVERY_WORKSPACE not in wanted:
            return list(wanted)
        seen = (str(w.get("uuid")) for w in self.api.workspaces() if w.get("uuid"))
        return list(dict.fromkeys([w for w in wanted if w != EVERY_WORKSPACE] + list(seen)))

    # -- listings ------------------------------------------------------------------

    def listing(self, test_id: str, border: int | None, unchanged: Callable[[Listing], bool]) -> Listing:
        """A test's listing, read back to `border`; see `ListingReader.back_to`."""
        known = self._readers.get(test_id)
        if known is None or time.monotonic() - known[0] > self.max_age_s:
            api = self.api
            reader = ListingReader(lambda offset, limit: api.session_page(test_id, offset, limit))
            self._readers[test_id] = (time.monotonic(), reader)
            self._errors.pop(test_id, None)
        if test_id in self._errors:
            raise self._errors[test_id]
        try:
            return self._readers[test_id][1].back_to(border, unchanged)
        except ApiError as error:
            self._errors[test_id] = error
            raise

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

    def succeeded(self, resource: str, items: int = 1) -> None:
        """Something was loaded: the API works."""
        self.tally.done[resource] += items
        self._in_a_row = self._tests_in_a_row = 0
        self.has_rows = True
        self.on_event("item")

    def fail(self, line: str) -> None:
        """Something failed in this run."""
        self.tally.failed.append(line)
        self.has_rows = True
        self.on_event("failed")

    def count_failure(self, test_id: str, error: UserTestingError) -> None:
        """
        Counts failures that could mean that the API is down.

        Three in a row: the test is left alone for now. Two tests in a row: the API is down.

        Raises:
            ApiUnavailable: when it is.

        """
        if not isinstance(error, ServerError):
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row < FAILURES_IN_A_ROW:
            return
        self._in_a_row = 0
        self._tests_in_a_row += 1
        self.paused.add(test_id)
        self.warn(f"Test {test_id}: {FAILURES_IN_A_ROW} sessions in a row failed, the rest is left for the next run.")
        if self._tests_in_a_row >= TESTS_IN_A_ROW:
            raise ApiUnavailable(
                f"{self.settings.base_url} keeps failing, last: {error} The run stops here; what was loaded is kept,"
                " and a later run goes on."
            )

    def warn(self, line: str) -> None:
        """Says something once."""
        self.tally.warnings.setdefault(line)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around requests: a stop, or an error that concerns everything, ends the poll."""
        try:
            yield
        except Interrupted:
            self.stop.ask()
        except (ConfigurationError, CredentialsError, ApiUnavailable) as error:
            self.abort(error)

    def abort(self, error: UserTestingError) -> None:
        """
        Ends the poll for an error that concerns everything.

        Raises:
            UserTestingError: `error`, unless the poll is held: then its holder commits first what was fetched.

        """
        self.error = error
        if not self.held:
            raise error


def connect(settings: Settings, wait: Callable[[float], bool]) -> ResultsApi:
    """The API as `settings` describe it; `wait` is how it waits for its quota."""
    credentials = settings.credentials
    client_id, secret = credentials.client_id, credentials.client_secret
    if client_id and secret:
        client = Client(raise_for_status=False)
        client.configure()
        buy = TokenUrl(client, settings.token_url, client_id, secret, settings.scope)
        auth = Bearer(settings.base_url, buy)
    else:
        auth = Bearer(settings.base_url, token=credentials.access_token)
    name = f"{settings.base_url} {client_id or credentials.access_token}"
    return ResultsApi(settings.base_url, auth, Quota(name, settings.rate_limit, settings.rate_period, wait=wait))


def resource_state(name: str) -> dict[str, Any]:
    """Dlt's state of one resource, of a version that this package reads."""
    return versioned(dlt.current.resource_state(name))


def versioned(state: dict[str, Any]) -> dict[str, Any]:
    """
    `state`, marked with the version that writes it.

    Raises:
        StateError: a newer version of this package wrote it.

    """
    version = state.setdefault("version", STATE_VERSION)
    if version != STATE_VERSION:
        raise StateError(
            f"The pipeline's state is of version {version}, this package reads version {STATE_VERSION}. Install the"
            " usertesting-source that wrote it, or use another pipeline name to load everything anew."
        )
    state.setdefault("tests", {})
    return state


def _hint(error: ApiError) -> str:
    if isinstance(error, NotFound):
        return f"{error} Check the id, and that the credentials' e-mail address is a member of the workspace."
    return str(error)
