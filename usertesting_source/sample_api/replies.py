"""What the server answers, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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

    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    dropped: bool = False


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
