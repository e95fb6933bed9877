"""What every request passes: the log, the faults, the token, the quota, and then its endpoint."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from . import legacy, media, token_endpoint
from .faults import Faults, Request
from .limits import Grant, RateLimit, Tokens
from .media import Media
from .replies import Refused, Reply, echoing, legacy_refusal, page, refusal
from .results import Endpoint
from .state import Settings
from .token_endpoint import TokenEndpoint
from .wire import Headers

_V2 = "/api/v2/sessionResults"
ROUTES = tuple(
    (name, re.compile(path))
    for name, path in (
        ("list", rf"{_V2}/?"),
        ("details", r"/api/v3/sessionResults/([^/]+)"),
        ("transcript", rf"{_V2}/([^/]+)/transcript"),
        ("video_url", rf"{_V2}/([^/]+)/videoDownloadUrl"),
        ("clips", rf"{_V2}/([^/]+)/clips"),
        ("clip", rf"{_V2}/([^/]+)/clips/([^/]+)"),
        ("qx_scores", r"/api/v2/testResults/([^/]+)/qxScores"),
        ("reels", r"/api/v2/testResults/([^/]+)/highlightreels"),
        ("reel", r"/api/v2/testResults/([^/]+)/highlightreels/([^/]+)"),
        ("workspaces", rf"{legacy.PREFIX}/v1/workspaces"),
        ("workspace", rf"{legacy.PREFIX}/v1/workspaces/([^/]+)"),
        ("study", rf"{legacy.PREFIX}/v1/studies/([^/]+)"),
        ("token", re.escape(token_endpoint.PATH)),
        ("media", rf"{media.PREFIX}.*"),
    )
)
NO_API = ("token", "media")  # neither limited nor counted as API requests


@dataclass
class Gate:
    """Answers requests, one call each, from many threads."""

    faults: Faults
    settings: Settings
    limits: RateLimit
    tokens: Tokens
    token_endpoint: TokenEndpoint
    media: Media
    endpoints: dict[str, Endpoint]
    log: list[Request] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def answer(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        """Log the request and answer it; errors of the server itself go to `failures`, answered 500."""
        request, ids = _read(method, target, headers)
        self.log.append(request)
        try:
            reply = self._reply(request, ids, target, headers, body)
        except Refused as refused:
            reply = self._dressed(refused.reply, request)
        except Exception as error:  # noqa: BLE001 - a mistake in here must fail the test, not hang its client
            self.failures.append(error)
            reply = refusal(500, "The sample API itself failed")
        if self.faults.echo and request.endpoint != "media":
            reply = echoing(reply, self._secrets(headers, body))
        named = {request.endpoint, *ids, request.query.get("testId", "")}
        reply.pace = self.faults.pace if named & self.faults.trickle else 0.0
        reply.silent = not named.isdisjoint(self.faults.silent)
        request.status = 0 if reply.dropped or reply.silent else reply.status
        return reply

    def _secrets(self, headers: Headers, body: bytes) -> str:
        """What a request was sent with, and URLs that are secrets."""
        sent = headers.get("Authorization") or headers.get("token") or body.decode()
        secret = dict(parse_qsl(sent)).get("client_secret") or sent.rpartition(" ")[2]
        storage = f"{self.media.sign('echo.mp4', 3600)[0]} https://cdn.example/echo.mp4?Expires=1&Signature={secret}"
        return f"sent {sent} with {secret}; see https://x.example/?token={secret} {storage}&Key-Pair-Id=K0ECHO"

    def _reply(self, request: Request, ids: tuple[str, ...], target: str, headers: Headers, body: bytes) -> Reply:
        if self.faults.on_request is not None:
            self.faults.on_request(request)
        if self.faults.latency:
            time.sleep(self.faults.latency)
        if request.endpoint == "token":
            return self.token_endpoint.answer(request.method, headers.get("Content-Type", ""), body)
        if request.endpoint == "media":
            return self.media.answer(target, headers)
        return self._api_reply(request, ids, headers)

    def _api_reply(self, request: Request, ids: tuple[str, ...], headers: Headers) -> Reply:
        if self.faults.drops():
            return Reply(dropped=True)
        request.client = self._client(request, headers)
        if self.faults.use("outage"):
            raise Refused(_refusal(request, self.faults.outage_status))
        grant = self._grant(request, request.client)
        named = (*ids, request.query.get("testId", ""))
        status = self.faults.status_of(request.endpoint, named)
        if status is not None:
            raise Refused(_refusal(request, status))
        if request.endpoint not in self.endpoints or request.method != "GET":
            raise Refused(_refusal(request, 404, f"Cannot {request.method} {request.path}"))
        reply = self._damaged(self.endpoints[request.endpoint](ids, request.query), named)
        reply.headers.update(_quota_headers(grant))
        return reply

    def _client(self, request: Request, headers: Headers) -> str:
        old_style = self.settings.legacy_auth == "token" and _is_legacy(request)
        given = f"Bearer {headers.get('token', '')}" if old_style else headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        client = self.tokens.client_of(token) if scheme.lower() == "bearer" else None
        if client is None:
            raise Refused(_refusal(request, 401))
        return client

    def _grant(self, request: Request, client: str) -> Grant | None:
        if self.faults.use("storm"):
            raise Refused(self._too_many(request, 1))
        if _is_legacy(request) and not self.settings.legacy_limited:
            return None
        key = f"{client}/{request.endpoint}" if self.settings.limit_scope == "endpoint" else client
        grant = self.limits.take(key)
        if grant is not None and not grant.allowed:
            raise Refused(self._too_many(request, grant.reset))
        return grant

    def _too_many(self, request: Request, wait: int) -> Reply:
        reply = _refusal(request, 429, "ThrottlerException: Too Many Requests")
        if self.settings.retry_after:
            reply.headers["Retry-After"] = str(wait)
        return reply

    def _damaged(self, reply: Reply, ids: tuple[str, ...]) -> Reply:
        body = reply.body
        if not isinstance(body, bytes):
            return reply
        if not self.faults.html.isdisjoint(ids):
            return page(200)
        if not self.faults.cut.isdisjoint(ids):
            reply.body = body[: len(body) // 2]
        if not self.faults.truncated.isdisjoint(ids):
            reply.body, reply.length = body[: len(body) // 2], len(body)
        return reply

    def _dressed(self, reply: Reply, request: Request) -> Reply:
        """The refusal as it is, or as a gateway's page."""
        return page(reply.status) if self.faults.html_errors and request.endpoint not in NO_API else reply


def _read(method: str, target: str, headers: Headers) -> tuple[Request, tuple[str, ...]]:
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    endpoint, ids = _route(url.path)
    authorized = headers.get("Authorization") is not None
    return Request(time.time(), method, url.path, query, endpoint, authorized), ids


def _route(path: str) -> tuple[str, tuple[str, ...]]:
    for name, pattern in ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return name, match.groups()
    return "unknown", ()


def _refusal(request: Request, status: int, message: str | None = None) -> Reply:
    """A refusal in the envelope of the API that was asked."""
    if _is_legacy(request):
        return legacy_refusal(status, message or HTTPStatus(status).phrase)
    return refusal(status, message)


def _is_legacy(request: Request) -> bool:
    return request.path.startswith(legacy.PREFIX)


def _quota_headers(grant: Grant | None) -> dict[str, str]:
    if grant is None:
        return {}
    return {
        "x-ratelimit-limit": str(grant.limit),
        "x-ratelimit-remaining": str(grant.remaining),
        "x-ratelimit-reset": str(grant.reset),
    }
