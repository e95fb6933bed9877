"""
The request budget, shared by all processes of a user on this machine.

The API takes 10 requests in 60 seconds and says in headers what is left (`x-ratelimit-remaining`) and when the period
ends (`x-ratelimit-reset`, in seconds). The budget is a sliding window, kept as a row per request in a SQLite file.
Whoever wants to send takes the next place that is free, now or later, and waits for its moment: so turns are taken in
the order in which they were asked for, nobody asks twice without need, and the place of a process that is killed passes
like any other. Waiting holds no lock and ends at once when a stop is asked for. Requests of programs that we do not see
show in the headers and are entered too.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path

from ..errors import ConfigurationError, Interrupted
from ..folders import user_folder
from .clock import Clock

SLACK = 1.02  # a request reaches the API a little later than it is sent, and not always the same little
LEAST_SLACK_S = 0.1
LONGEST_WAIT_S = 300.0
BUSY_S = 10.0  # a process holds the file for a moment only; one that is frozen in that moment is not waited for longer

_TABLE = """
    create table if not exists places (
        id integer primary key autoincrement, -- in the order of asking
        ours integer not null,                -- 0: a request, or a pause, that the API told us of
        at integer not null,                  -- when it is sent: past, or planned; ms
        asked integer not null                -- when it was asked for; ms
    )
