"""
ResultsApi: one method per endpoint, which returns what the API said or raises our errors.

Results API v2 and v3 (`/api/v2/...`, `/api/v3/...`) and, to find tests, the legacy API (`/usertesting/api/v1/...`).
All operations are GET, so every one may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dlt.sources.helpers.requests import Client
from requests import RequestException, Response, Session

from ..errors import ApiUnavailable, Forbidden, NotFound, ServerError, UnreadableAnswer
from ..sync.listing import Page
from .auth import Bearer
from .quota import Quota, QuotaAdapter
from .refusals import refusal
from .retries import interruptible

LEGACY = "/usertesting/api/v1"
STUDIES_A_PAGE = 50
SERVER_ERRORS = tuple(range(500, 600))


class ResultsApi:
    """
    The Results API of one account.

    Args:
        base_url: such as `https://api.use2.usertesting.com`.
        auth: the credentials.
        quota: the request budget, shared by all calls.

    """

    def __init__(self, base_url: str, auth: Bearer, quota: Quota) -> None:
        self.base_url = base_url.rstrip("/")
        self.quota = quota
        self.requests_sent = 0
        self.on_request: Callable[[], None] = lambda: None
        self._auth = auth
        self._adapter = QuotaAdapter(quota, self._count)
        self._token_header = False
        self._client = Client(raise_for_status=False, status_codes=SERVER_ERRORS)
        self._client.configure()

    @property
    def _session(self) -> Session:
        """The session of this thread: dlt's, with its retries, and with our quota below them."""
        session = self._client.session
        if self.base_url not in session.adapters:
            interruptible(session, self.quota.wait)
            session.mount(self.base_url, self._adapter)  # a longer prefix than those that dlt mounts
        return session

    def _count(self) -> None:
        self.requests_sent += 1
        self.on_request()

    # -- sessions ------------------------------------------------------------------

    def session_page(self, test_id: str, offset: int, limit: int) -> Page:
        """`GET /api/v2/sessionResults`: session summaries, newest first."""
        what = f"the sessions of test {test_id}"
        params = {"testId": test_id, "limit": limit, "offset": offset}
        body = self._json("/api/v2/sessionResults", what, params)
        rows = _list(body.get("sessions"), what)
        pagination = _dict(_dict(body.get("meta")).get("pagination"))
        total = pagination.get("totalCount")
        told = pagination.get("offset")
        return Page(
            rows,
            total=int(total) if isinstance(total, (int, float)) else offset + len(rows),
            offset=int(told) if isinstance(told, (int, float)) else None,
        )

    def session_details(self, session_id: str) -> dict[str, Any]:
        """`GET /api/v3/sessionResults/{sessionId}`: participant, task groups, tasks with answers."""
        return self._json(f"/api/v3/sessionResults/{session_id}", f"the details of session {session_id}")

    def transcript(self, session_id: str) -> str:
        """`GET /api/v2/sessionResults/{sessionId}/transcript`: WebVTT as it came."""
        what = f"the transcript of session {session_id}"
        response = self._get(f"/api/v2/sessionResults/{session_id}/transcript", what)
        # the header often names no charset, and requests would then guess Latin-1
        return response.content.decode("utf-8", errors="replace")

    def video_url(self, session_id: str) -> str:
        """`GET /api/v2/sessionResults/{sessionId}/videoDownloadUrl`: a signed URL, valid for an hour: a secret."""
        what = f"the video of session {session_id}"
        url = self._json(f"/api/v2/sessionResults/{session_id}/videoDownloadUrl", what).get("videoUrl")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise UnreadableAnswer(f"The API's answer for {what} holds no URL.", 200)
        return url

    def clips(self, session_id: str) -> dict[str, Any]:
        """`GET /api/v2/sessionResults/{sessionId}/clips`: the clips of a session's video."""
        return self._json(f"/api/v2/sessionResults/{session_id}/clips", f"the clips of session {session_id}")

    # -- tests -----------------------------------------------------------------------

    def qx_scores(self, test_id: str) -> dict[str, Any]:
        """`GET /api/v2/testResults/{testId}/qxScores`: scores of an interaction test, over all its sessions."""
        return self._json(f"/api/v2/testResults/{test_id}/qxScores", f"the QXscores of test {test_id}")

    def highlight_reels(self, test_id: str) -> dict[str, Any]:
        """`GET /api/v2/testResults/{testId}/highlightreels`: the reels made of a test's clips."""
        what = f"the highlight reels of test {test_id}"
        return self._json(f"/api/v2/testResults/{test_id}/highlightreels", what)

    def workspaces(self) -> list[dict[str, Any]]:
        """`GET /v1/workspaces`: the workspaces that the credentials see."""
        return self._array(f"{LEGACY}/workspaces", "the workspaces", {})

    def studies(self, workspace_id: str) -> Iterator[dict[str, Any]]:
        """`GET /v1/workspaces/{workspaceUuid}`: its studies, 50 a page, each with the `cursor` to go on from."""
        after: str | None = None
        used: set[str | None] = {None}
        seen: set[str] = set()
        while True:
            params = {"after": after} if after else {}
            page = self._studies_page(workspace_id, params)
            for study in page:
                if str(study.get("uuid")) not in seen:
                    seen.add(str(study.get("uuid")))
                    yield study
            after = page[-1].get("cursor") if page else None
            # the end is not marked: a short page, no cursor, or one that was used already
            if len(page) < STUDIES_A_PAGE or after in used:
                return
            used.add(after)

    def _studies_page(self, workspace_id: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        what = f"workspace {workspace_id}"
        try:
            return self._array(f"{LEGACY}/workspaces/{workspace_id}", what, params)
        except Forbidden:
            text = f"The API forbids reading {what} (403), of which the credentials' e-mail address is no member."
        raise NotFound(text, 403)

    # -- how a request goes ------------------------------------------------------------

    def _json(self, path: str, what: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        body = self._body(path, what, params)
        if not isinstance(body, dict):
            raise UnreadableAnswer(f"The API's answer for {what} is no JSON object.", 200)
        return body

    def _array(self, path: str, what: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [item for item in _list(self._body(path, what, params), what) if isinstance(item, dict)]

    def _body(self, path: str, what: str, params: dict[str, Any] | None) -> Any:
        response = self._get(path, what, params)
        try:
            return response.json()
        except ValueError:
            size = len(response.content)
            raise UnreadableAnswer(
                f"The API's answer for {what} is no JSON ({size} bytes, perhaps cut off). It is asked for again later.",
                200,
            ) from None

    def _get(self, path: str, what: str, params: dict[str, Any] | None = None) -> Response:
        response = self._send(path, what, params)
        if response.status_code == 401 and self._auth.renewable:
            self._auth.refused(response)
            response = self._send(path, what, params)
        if response.status_code == 401 and path.startswith(LEGACY) and not self._token_header:
            # the documents say Bearer, but clients have been seen that send the legacy API a header of its own
            self._token_header = True
            response = self._send(path, what, params)
        if response.status_code != 200:
            raise refusal(response, what, renewed=self._auth.renewable)
        return response

    def _send(self, path: str, what: str, params: dict[str, Any] | None) -> Response:
        headers = {"token": self._auth.token()} if self._token_header and path.startswith(LEGACY) else None
        try:
            return self._session.get(
                self.base_url + path, params=params, headers=headers, auth=self._auth, allow_redirects=False
            )
        except RequestException as error:
            trouble, reached = type(error).__name__, not _never_connected(error)
        # raised out here, the error carries no request, and so no token, along
        if not reached:
            raise ApiUnavailable(
                f"{self.base_url} cannot be reached ({trouble}). Check the network, a proxy, and"
                " `sources.usertesting.base_url`; a later run goes on where this one stopped."
            )
        raise ServerError(
            f"The connection broke while reading {what} ({trouble}), again after retries. It is asked for again later."
        )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadableAnswer(f"The API's answer for {what} holds no list.", 200)
    return value


def _never_connected(error: RequestException) -> bool:
    """Whether the host was never reached: its name is unknown, or it refuses connections."""
    reason: Any = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    return type(reason).__name__ in {
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "SSLError",
        "ProxyError",
    }
