"""The sample API itself: starts, remembers what was asked, and lets tests change its world."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from . import token_endpoint
from .faults import Faults, Request
from .gate import NO_API, Gate
from .legacy import LegacyEndpoints
from .limits import RateLimit, Tokens, Window
from .media import Media
from .results import ResultsEndpoints
from .state import Settings, State
from .studies import Session, Study, Workspace, uid
from .token_endpoint import TokenEndpoint
from .wire import Server

CLIENT_SECRET = "sample-secret"


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class SampleApi:
    """
    A Results API on a free loopback port, from `with` until its end.

    Args:
        studies: what it serves; they are not changed.
        rate_limit: API requests per `rate_period` seconds and client; None: as many as you like.
        window: how the quota is counted, `sliding` or `fixed`.
        token_lifetime: seconds that an access token works.
        token_requests: API requests that an access token works for; None: any number.
        now: the clock for dates (what is listed, signed URLs). Quotas and tokens use real time.
        seed: makes videos differ; the rest depends on the studies' seeds.
        workspaces: what v1 lists; two by default, with the ids `RESEARCH` and `DESIGN` of `studies`.
        settings: attributes of `Settings`, for example `sort="start"` or `video_bytes=10**9`.

    Attributes:
        log: every request so far, in the order of arrival.
        faults: switches for what goes wrong.
        settings: switches for what the API's documents leave open.
        failures: errors of the server itself; leaving `with` raises the first.

    """

    def __init__(
        self,
        studies: Iterable[Study] = (),
        *,
        rate_limit: int | None = 10,
        rate_period: float = 60.0,
        token_lifetime: float = 3600,
        client_id: str = "sample-client",
        client_secret: str = CLIENT_SECRET,
        now: Callable[[], datetime] = _utc_now,
        seed: int = 7,
        window: Window = "sliding",
        token_requests: int | None = None,
        workspaces: Iterable[Workspace] | None = None,
        port: int = 0,
        **settings: Any,
    ) -> None:
        self.client_id, self.client_secret, self.now = client_id, client_secret, now
        self.faults, self.settings = Faults(), Settings(**settings)
        self.limits = RateLimit(rate_limit, rate_period, window)
        self.tokens = Tokens(token_lifetime, token_requests)
        self.state = State(now, self.settings)
        self.media = Media(now, self.settings, self.faults, seed, client_secret.encode())
        self._gate = self._make_gate()
        self.log: list[Request] = self._gate.log
        self.failures: list[Exception] = self._gate.failures
        self._port = port
        self._server: Server | None = None
        self._added = 0
        if workspaces is not None:
            self.state.workspaces = tuple(workspaces)
        for study in studies:
            self.add_study(study)

    def _make_gate(self) -> Gate:
        tokens = TokenEndpoint(self.client_id, self.client_secret, self.tokens, self.faults)
        endpoints = {
            **ResultsEndpoints(self.state, self.faults, self.media).table(),
            **LegacyEndpoints(self.state, self.faults).table(),
        }
        return Gate(self.faults, self.settings, self.limits, self.tokens, tokens, self.media, endpoints)

    def __enter__(self) -> SampleApi:
        self.start()
        return self

    def __exit__(self, error_type: object, *_: object) -> None:
        self.stop()
        if self.failures and error_type is None:
            raise self.failures[0]

    def start(self) -> None:
        """Serve in the background until `stop`."""
        self._server = Server(self._port, self._gate.answer)
        self._port = self._server.server_port
        self.media.base_url = self.base_url
        self._server.start()

    def stop(self) -> None:
        """Close the port and every connection; `start` opens the same port again."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_url(self) -> str:
        """Where access tokens are handed out."""
        return self.base_url + token_endpoint.PATH

    @property
    def test_ids(self) -> list[str]:
        """The tests that v2 and v3 know."""
        return [study.test_id for study in self.state.studies.values() if study.type.upper() == "STUDYV2"]

    def requests(self, endpoint: str | None = None, status: int | None = None) -> list[Request]:
        """The requests so far: of one endpoint, or all API requests (neither tokens nor media)."""
        return [
            request
            for request in list(self.log)
            if (request.endpoint == endpoint if endpoint else request.endpoint not in NO_API)
            and status in (None, request.status)
        ]

    def count(self, endpoint: str | None = None, status: int | None = None) -> int:
        """How many `requests` there were."""
        return len(self.requests(endpoint, status))

    def access_token(self) -> str:
        """A fresh access token, without a request."""
        return self.tokens.issue(self.client_id, token_endpoint.SCOPE)

    def revoke_tokens(self) -> None:
        """Every token handed out so far gets 401 from now on."""
        self.tokens.revoke()

    def consume_quota(self, places: int = 1) -> None:
        """Use up quota as another program with the same credentials would."""
        self.limits.take(self.client_id, places)

    def add_study(self, study: Study) -> str:
        """Serve another test; returns its id."""
        self.state.add_study(study)
        return study.test_id

    def add_session(
        self,
        test_id: str,
        finished: datetime | None = None,
        started: datetime | None = None,
        session_id: str | None = None,
        **fields: Any,
    ) -> str:
        """
        A participant finishes a session; returns its id.

        `fields` are other attributes of `Session`: `finish_listed`, `listed_from`, `transcript_from`, `clips_from`,
        `troubled`, `details`, `transcript`, `status`, `audience_id`.
        """
        self._added += 1
        finished = finished or self.now()
        session_id = session_id or uid(test_id, "added", self._added)
        started = started or finished - timedelta(minutes=6)
        self.state.add_session(Session(session_id, test_id, started, finished, **fields))
        return session_id

    def change_session(self, session_id: str, **fields: object) -> None:
        """Give a session other attributes, for example `transcript_from` or `details`."""
        self.state.change_session(session_id, **fields)

    def remove_session(self, session_id: str) -> None:
        """The session is refunded: it leaves the listing and answers 404."""
        self.state.remove(session_id)

    def restore_session(self, session_id: str) -> None:
        """A removed session comes back."""
        self.state.remove(session_id, gone=False)

    def hide_test(self, item: str) -> None:
        """A test or a workspace is lost: it answers 404, with all that is in it."""
        self.state.hide(item)

    def show_test(self, item: str) -> None:
        """A hidden test or workspace is visible again."""
        self.state.hide(item, hidden=False)