"""
_BEHIND_ALL = 2**62
# What counts for a request: all that was sent, all that goes before it, and what the API says.
_COUNTS = "id is not :me and (id < :me or not ours or at <= :now)"


class Quota:
    """
    At most `limit` requests in any `period` seconds, over all processes that use the same `name` and `period`.

    Args:
        name: what is shared, such as base URL and client id; only its hash is written down.
        limit: requests per period; 0: no limit and no file, but a 429 is waited for. Processes with other limits count
            the same requests.
        period: in seconds.
        folder: where the shared file is; default: `user_folder()`.
        clock: see `Clock`.

    Raises:
        ConfigurationError: the shared file cannot be used.

    """

    def __init__(
        self, name: str, limit: int, period: float, folder: Path | None = None, clock: Clock | None = None
    ) -> None:
        self.limit = limit
        self.period = period
        self.clock = clock or Clock()
        self._window_ms = round(max(period * SLACK, period + LEAST_SLACK_S) * 1000)
        self._threads = threading.Lock()
        self._refused_until = 0.0  # without a file
        self._file = self._open(name, folder or user_folder()) if limit else None

    def _open(self, name: str, folder: Path) -> sqlite3.Connection:
        key = hashlib.sha256(f"{name} {self._window_ms}".encode()).hexdigest()[:16]
        self._path = folder / f"quota_{key}.sqlite"
        with self._explained():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            weakref.finalize(self, file.close)
            file.execute(_TABLE)
        return file

    def acquire(self) -> None:
        """
        Waits until a request may be sent, and counts it.

        Raises:
            Interrupted: a stop was asked for while waiting.
            ConfigurationError: the shared file cannot be used.

        """
        place, seconds = self._take(None)
        while seconds > 0:
            if self.clock.wait(min(seconds, LONGEST_WAIT_S)):
                self._give_back(place)
                raise Interrupted("stopped while waiting for the API's quota")
            place, seconds = self._take(place)

    def foreseen(self) -> float:
        """For how many seconds a request that is asked for now would wait; takes no place."""
        with self._locked() as file:
            if file is None:
                return self._refused()
            now = self._now_ms(file)
            return (self._moment(file, _BEHIND_ALL, now) - now) / 1000

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Corrects the budget by what an answer says: its status and its rate limit headers."""
        reset = min(_seconds(headers.get("x-ratelimit-reset")) or self.period, self.period)
        remaining = _number(headers.get("x-ratelimit-remaining"))
        if status == 429:
            self._block(min(retry_after(headers) or reset, LONGEST_WAIT_S))
        elif remaining is not None:
            self._leave(int(remaining), reset)

    # -- the shared file ---------------------------------------------------------

    def _take(self, place: int | None) -> tuple[int | None, float]:
        """
        A place, the same as before if there is one already, and the seconds until its moment; 0: now.

        The moment is planned anew each time: those ahead may have been late, or given up, and the API heard from.
        """
        with self._locked() as file:
            if file is None:
                return None, self._refused()
            now = self._now_ms(file)
            if place is None:
                place = file.execute("insert into places (ours, at, asked) values (1, ?, ?)", (now, now)).lastrowid
            at = self._moment(file, place, now)
            file.execute("insert or replace into places values (?, 1, ?, ?)", (place, at, now))
            return place, (at - now) / 1000

    def _moment(self, file: sqlite3.Connection, place: int | None, now: int) -> int:
        """When a place comes: not before those ahead, and not while the window before it is full."""
        given = {"me": place, "now": now, "last": self.limit - 1}
        turn = file.execute("select max(at) from places where ours and id < :me", given).fetchone()[0]
        newest_first = f"select at from places where {_COUNTS} order by at desc limit 1 offset :last"  # noqa: S608 - ours
        full = file.execute(newest_first, given).fetchone()
        # the window includes its border
        return max(now, turn or now, full[0] + self._window_ms + 1 if full else now)

    def _refused(self) -> float:
        return max(self._refused_until - self.clock.now(), 0.0)

    def _give_back(self, place: int | None) -> None:
        with self._locked() as file:
            if file is not None:
                file.execute("delete from places where id = ?", (place,))

    def _now_ms(self, file: sqlite3.Connection) -> int:
        """The time; after a start of the machine, which sets its clock back, the window begins anew, full."""
        now = round(self.clock.now() * 1000)
        newest = file.execute("select max(asked) from places").fetchone()[0]
        if newest is not None and newest > now:
            file.execute("delete from places")
            self._fill(file, self.limit, now, now)
        file.execute("delete from places where at < ?", (now - self._window_ms,))
        return now

    def _block(self, seconds: float) -> None:
        """Nobody sends for so long; afterwards what was sent before still counts."""
        with self._locked() as file:
            if file is None:
                self._refused_until = self.clock.now() + seconds
                return
            now = self._now_ms(file)
            counted_from = now + round(seconds * 1000) - self._window_ms
            still = "select count(*) from places where at between ? and ?"
            sent = file.execute(still, (counted_from, now)).fetchone()[0]
            self._fill(file, self.limit - sent, counted_from, now)

    def _leave(self, remaining: int, reset: float) -> None:
        """
        Leaves room for no more than `remaining` requests.

        So requests count that the API knows of and we do not; they are forgotten when its period ends.
        """
        with self._locked() as file:
            if file is None:
                return
            now = self._now_ms(file)
            sent = file.execute("select count(*) from places where at <= ?", (now,)).fetchone()[0]
            self._fill(file, self.limit - remaining - sent, now + round(reset * 1000) - self._window_ms, now)

    @staticmethod
    def _fill(file: sqlite3.Connection, count: int, at: int, now: int) -> None:
        for _ in range(count):
            file.execute("insert into places (ours, at, asked) values (0, ?, ?)", (at, now))

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection | None]:
        """The shared file, for this thread of this process alone; None without a limit."""
        if self._file is None:
            yield None
            return
        with self._explained(), self._threads:
            self._file.execute("begin immediate")
            try:
                yield self._file
            except BaseException:
                self._file.execute("rollback")
                raise
            self._file.execute("commit")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The file {self._path}, in which processes share the API's quota, cannot be used ({error}). Make it"
                " and its folder writable, delete it if it is damaged (nothing else is kept there), or set"
                " `sources.usertesting.quota_dir` to another folder."
            ) from error


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds from now: a number, or an HTTP date by the server's own clock; None: it says nothing."""
    value = headers.get("Retry-After")
    if (seconds := _seconds(value)) is not None or value is None:
        return seconds
    try:
        said = headers.get("Date")
        now = parsedate_to_datetime(said) if said else datetime.now(timezone.utc)
        return max((parsedate_to_datetime(value) - now).total_seconds(), 0.0) or None
    except (ValueError, TypeError):  # no date, or one without its zone
        return None
