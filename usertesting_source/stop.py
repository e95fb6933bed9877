"""A request to stop: from a signal, when time is up, or from anybody who holds the `Stop`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

_HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, _HANGUP)))


class Stop:
    """A request to stop; work that was begun is brought to an end, and nothing more is begun."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._deadline: float | None = None

    def ask(self) -> None:
        """Asks for the stop, from any thread or signal handler."""
        self._event.set()

    def after(self, seconds: float) -> None:
        """Asks for it in so many seconds."""
        self._deadline = time.monotonic() + seconds

    @property
    def asked(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._event.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline)

    def wait(self, seconds: float) -> bool:
        """Waits so many seconds, or until the stop; True when it is asked for."""
        if self._deadline is not None:
            seconds = min(seconds, max(self._deadline - time.monotonic(), 0.0))
        self._event.wait(seconds)
        return self.asked


@contextmanager
def asked_by_signals(stop: Stop) -> Iterator[None]:
    """
    The first SIGINT, SIGTERM or SIGHUP asks for a stop; a second one does what it always did, and so ends at once.

    Under `nohup`, which has SIGHUP ignored, that stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(_number: int, _frame: object) -> None:
        stop.ask()
        restore()

    for number in SIGNALS:
        if number == _HANGUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = cast("Any", signal.signal(number, handle))
    try:
        yield
    finally:
        restore()
