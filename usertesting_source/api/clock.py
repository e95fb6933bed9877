"""The time, as everything in this room sees it: read, waited for, and cut short by a stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Clock:
    """
    A clock, and how to wait by it; the machine's own, and without a stop, unless told otherwise.

    Attributes:
        now: in seconds; the same for all processes, and set by nobody (wall time is).
        wait: waits so many seconds, or shorter; True when a stop is asked for.
        stopped: whether a stop is asked for.

    """

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] = _sleep
    stopped: Callable[[], bool] = _never
