"""An incoming webhook of Slack: refuses what the documented limits forbid, fails on request, counts."""

from __future__ import annotations

import re
import time
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

PATH = "/services/T000/B000/secret"


class FakeSlack:
    """
    Attributes:
        posts: the bodies that were accepted, in order.
        requests: how many came, the refused ones included.
        script: how the next requests end, each once: a status, (status, body), (status, body, headers), or seconds
            (a float) to be late with the answer after accepting the message.

    """

    def __init__(self, server: HTTPServer) -> None:
        self.posts: list[dict[str, Any]] = []
        self.requests = 0
        self.script: list[Any] = []
        server.expect_request(PATH, method="POST").respond_with_handler(self._answer)
        self.url = server.url_for(PATH)

    def _answer(self, request: Request) -> Response:
        self.requests += 1
        step = self.script.pop(0) if self.script else None
        if step is not None and not isinstance(step, float):
            return _scripted(*step) if isinstance(step, tuple) else _scripted(step)
        payload = request.get_json()
        problem = fault(payload)
        if problem:
            return Response(f"invalid_blocks: {problem}", 400)
        self.posts.append(payload)
        time.sleep(step or 0)
        return Response("ok", 200)

    @property
    def words(self) -> list[str]:
        """All that each post says."""
        return [" ".join(_texts(post)) for post in self.posts]


def _scripted(status: int, body: str = "error", headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers)


def fault(payload: dict[str, Any]) -> str | None:
    """What Slack would not take, or would take for markup that is not ours."""
    blocks = payload.get("blocks", [])
    if not payload.get("text") or len(payload["text"]) > 40_000:
        return "text missing or too long"
    if not 1 <= len(blocks) <= 50:
        return f"{len(blocks)} blocks"
    faults = [*map(_block_fault, blocks), *map(_markup, _texts(payload))]
    return next(filter(None, faults), None)


def _block_fault(block: dict[str, Any]) -> str | None:
    if block["type"] == "header":
        text = block["text"]
        return None if text["type"] == "plain_text" and 1 <= len(text["text"]) <= 150 else "header"
    if block["type"] == "section":
        return None if 1 <= len(block["text"]["text"]) <= 3000 else "section"
    if block["type"] == "context":
        return None if 1 <= len(block["elements"]) <= 10 else "context"
    return f"unknown block {block['type']}"


def _markup(text: str) -> str | None:
    ours = re.sub(r"<!date\^\d+\^[^|>]+\|[^<>]+>|<https?://[^|<>\s]+\|[^<>]+>", "", text)
    if re.search(r"[<>](?! )", re.sub(r"^> ", "", ours, flags=re.MULTILINE)):
        return f"markup in {ours}"
    if re.search(r"&(?!amp;|lt;|gt;)", ours):
        return f"a bare & in {ours}"
    return f"a mention in {ours}" if re.search(r"@(channel|here|everyone)", ours, re.IGNORECASE) else None


def _texts(payload: dict[str, Any]) -> list[str]:
    texts = [payload["text"]]
    for block in payload["blocks"]:
        texts += [part["text"] for part in [block.get("text"), *block.get("elements", [])] if part]
    return texts
