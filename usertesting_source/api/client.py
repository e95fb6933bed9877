"""
ResultsApi: one method per endpoint, which returns what the API said or raises our errors.

Results API v2 and v3 (`/api/v2/...`, `/api/v3/...`) and, to find tests, the legacy API (`/usertesting/api/v1/...`).
All operations are GET, so every one may be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from requests import Request

from ..config import Settings
from ..errors import ApiUnavailable, ServerError
from ..sync.listing import Page
from .auth import Bearer, TokenUrl
from .bodies import read_json, read_vtt, said, unreadable
from .clock import Clock
from .quota import Quota
from .refusals import refusal
from .transport import Answer, Broken, Knobs, Transport

LEGACY = "/usertesting/api/v1"
TOKEN_WAIT_S = 10.0  # the token URL names no quota; when it answers 429 and not for how long, it is asked again then


def connect(settings: Settings, clock: Clock) -> ResultsApi:
    """The API as `settings` describe it."""
    credentials = settings.credentials
    client_id, secret = credentials.client_id, credentials.client_secret
    if client_id and secret:
        unlimited = Quota("", 0, TOKEN_WAIT_S, clock=clock)
        buy = TokenUrl(settings.token_url, client_id, secret, settings.scope, unlimited)
        auth = Bearer(settings.base_url, buy, secret=secret, now=clock.now)
    else:
        auth = Bearer(settings.base_url, token=credentials.access_token)
    name = f"{settings.base_url} {client_id or 'access token'}"
    folder = Path(settings.quota_dir) if settings.quota_dir else None
    quota = Quota(name, settings.rate_limit, settings.rate_period, folder, clock)
    return ResultsApi(settings.base_url, auth, quota)


class ResultsApi:
    """
    The Results API of one account.

    Args:
        base_url: such as `https://api.use2.usertesting.com`.
        auth: the credentials.
        quota: the request budget, shared by all calls.
        knobs: of the transport; default: as dlt is configured.

    """

    def __init__(self, base_url: str, auth: Bearer, quota: Quota, knobs: Knobs | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._auth = auth
        self._transport = Transport(quota, auth, knobs)

    @property
    def requests_sent(self) -> int:
        """Requests sent so far, every attempt counted."""
        return self._transport.sent

    @property
    def wait(self) -> float:
        """For how many seconds the quota would keep a request that is sent now."""
        return self._transport.wait

    # -- sessions ------------------------------------------------------------------

    def session_page(self, test_id: str, offset: int, limit: int) -> Page:
        """`GET /api/v2/sessionResults`: session summaries, newest first."""
        what = f"the sessions of test {test_id}"
        body = self._object("/api/v2/sessionResults", what, {"testId": test_id, "limit": limit, "offset": offset})
        _expect(_is(body.get("testId"), test_id), what, "is that of another test")
        rows = _list(body, "sessions", what)
        pagination = _dict(_dict(body.get("meta")).get("pagination"))
        total, told = _whole(pagination.get("totalCount")), _whole(pagination.get("offset"))
        return Page(rows, total=total, offset=told)

    def session_details(self, session_id: str) -> dict[str, Any]:
        """`GET /api/v3/sessionResults/{sessionId}`: participant, task groups, tasks with answers."""
        what = f"the details of session {session_id}"
        body = self._object(f"/api/v3/sessionResults/{session_id}", what)
        _expect(_is(body.get("sessionId"), session_id), what, "is that of another session")
        _expect(_is_detail(body), what, "holds neither tasks nor a participant")
        return body

    def transcript(self, session_id: str) -> str:
        """`GET /api/v2/sessionResults/{sessionId}/transcript`: WebVTT as it came."""
        what = f"the transcript of session {session_id}"
        vtt = read_vtt(self._get(f"/api/v2/sessionResults/{session_id}/transcript", what), what)
        return self._auth.scrubber.text(vtt)

    def video_url(self, session_id: str) -> str:
        """`GET /api/v2/sessionResults/{sessionId}/videoDownloadUrl`: a signed URL, valid for an hour: a secret."""
        what = f"the video of session {session_id}"
        answer = self._get(f"/api/v2/sessionResults/{session_id}/videoDownloadUrl", what)
        url = _video_url(read_json(answer, what), session_id)
        if url is None:
            raise unreadable(what, "holds no URL of it")
        return url

    def clips(self, session_id: str) -> dict[str, Any]:
        """`GET /api/v2/sessionResults/{sessionId}/clips`: the clips of a session's video."""
        what = f"the clips of session {session_id}"
        body = self._object(f"/api/v2/sessionResults/{session_id}/clips", what)
        _list(body, "clips", what)
        return body

    # -- tests -----------------------------------------------------------------------

    def qx_scores(self, test_id: str) -> dict[str, Any]:
        """`GET /api/v2/testResults/{testId}/qxScores`: scores of an interaction test, over all its sessions."""
        what = f"the QXscores of test {test_id}"
        body = self._object(f"/api/v2/testResults/{test_id}/qxScores", what)
        _expect(_is(body.get("testId"), test_id), what, "is that of another test")
        _list(body, "qxScores", what)
        return body

    def highlight_reels(self, test_id: str) -> dict[str, Any]:
        """`GET /api/v2/testResults/{testId}/highlightreels`: the reels made of a test's clips."""
        what = f"the highlight reels of test {test_id}"
        body = self._object(f"/api/v2/testResults/{test_id}/highlightreels", what)
        _list(body, "reels", what)
        return body

    def workspaces(self) -> list[dict[str, Any]]:
        """`GET /v1/workspaces`: the workspaces that the credentials see."""
        return self._array(f"{LEGACY}/workspaces", "the workspaces", {})

    def studies(self, workspace_id: str) -> Iterator[dict[str, Any]]:
        """
        `GET /v1/workspaces/{workspaceUuid}`: its studies, each once, each with the `cursor` to go on from.

        No page says that it is the last one, and a short page need not be it: the end is an empty page, one without a
        cursor to go on from, or one that brings nothing new.
        """
        known: set[str] = set()
        used: set[str] = set()
        after: str | None = None
        while True:
            page = self._studies_page(workspace_id, after)
            news = {str(study["uuid"]).lower(): study for study in page if study.get("uuid")}
            yield from (study for uuid, study in news.items() if uuid not in known)
            cursors = [str(item["cursor"]) for item in page if item.get("cursor")]
            if news.keys() <= known or not cursors or cursors[-1] in used:
                return
            known |= news.keys()
            after = cursors[-1]
            used.add(after)

    def _studies_page(self, workspace_id: str, after: str | None) -> list[dict[str, Any]]:
        params = {"after": after} if after else {}
        return self._array(f"{LEGACY}/workspaces/{workspace_id}", f"workspace {workspace_id}", params)

    # -- how a request goes ------------------------------------------------------------

    def _object(self, path: str, what: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        body = self._read(path, what, params)
        if not isinstance(body, dict):
            raise unreadable(what, "is no JSON object")
        return body

    def _array(self, path: str, what: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        body = self._read(path, what, params)
        if not isinstance(body, list):
            raise unreadable(what, "is no list")
        return [item for item in body if isinstance(item, dict)]

    def _read(self, path: str, what: str, params: dict[str, Any] | None) -> Any:
        answer = self._get(path, what, params)
        return self._auth.scrubber.payload(read_json(answer, what))  # only now is the token known that was sent

    def _get(self, path: str, what: str, params: dict[str, Any] | None = None) -> Answer:
        answer = self._send(path, what, params)
        if answer.status == 401 and path.startswith(LEGACY) and self._auth.token_header is None:
            # the documents say Bearer, but clients have been seen that send the legacy API a header of its own
            self._auth.token_header = LEGACY
            answer = self._send(path, what, params)
        if answer.status != 200:
            said_so = said(answer, self._auth.scrubber)
            raise refusal(answer.status, said_so, what, renewed=self._auth.renewable)
        return answer

    def _send(self, path: str, what: str, params: dict[str, Any] | None) -> Answer:
        try:
            return self._transport.send(Request("GET", self.base_url + path, params=params))
        except Broken as error:
            broken = error
        # raised out here, the error carries no request, and so no token, along
        if not broken.reached:
            raise ApiUnavailable(
                f"{self.base_url} cannot be reached ({broken.trouble}). Check the network, a proxy, and"
                " `sources.usertesting.base_url`; a later run goes on where this one stopped."
            )
        if not broken.passes:
            raise ServerError(f"The answer for {what} is {broken.trouble}. It is asked for again later.")
        raise ServerError(
            f"The connection broke while reading {what} ({broken.trouble}), again after retries. It is asked for again"
            " later."
        )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(body: dict[str, Any], key: str, what: str) -> list[Any]:
    value = body.get(key)
    if not isinstance(value, list):
        raise unreadable(what, f"holds no list of {key}")
    return value


def _expect(good: bool, what: str, flaw: str) -> None:
    if not good:
        raise unreadable(what, flaw)


def _is(told: object, asked: str) -> bool:
    """Whether an answer is about what was asked for; one that names nothing is."""
    return told is None or str(told).lower() == asked.lower()


def _is_detail(body: dict[str, Any]) -> bool:
    """Whether a body has any of the three that details always have, two of which may be empty."""
    lists = (body.get("tasks"), body.get("taskGroups"))
    return _dict(body.get("sessionParticipant")) != {} or any(isinstance(value, list) for value in lists)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _video_url(body: Any, session_id: str) -> str | None:
    """The address in an answer; errors are raised elsewhere, where none of it is at hand."""
    url = body.get("videoUrl") if isinstance(body, dict) and _is(body.get("sessionId"), session_id) else None
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else None
