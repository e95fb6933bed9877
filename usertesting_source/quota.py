"""
The request budget, shared by all processes on this machine: an HTTP adapter below the retries, so that every attempt
counts.

The API takes 10 requests in 60 seconds and says in headers what is left (`x-ratelimit-remaining`) and when the period
ends (`x-ratelimit-reset`, in seconds). The budget is a sliding window in a SQLite file: whoever wants to send puts an
entry in, or waits until the oldest one is out of the window. Waiting holds no lock and ends at once when a stop is
asked for. Requests of programs that we do not see show in the headers and are entered too.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import dlt
from pyrate_limiter import Rate, RateItem, SQLiteBucket
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from .errors import Interrupted

SLACK = 1.02  # two clocks never agree exactly
LONGEST_WAIT_S = 300.0
CLOCK_JUMP_S = 2.0
REFUSALS = 10  # times that a request waits out a 429 before it fails

Waiting = Callable[[float], bool]
"""Waits so many seconds, or shorter; True when a stop is asked for."""


def sleep(seconds: float) -> bool:
    """A wait that nothing ends early."""
    time.sleep(seconds)
    return False


class Quota:
    """
    At most `limit` requests in any `period` seconds, over all processes that use the same `name`.

    Args:
        name: what is shared, such as base URL and client id; only its hash is written down.
        limit: requests per period; 0: no limit.
        period: in seconds.
        folder: where the shared file is; default: the user's folder of dlt.
        wait: how to wait, see `Waiting`.
        clock: wall time in seconds, as other processes see it.

    """

    def __init__(
        self,
        name: str,
        limit: int,
        period: float,
        folder: Path | None = None,
        wait: Waiting = sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit = limit
        self.period = period
        self.wait = wait
        self._clock = clock
        self._window_ms = max(round(period * SLACK * 1000), 1)
        self._skew = clock() - time.monotonic()
        self._threads = threading.Lock()
        self._bucket = (
            self._open(name, folder or Path(dlt.current.run_context().data_dir) / "usertesting") if limit else None
        )

    def _open(self, name: str, folder: Path) -> SQLiteBucket:
        folder.mkdir(parents=True, exist_ok=True)
        key = f"{name} {self.limit} {self._window_ms}"
        path = folder / f"quota_{hashlib.sha256(key.encode()).hexdigest()[:16]}.sqlite"
        rates = [Rate(self.limit, self._window_ms)]
        return SQLiteBucket.init_from_file(rates, db_path=str(path), use_file_lock=True)

    def acquire(self) -> None:
        """
        Waits until a request may be sent, and counts it.

        Raises:
            Interrupted: a stop was asked for while waiting.

        """
        while (seconds := self._take()) > 0:
            # the jitter lets several waiting processes take turns
            if self.wait(min(seconds, LONGEST_WAIT_S) + random.uniform(0, self.period / 200)):  # noqa: S311 - no secret
                raise Interrupted("stopped while waiting for the API's quota")

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Corrects the budget by what an answer says: its status and its rate limit headers."""
        if self._bucket is None:
            return
        reset = min(_seconds(headers.get("x-ratelimit-reset")) or self.period, self.period)
        remaining = _number(headers.get("x-ratelimit-remaining"))
        if status == 429:
            told = _retry_after(headers.get("Retry-After"), self._clock())
            self._block(told or _seconds(headers.get("x-ratelimit-reset")) or self.period)
        elif remaining is not None:
            said = _number(headers.get("x-ratelimit-limit")) or self.limit
            self._enter_foreign(int(min(said, self.limit) - remaining), reset)

    # -- the shared file ---------------------------------------------------------

    def _take(self) -> float:
        """0 when the request may go now, else the seconds until it is worth asking again."""
        if self._bucket is None:
            return 0.0
        with self._threads, self._bucket.lock:
            now = self._now_ms()
            self._bucket.leak(now)
            if self._bucket.put(RateItem("request", now)):
                return 0.0
            oldest = self._bucket.peek(self._bucket.count() - 1)
            frees = now if oldest is None else oldest.timestamp + self._window_ms
            return max((frees - now) / 1000, self.period / 1000)

    def _now_ms(self) -> int:
        """Wall time; after a jump of the clock the window starts anew, full."""
        assert self._bucket is not None
        now = self._clock()
        skew = now - time.monotonic()
        newest = self._bucket.peek(0)
        ahead = newest is not None and newest.timestamp / 1000 > now + LONGEST_WAIT_S
        if abs(skew - self._skew) > CLOCK_JUMP_S or ahead:
            self._bucket.flush()
            self._fill(self.limit, round(now * 1000))
        self._skew = skew
        return round(now * 1000)

    def _block(self, seconds: float) -> None:
        """Nobody sends for so long."""
        assert self._bucket is not None
        until = round((self._clock() + min(seconds, LONGEST_WAIT_S)) * 1000)
        with self._threads, self._bucket.lock:
            self._bucket.flush()
            self._fill(self.limit, until - self._window_ms)

    def _enter_foreign(self, used: int, reset: float) -> None:
        """Enters requests that the API counted and we did not; they are forgotten when its period ends."""
        assert self._bucket is not None
        now = round(self._clock() * 1000)
        with self._threads, self._bucket.lock:
            self._bucket.leak(now)
            foreign = used - self._bucket.count()
            if foreign > 0:
                self._fill(foreign, now + round(reset * 1000) - self._window_ms)

    def _fill(self, count: int, timestamp_ms: int) -> None:
        assert self._bucket is not None
        for _ in range(count):
            self._bucket.put(RateItem("foreign", timestamp_ms))

    def close(self) -> None:
        """Closes the shared file."""
        if self._bucket is not None:
            self._bucket.close()  # type: ignore[no-untyped-call] # pyrate-limiter leaves it untyped


class QuotaAdapter(HTTPAdapter):
    """Sends nothing before the quota allows it, and reports every answer to it."""

    def __init__(self, quota: Quota, on_request: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._quota = quota
        self._on_request = on_request

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Waits for the quota, sends, learns; a 429 is waited for and sent again, some times."""
        for patience in range(REFUSALS, -1, -1):
            self._quota.acquire()
            self._on_request()
            response = super().send(request, *args, **kwargs)
            self._quota.learn(response.status_code, response.headers)
            if response.status_code != 429 or not patience:
                break
            response.close()
        return response


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None


def _seconds(value: str | None) -> float | None:
    """Seconds from now; an API that answers with a date since 1970 is understood too."""
    seconds = _number(value)
    if seconds is not None and seconds > 1e9:
        seconds = max(seconds - time.time(), 0.0)
    return seconds or None


def _retry_after(value: str | None, now: float) -> float | None:
    """`Retry-After` in seconds from now: a number or an HTTP date."""
    if (seconds := _seconds(value)) is not None or value is None:
        return seconds
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0) or None
    except ValueError:
        return None
