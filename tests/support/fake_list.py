"""A test's list endpoint in memory, without HTTP: sessions come, go and come back between any two pages."""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from usertesting_source.sync import listing
from usertesting_source.sync.listing import Page

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 1_732_190_400_000  # 2024-11-21T12:00:00Z
LONG = 10 * MINUTE


def text(ms: int | None) -> str | None:
    """The moment as the API writes it."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(eq=False)
class Session:
    """A session as the API knows it; times in ms since 1970."""

    session_id: str
    finish: int
    start: int

    @property
    def row(self) -> dict[str, Any]:
        """How the list endpoint shows it."""
        times = {"startTime": text(self.start), "finishTime": text(self.finish)}
        return {"sessionId": self.session_id, "status": "COMPLETE", "audienceId": None, **times}


@dataclass
class FakeList:
    """
    The list endpoint of one test.

    Attributes:
        sessions: by id.
        by: which time it sorts by, newest first.
        cap: rows on a page at most, whatever is asked for.
        total: what it counts; default: how many there are.
        echo: the offset that an answer names, from the one that was asked for; default: it names none.
        ignores_offset: answers the first page always.
        is_empty: whether the n-th request (from 1), with this offset, is answered with no rows.
        before: is called before each request is answered, with its number: things move.
        edit: changes the rows of a page.
        asked: the offsets so far.

    """

    sessions: dict[str, Session] = field(default_factory=dict)
    by: str = "finish"
    cap: int = 500
    total: Callable[[int], int | None] = lambda there: there
    echo: Callable[[int], int | None] = lambda _: None
    ignores_offset: bool = False
    is_empty: Callable[[int, int], bool] = lambda _number, _offset: False
    before: Callable[[int], object] = lambda _: None
    edit: Callable[[list[Any]], list[Any]] = lambda rows: rows
    asked: list[int] = field(default_factory=list)
    _in_order: list[Session] = field(default_factory=list)
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def of(cls, n: int, newest: int = NOON, every: int = HOUR, **settings: Any) -> FakeList:
        """`n` sessions, one `every` so often up to the `newest`."""
        api = cls(**settings)
        for i in range(n):
            api.add(newest - (n - 1 - i) * every)
        return api

    def add(self, finish: int, long: int = LONG, session_id: str | None = None) -> Session:
        """A session turns up, or back, or with another finish time."""
        name = session_id or f"s{next(self._names):05}"
        self.remove(self.sessions.keys() & {name})
        session = self.sessions[name] = Session(name, finish, finish - long)
        insort(self._in_order, session, key=self._place)
        return session

    def remove(self, session_ids: Iterable[str]) -> list[Session]:
        """Sessions disappear."""
        gone = [self.sessions.pop(session_id) for session_id in list(session_ids)]
        for session in gone:
            self._in_order.remove(session)
        return gone

    def _place(self, session: Session) -> tuple[int, str]:
        return getattr(session, self.by), session.session_id

    @property
    def in_order(self) -> list[Session]:
        """Newest first."""
        return self._in_order[::-1]

    @property
    def ids(self) -> list[str]:
        """Newest first."""
        return [session.session_id for session in self.in_order]

    def page(self, offset: int, limit: int) -> Page:
        """`GET /api/v2/sessionResults`; what it would answer with 400 fails."""
        assert 0 <= offset <= listing.LAST_OFFSET
        assert 1 <= limit <= listing.PAGE
        self.asked.append(offset)
        self.before(len(self.asked))
        start = 0 if self.ignores_offset else offset
        end = max(len(self._in_order) - start, 0)
        there = self._in_order[max(end - min(limit, self.cap), 0) : end][::-1]
        rows = [] if self.is_empty(len(self.asked), offset) else [session.row for session in there]
        return Page(self.edit(rows), self.total(len(self.sessions)), self.echo(offset))
