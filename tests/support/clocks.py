"""Clocks for tests of `api`."""

from __future__ import annotations

from usertesting_source.api.clock import Clock
from usertesting_source.stop import Stop


def clock_of(stop: Stop) -> Clock:
    """The machine's clock, whose waits end with `stop`."""
    return Clock(wait=stop.wait, stopped=lambda: stop.asked)
