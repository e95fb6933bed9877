"""What the server answers, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

SECURITY_HEADERS = {
    "Cache-Control": "private, no-store",
    "Pragma": "no-cache",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}


@dataclass
class Reply:
    """
    An answer.

    Attributes:
        body: the bytes, or parts of them that are made while they are sent.
        length: the Content-Length; needed when `body` comes in parts, otherwise only to lie.
        dropped: the connection is closed instead of answering.
        silent: nothing is answered, and the connection stays open until the client closes it.
        pace: seconds that are waited after each byte of the body.

    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    dropped: bool = False
    silent: bool = False
    pace: float = 0.0


class Refused(Exception):
    """Ends the work on a request with an answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """`value` as JSON with the headers that the API documents."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Reply(status, body, headers={**SECURITY_HEADERS, **(headers or {})})


def refusal(status: int, message: str | list[str] | None = None) -> Reply:
    """A refusal of v2 and v3, in the envelope that NestJS uses; the API documents none."""
    phrase = HTTPStatus(status).phrase
    envelope: dict[str, Any] = {"statusCode": status, "message": message or phrase}
    return as_json({**envelope, "error": phrase} if message and status < 429 else envelope, status)


def legacy_refusal(status: int, message: str) -> Reply:
    """A refusal of the legacy API, in its documented envelope."""
    return as_json({"errorCode": HTTPStatus(status).name, "errorMessage": message}, status)


def page(status: int) -> Reply:
    """An HTML page, as a gateway sends it."""
    phrase = HTTPStatus(status).phrase
    html = f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>{phrase}</h1></body></html>"
    return Reply(status, html.encode(), "text/html")


def echoing(reply: Reply, text: str) -> Reply:
    """The reply with `text` in each of its objects, as the message of a refusal, or as the last cue of a transcript."""
    if not isinstance(reply.body, bytes) or reply.length is not None:
        return reply
    if "json" in reply.content_type:
        with suppress(ValueError):  # half a body stays half a body
            reply.body = json.dumps(_with(json.loads(reply.body), text, reply.status >= 400)).encode()
    elif "vtt" in reply.content_type:
        reply.body += f"\n\n02:00:00.000 --> 02:00:01.000\n{text}\n".encode()
    return reply


def _with(value: Any, text: str, refused: bool) -> Any:
    if isinstance(value, list):
        return [_with(item, text, refused) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _with(item, text, refused) for key, item in value.items()}
    return {**inner, **dict.fromkeys(("message", "errorMessage", "error_description") if refused else ("echo",), text)}
