"""
The sessions of one test, as the list endpoint tells them: pages in, one list out.

`GET /api/v2/sessionResults` answers newest first, at most 500 sessions a page and no page behind offset 10,000.
Sessions come and go between two pages, so each page is asked for one row early: the row that both pages share shows
that nothing was skipped. Nothing here knows HTTP: pages come from a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .times import parse_time

PAGE = 500
LAST_OFFSET = 10_000
REREADS = 3


@dataclass(frozen=True)
class Listed:
    """One session of a listing; `time` is when it finished (else started), in ms since 1970."""

    session_id: str
    time: int
    started: int
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """One answer of the list endpoint; `offset` is the one that the API says it answered, if it does."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    offset: int | None = None


@dataclass(frozen=True)
class Listing:
    """
    What is known of a test's sessions.

    Attributes:
        sessions: newest first, each once.
        total: how many there are, says the API.
        back_to: everything that finished since (ms) was read; None: everything there is.
        complete: the pages fit together and the API's own count, as far as they were read.
        gaps: sessions may be missing in the middle, so nothing behind them may be taken as known.
        ended: the last page was read, or none can be reached behind it.
        problem: what does not fit, for the user to read; None when all is well.

    """

    sessions: tuple[Listed, ...]
    total: int
    back_to: int | None
    complete: bool
    ended: bool
    problem: str | None = None
    gaps: bool = False

    @property
    def newest(self) -> int | None:
        """When the newest session finished, in ms; None without sessions."""
        return max((session.time for session in self.sessions), default=None)


FetchPage = Callable[[int, int], Page]
"""(offset, limit) -> Page"""


def milliseconds(value: object) -> int | None:
    """The moment that an API timestamp names, in ms since 1970; None when it names none."""
    moment = parse_time(value)
    return None if moment is None else round(moment.timestamp() * 1000)


@dataclass
class _Pass:
    """One walk through the pages, from the first on."""

    seen: dict[str, Listed] = field(default_factory=dict)
    offset: int = 0
    last_id: str | None = None
    oldest_page: float = float("inf")  # the newest time on the oldest page read
    holes: int = 0
    ended: bool = False
    problem: str | None = None
    gaps: bool = False


class ListingReader:
    """
    Reads the listing of one test as far back as somebody needs it, never a page twice unless pages moved.

    Args:
        fetch: asks for one page; its errors pass through.

    """

    def __init__(self, fetch: FetchPage) -> None:
        self._fetch = fetch
        self._pass = _Pass()
        self._earlier: dict[str, Listed] = {}
        self._rereads = 0
        self._total = 0

    def back_to(self, border: int | None, unchanged: Callable[[Listing], bool] = lambda _: False) -> Listing:
        """
        The listing, read back to sessions that finished before `border` (ms; None: to the end).

        `unchanged` is asked once the first page is known: if it sees nothing new there, no more is read.
        """
        if not self._pass.seen and not self._pass.ended:
            self._read_page()
        if not self._far_enough(border) and unchanged(self._listing()):
            return self._listing()
        while not self._far_enough(border):
            self._read_page()
        return self._listing()

    def _far_enough(self, border: int | None) -> bool:
        return self._pass.ended or (border is not None and self._pass.oldest_page < border)

    def _listing(self) -> Listing:
        walk = self._pass
        back_to = None if walk.ended else int(min(walk.oldest_page, 2**62)) + 1
        sessions = {**self._earlier, **walk.seen} if walk.problem else walk.seen
        newest_first = tuple(sorted(sessions.values(), key=lambda s: s.time, reverse=True))
        complete = walk.problem is None
        return Listing(newest_first, self._total, back_to, complete, walk.ended, walk.problem, walk.gaps)

    def _read_page(self) -> None:
        walk = self._pass
        page = self._fetch(walk.offset, PAGE)
        self._total = page.total
        rows = placed(page.rows, walk.oldest_page)
        if page.offset is not None and page.offset != walk.offset:
            self._end(f"the API answers offset {page.offset} when asked for offset {walk.offset}", gaps=True)
        elif not rows:
            self._empty_page()
        else:
            self._take(rows)

    def _take(self, rows: list[Listed]) -> None:
        walk = self._pass
        if walk.last_id is not None and all(row.session_id != walk.last_id for row in rows):
            self._reread()
            return
        fresh = [row for row in rows if row.session_id not in walk.seen]
        walk.seen.update({row.session_id: row for row in fresh})
        walk.oldest_page = max(row.time for row in rows)
        full = len(rows) >= PAGE
        if not fresh:
            self._end("the API repeats a page" if full else self._count_problem(), gaps=full)
        elif not full and walk.offset + len(rows) >= self._total:
            self._end(None)
        elif walk.offset >= LAST_OFFSET:
            self._end(self._ceiling_problem() if self._total > len(walk.seen) or full else None)
        else:
            walk.last_id = rows[-1].session_id
            walk.offset = min(walk.offset + max(len(rows) - 1, 1), LAST_OFFSET)

    def _empty_page(self) -> None:
        """An empty page is the end, unless the count says otherwise: then ask once more, and look behind it once."""
        walk = self._pass
        if walk.offset >= self._total or len(walk.seen) >= self._total:
            self._end(self._count_problem() if walk.holes else None)
            return
        walk.holes += 1
        if walk.holes == 2:
            walk.last_id = None
            walk.offset = min(walk.offset + PAGE, LAST_OFFSET)
        elif walk.holes > 2:
            self._end(self._count_problem())

    def _reread(self) -> None:
        """The row that both pages should share is gone: something moved up, unseen, between the pages."""
        self._rereads += 1
        self._earlier.update(self._pass.seen)
        if self._rereads > REREADS:
            self._end("sessions keep moving between the pages while they are read", gaps=True)
        else:
            self._pass = _Pass()

    def _end(self, problem: str | None, gaps: bool = False) -> None:
        walk = self._pass
        walk.ended = True
        walk.gaps = gaps or walk.holes > 1
        if walk.holes > 1:
            problem = "a page in the middle of the list is empty"
        if problem:
            walk.problem = f"{problem}: {len(walk.seen):,} of {self._total:,} sessions listed"

    def _count_problem(self) -> str | None:
        return None if len(self._pass.seen) >= self._total else "the API lists fewer sessions than it counts"

    def _ceiling_problem(self) -> str:
        beyond = max(self._total - len(self._pass.seen), 0)
        return f"the API reaches back {LAST_OFFSET + PAGE:,} sessions only, {beyond:,} older ones cannot be loaded"


def placed(rows: Sequence[Mapping[str, Any]], before: float = float("inf")) -> list[Listed]:
    """
    `rows` with a time each: when the session finished, else when it started, else that of its neighbour.

    Rows without an id cannot be asked for and are left out.
    """
    result: list[Listed] = []
    neighbour = 0 if before == float("inf") else int(before)
    for row in rows:
        session_id = row.get("sessionId")
        if not isinstance(session_id, str) or not session_id:
            continue
        start = milliseconds(row.get("startTime"))
        finish = milliseconds(row.get("finishTime"))
        time = next((t for t in (finish, start) if t is not None), neighbour)
        neighbour = time
        result.append(Listed(session_id, time, time if start is None else start, row))
    return result
