"""What the messages need from a channel, and how a delivery can end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from ..errors import UserTestingError
from .message import Message

__all__ = ["Channel", "ChannelRefused", "MaybeDelivered", "NotDelivered"]


class NotDelivered(UserTestingError):
    """Raised when a message was surely not accepted; it is tried again by the next runs."""


class ChannelRefused(NotDelivered):
    """Raised when the channel would refuse every message: a revoked webhook, a wrong token."""


class MaybeDelivered(UserTestingError):
    """Raised when the connection broke after the message had left: it may have been accepted."""


class Channel(Protocol):
    """
    Where messages go.

    Attributes:
        name: as in `--to`, and in the ledger.
        per: one message per `session` or per `task`.
        settle: how long after a try the channel's search may not yet show what was accepted.

    """

    name: str
    per: str
    settle: timedelta

    def render(self, message: Message) -> dict[str, Any]:
        """Exactly what would be sent."""

    def preview(self, payload: dict[str, Any]) -> str:
        """`payload` for a reader at a terminal."""

    def find(self, message: Message) -> str | None:
        """The id of a message that was accepted before; None when there is none or nobody can tell."""

    def send(self, message: Message) -> str | None:
        """Deliver `message` and return its id there, if it has one."""
