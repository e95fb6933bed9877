"""The reader of an answer's body: what was asked for, without secrets, or an error that says why it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import GatewayPage, UnreadableAnswer
from ..scrub import Scrubber
from .transport import Answer

_BLANKS = b"\xef\xbb\xbf \t\r\n"
_ENVELOPES = ("errorMessage", "message", "error_description", "errorSummary", "error", "errorCode")


def read_json(answer: Answer, what: str) -> Any:
    """
    The JSON of an answer, as it came: a signed URL in it is a secret.

    Raises:
        UnreadableAnswer: there is none.

    """
    _check(answer, what, "JSON")
    flaw = "is nested too deeply to be read"
    try:
        return json.loads(answer.body)
    except ValueError:
        flaw = f"is no JSON ({len(answer.body):,} bytes, perhaps cut off)"
    except RecursionError:
        pass
    raise unreadable(what, flaw)  # out here, so that it does not carry the body along


def read_vtt(answer: Answer, what: str) -> str:
    """
    The text of an answer that should be WebVTT, which is UTF-8 whatever a header says.

    Raises:
        UnreadableAnswer: it is an error document.

    """
    _check(answer, what, "WebVTT")
    if _begins(answer) in (b"{", b"["):
        raise unreadable(what, "is no WebVTT, but JSON")
    return answer.body.decode("utf-8", errors="replace")


def said(answer: Answer, scrubber: Scrubber) -> str:
    """
    What an error body says, cut, and nothing of HTML or of a secret that it repeats; may be empty.

    The Results API documents no error bodies; NestJS's envelope is likely, the legacy API and Okta have ones of their
    own, and a gateway may answer with anything.
    """
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    for key in _ENVELOPES:
        value = body.get(key) if isinstance(body, Mapping) else None
        text = "; ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(text, str) and (clean := scrubber.said(text)):
            return clean
    return ""


def unreadable(what: str, flaw: str) -> UnreadableAnswer:
    """An answer to the question for `what` that is of no use; `flaw` follows on "The answer"."""
    return UnreadableAnswer(f"The API's answer for {what} {flaw}. It is asked for again later.", 200)


def _check(answer: Answer, what: str, wanted: str) -> None:
    if answer.flaw is not None:
        raise unreadable(what, answer.flaw)
    if _begins(answer) == b"<":
        raise GatewayPage(
            f"The API's answer for {what} is no {wanted}, but a page in HTML or XML, as a gateway or a proxy sends it."
            " It is asked for again later.",
            200,
        )


def _begins(answer: Answer) -> bytes:
    return answer.body[:1024].lstrip(_BLANKS)[:1]
