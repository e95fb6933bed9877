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
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import dlt
from pyrate_limiter import Rate, RateItem, SQLiteBucket
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from ..errors import ConfigurationError, Interrupted

SLACK = 1.02  # a request reaches the API a little later than it is sent, and not always the same little
LEAST_SLACK_S = 0.1
LONGEST_WAIT_S = 300.0
REFUSALS = 10  # times that a request waits out a 429 before it fails
OWN, FOREIGN = "request", "foreign"

Waiting = Callable[[float], bool]
"""Waits so many seconds, or shorter; True when a stop is asked for."""


def sleep(seconds: float) -> bool:
    """A wait that nothing ends early."""
    time.sleep(seconds)
    return False


class Quota:
    """
    At most `limit` requests in any `period` seconds, over all processes that use the same `name` and `period`.

    Args:
        name: what is shared, such as base URL and client id; only its hash is written down.
        limit: requests per period; 0: no limit and no file, but a 429 is waited for. Processes with other limits count
            the same requests.
        period: in seconds.
        folder: where the shared file is; default: the user's folder of dlt.
        wait: how to wait, see `Waiting`.
        clock: in seconds; the same for all processes, and set by nobody (wall time is).

    Raises:
        ConfigurationError: the shared file cannot be used.

    """

    def __init__(
        self,
        name: str,
        limit: int,
        period: float,
        folder: Path | None = None,
        wait: Waiting = sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.period = period
        self.wait = wait
        self._clock = clock
        self._window_ms = round(max(period * SLACK, period + LEAST_SLACK_S) * 1000)
        self._threads = threading.Lock()
        self._refused_until = 0.0  # without a bucket
        self._bucket = self._open(name, folder or _folder()) if limit else None

    def _open(self, name: str, folder: Path) -> SQLiteBucket:
        key = hashlib.sha256(f"{name} {self._window_ms}".encode()).hexdigest()[:16]
        self._path = folder / f"quota_{key}.sqlite"
        with self._explained():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            rates = [Rate(self.limit, self._window_ms)]
            bucket = SQLiteBucket.init_from_file(rates, db_path=str(self._path), use_file_lock=True)
        weakref.finalize(self, bucket.close)
        return bucket

    def acquire(self) -> None:
        """
        Waits until a request may be sent, and counts it.

        Raises:
            Interrupted: a stop was asked for while waiting.
            ConfigurationError: the shared file cannot be used.

        """
        while (seconds := self._take()) > 0:
            # the jitter lets several waiting processes take turns
            if self.wait(min(seconds, LONGEST_WAIT_S) + random.uniform(0, self.period / 200)):  # noqa: S311 - no secret
                raise Interrupted("stopped while waiting for the API's quota")

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Corrects the budget by what an answer says: its status and its rate limit headers."""
        reset = min(_seconds(headers.get("x-ratelimit-reset")) or self.period, self.period)
        remaining = _number(headers.get("x-ratelimit-remaining"))
        if status == 429:
            self._block(min(_retry_after(headers) or reset, LONGEST_WAIT_S))
        elif remaining is not None:
            self._leave(int(remaining), reset)

    # -- the shared file ---------------------------------------------------------

    def _take(self) -> float:
        """0 when the request may go now, else the seconds until it is worth asking again."""
        with self._locked() as bucket:
            if bucket is None:
                return max(self._refused_until - self._clock(), 0.0)
            now = self._now_ms(bucket)
            bucket.leak(now)
            if bucket.put(RateItem(OWN, now)):
                return 0.0
            # there is room once fewer than `limit` entries are in the window, which includes its border
            last = bucket.peek(self.limit - 1)
            frees = now if last is None else last.timestamp + self._window_ms + 1
            return max((frees - now) / 1000, self.period / 1000)

    def _now_ms(self, bucket: SQLiteBucket) -> int:
        """The time; after a start of the machine, which sets its clock back, the window begins anew, full."""
        now = round(self._clock() * 1000)
        newest = bucket.peek(0)
        if newest is not None and newest.timestamp > now + (LONGEST_WAIT_S * 1000 if newest.name == FOREIGN else 0):
            bucket.flush()
            self._fill(bucket, self.limit, now)
        return now

    def _block(self, seconds: float) -> None:
        """Nobody sends for so long; afterwards what was sent before still counts."""
        with self._locked() as bucket:
            if bucket is None:
                self._refused_until = self._clock() + seconds
                return
            until = self._now_ms(bucket) + round(seconds * 1000)
            bucket.leak(until)
            self._fill(bucket, self.limit - bucket.count(), until - self._window_ms)

    def _leave(self, remaining: int, reset: float) -> None:
        """
        Leaves room for no more than `remaining` requests.

        So requests count that the API knows of and we do not; they are forgotten when its period ends.
        """
        with self._locked() as bucket:
            if bucket is None:
                return
            now = self._now_ms(bucket)
            bucket.leak(now)
            foreign = self.limit - remaining - bucket.count()
            self._fill(bucket, foreign, now + round(reset * 1000) - self._window_ms)

    @staticmethod
    def _fill(bucket: SQLiteBucket, count: int, timestamp_ms: int) -> None:
        for _ in range(count):
            bucket.put(RateItem(FOREIGN, timestamp_ms))

    @contextmanager
    def _locked(self) -> Iterator[SQLiteBucket | None]:
        """The shared file, for this thread of this process alone; None without a limit."""
        if self._bucket is None:
            yield None
            return
        with self._explained(), self._threads, self._bucket.lock:
            yield self._bucket

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The file {self._path}, in which processes share the API's quota, cannot be used ({error}). Make it"
                " and its folder writable, delete it if it is damaged (nothing else is kept there), or set"
                " DLT_DATA_DIR to another folder."
            ) from error


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


def _folder() -> Path:
    """The user's own folder, not that of a project: projects with the same credentials share their quota too."""
    return Path(os.environ.get("DLT_DATA_DIR") or dlt.current.run_context().global_dir) / "usertesting"


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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds from now: a number, or an HTTP date by the server's own clock."""
    value = headers.get("Retry-After")
    if (seconds := _seconds(value)) is not None or value is None:
        return seconds
    try:
        said = headers.get("Date")
        now = parsedate_to_datetime(said) if said else datetime.now(timezone.utc)
        return max((parsedate_to_datetime(value) - now).total_seconds(), 0.0) or None
    except (ValueError, TypeError):  # no date, or one without its zone
        return None
