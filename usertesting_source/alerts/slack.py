"""Slack through an incoming webhook."""

from __future__ import annotations

import logging
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.webhook import WebhookClient, WebhookResponse

from . import blocks
from .channel import ChannelRefused, MaybeDelivered, NotDelivered
from .message import Message, Style, cut

__all__ = ["SlackChannel"]

LONGEST_WAIT = 60

_HINTS = {
    "no_service": "the webhook was removed or never existed",
    "no_team": "the workspace is gone",
    "team_disabled": "the workspace is disabled",
    "invalid_token": "the webhook was revoked",
    "token_revoked": "the webhook was revoked",
    "no_active_hooks": "the webhook was switched off",
    "channel_not_found": "the channel of the webhook is gone",
    "channel_is_archived": "the channel of the webhook is archived",
    "action_prohibited": "an administrator restricts posting to the channel",
    "posting_to_general_channel_denied": "an administrator restricts posting to #general",
    "user_not_found": "whoever made the webhook has left the workspace",
}


class SlackChannel:
    """
    An incoming webhook.

    Args:
        webhook_url: a secret; it appears in no log and no error.
        style: how messages are worded.
        timeout: seconds.

    """

    name = "slack"
    per = "session"
    settle = timedelta(0)

    def __init__(self, webhook_url: str, style: Style, timeout: int = 30) -> None:
        self._style = style
        # slack-sdk writes the URL into its log, at DEBUG and at INFO
        quiet = logging.getLogger(f"{__name__}.webhook")
        quiet.setLevel(logging.CRITICAL)
        self._client = WebhookClient(webhook_url, timeout, logger=quiet, retry_handlers=_retries())

    def render(self, message: Message) -> dict[str, Any]:
        """The body of the POST: `text` for notifications, `blocks` for the channel."""
        return blocks.payload(message, self._style)

    def preview(self, payload: dict[str, Any]) -> str:
        """The blocks as plain lines, with icons, dates and links as a reader sees them."""
        return blocks.readable(payload)

    def find(self, message: Message) -> str | None:  # noqa: ARG002 - a webhook has no memory to search
        """Always None: a webhook can only be written to."""
        return None

    def send(self, message: Message) -> str | None:
        """
        POST the message. A webhook gives no id, so this is always None.

        Raises:
            ChannelRefused: the webhook is revoked, or its channel is gone or closed.
            NotDelivered: Slack answered an error, or could not be reached.
            MaybeDelivered: the connection broke while waiting for the answer.

        """
        try:
            answer = self._client.send_dict(self.render(message))
        except URLError as error:
            raise NotDelivered(f"Slack cannot be reached ({type(error.reason).__name__})") from None
        except (OSError, HTTPException) as error:
            raise MaybeDelivered(f"Slack did not answer ({type(error).__name__})") from None
        _judge(answer)
        return None


def _judge(answer: WebhookResponse) -> None:
    body = cut(answer.body or "", 100)
    if answer.status_code == 200 and not body.startswith("<"):
        return
    if answer.status_code in (502, 504):
        raise MaybeDelivered(f"Slack answered {answer.status_code}")
    if answer.status_code == 429:
        raise NotDelivered("Slack asks to wait longer than this run does (429)")
    hint = _HINTS.get(body)
    if hint or answer.status_code in (401, 403, 404, 410):
        raise ChannelRefused(
            f"Slack refuses the webhook ({answer.status_code} {body}: {hint or 'it is not valid'}). "
            "Make a new one for the channel and set alerts.slack.webhook_url."
        )
    raise NotDelivered(f"Slack answered {answer.status_code} {body}")


class _ShortWaits(RateLimitErrorRetryHandler):
    """Waits as told by `Retry-After`, but leaves a wait of more than a minute to the next run."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        if not limited or response is None:
            return False
        told = next((v[0] for k, v in response.headers.items() if k.lower() == "retry-after"), "1")
        return told.isdigit() and int(told) <= LONGEST_WAIT


def _retries() -> list[RetryHandler]:
    # URLError alone means that the request never left; after any other break Slack may have taken it
    return [
        _ShortWaits(max_retry_count=3),
        ServerErrorRetryHandler(max_retry_count=3),
        ConnectionErrorRetryHandler(max_retry_count=2, error_types=[URLError]),
    ]
