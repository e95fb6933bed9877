"""The waits between dlt's retries, ended by a stop: dlt sleeps through it, up to five minutes at a time."""

from __future__ import annotations

from typing import Any, Protocol, cast

from requests import Session

from ..errors import Interrupted
from .quota import Waiting


class _Retried(Protocol):
    """What tenacity makes of a function."""

    def retry_with(self, **options: Any) -> Any: ...


def interruptible(session: Session, wait: Waiting) -> Session:
    """
    A session of dlt's client, whose waits between retries are `wait`'s.

    Its requests raise `Interrupted` when a stop is asked for while waiting.
    """

    def pause(seconds: float) -> None:
        if wait(seconds):
            raise Interrupted("stopped while waiting to ask again")

    session.send = cast("_Retried", session.send).retry_with(sleep=pause)  # type: ignore[method-assign] # as dlt does
    return session
