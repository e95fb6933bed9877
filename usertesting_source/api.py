"""
ResultsApi: one method per endpoint, which returns what the API said or raises our errors.

Results API v2 and v3 (`/api/v2/...`, `/api/v3/...`) and, to find tests, the legacy API (`/usertesting/api/v1/...`).
All operations are GET, so every one may be repeated.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from dlt.sources.helpers.requests import Client
from requests import RequestException, Response

from .auth import Bearer
from .errors import (
    ApiError,
    ApiUnavailable,
    BadRequest,
    CredentialsError,
    NotFound,
    RateLimited,
    ServerError,
    UnreadableAnswer,
)
from .listing import Page
from .quota import Quota, QuotaAdapter

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
        # sessions are made per thread, all with this adapter; its prefix is longer than those that dlt mounts
        adapters = OrderedDict({self.base_url: QuotaAdapter(quota, self._count)})
        self._client = Client(raise_for_status=False, status_codes=SERVER_ERRORS, session_attrs={"adapters": adapters})
        self._client.configure()

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
        pagination = (body.get("meta") or {}).get("pagination") or {}
        total = pagination.get("totalCount")
        told = pagination.get("offset")
        return Page(
            [row for row in rows if isinstance(row, dict)],
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
            page = self._array(f"{LEGACY}/workspaces/{workspace_id}", f"workspace {workspace_id}", params)
            for study in page:
                if str(study.get("uuid")) not in seen:
                    seen.add(str(study.get("uuid")))
                    yield study
            after = page[-1].get("cursor") if page else None
            # the end is not marked: a short page, no cursor, or one that was used already
            if len(page) < STUDIES_A_PAGE or after in used:
                return
            used.add(after)

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
        response, token = self._send(path, what, params)
        if response.status_code == 401 and self._auth.renewable:
            self._auth.refused(token)
            response, _ = self._send(path, what, params)
        if response.status_code != 200:
            raise _error(response, what, renewed=self._auth.renewable)
        return response

    def _send(self, path: str, what: str, params: dict[str, Any] | None) -> tuple[Response, str]:
        token = self._auth.token()
        url = self.base_url + path
        try:
            return self._client.get(url, params=params, auth=self._auth, allow_redirects=False), token
        except RequestException as error:
            if _never_connected(error):
                raise ApiUnavailable(
                    f"{self.base_url} cannot be reached ({type(error).__name__}). Check the network, a proxy, and"
                    " `sources.usertesting.base_url`; a later run goes on where this one stopped."
                ) from None
            raise ServerError(
                f"The connection broke while reading {what} ({type(error).__name__}), again after retries."
                " It is asked for again later."
            ) from None


def is_uuid(value: str) -> bool:
    """Whether `value` is a UUID as the API wants it: with hyphens."""
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False


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


def _error(response: Response, what: str, renewed: bool) -> Exception:
    """The error that an answer means (facts: the status decides, a body is read only for its message)."""
    status = response.status_code
    said = _message(response)
    if status == 401:
        remedy = (
            "a new token was refused too: check that client id and scope are meant for this API"
            if renewed
            else "a token lives an hour: get a new one, or set client_id and client_secret, which renew themselves"
        )
        return CredentialsError(f"The API refuses the credentials (401{said}); {remedy}.")
    if status == 403:
        return CredentialsError(
            f"The API forbids reading {what} (403{said}). Ask UserTesting whether the account's plan includes the"
            " Results API, and that the credentials' e-mail address is a member of the workspace."
        )
    if status == 404:
        return NotFound(f"The API knows nothing of {what}, or does not show it to these credentials (404{said}).", 404)
    if status == 429:
        return RateLimited(
            f"The API still answers 429 for {what} after waiting as told, several times: another program uses up the"
            " quota of these credentials. Stop it, or lower `sources.usertesting.rate_limit`.",
            429,
        )
    if status >= 500:
        return ServerError(
            f"The API answers {status} for {what}, again after retries{said}. It is asked for again later.",
            status,
        )
    if 300 <= status < 400:
        return BadRequest(
            f"The API sends {what} to another address ({status}), which is not followed: check"
            " `sources.usertesting.base_url`.",
            status,
        )
    return BadRequest(f"The API does not take the request for {what} ({status}{said}).", status)


def _message(response: Response) -> str:
    """What an error body says, in any of the three envelopes; nothing of HTML or of a body with a signature."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    for key in ("errorMessage", "message", "error_description", "errorSummary", "error"):
        value = body.get(key)
        text = "; ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(text, str) and text and "X-Amz-" not in text:
            return f": {text[:200]}"
    return ""


__all__ = ["ApiError", "ResultsApi", "is_uuid"]
