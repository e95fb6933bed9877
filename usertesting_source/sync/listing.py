"""
The sessions of one test, as the list endpoint tells them: pages in, one list out.

`GET /api/v2/sessionResults` answers newest first, at most 500 sessions a page and no page behind offset 10,000.
Sessions come and go between two pages, so each page is asked for one row early: the row that both pages share shows
that nothing was skipped. Nothing here knows HTTP: pages come from a function.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..times import parse_time

PAGE = 500
LAST_OFFSET = 10_000
REREADS = 3
NO_TIME = 2**62


@dataclass(frozen=True)
class Listed:
    """One session of a listing; `time` is when it finished (else started), in ms since 1970."""

    session_id: str
    time: int
    summary: Mapping[str, Any]

    @cached_property
    def mark(self) -> str:
        """See `mark_of`."""
        return mark_of(self.summary)


@dataclass(frozen=True)
class Page:
    """One answer of the list endpoint; `total` and `offset` as the API says them, if it does."""

    rows: Sequence[object]
    total: int | None
    offset: int | None = None


@dataclass(frozen=True)
class Listing:
    """
    What is known of a test's sessions.

    Attributes:
        sessions: newest first, each once.
        total: how many there are, says the API with its first page; where it does not, how many were listed.
        back_to: everything that finished since (ms) was read; None: everything there is.
        complete: the pages fit together and the API's own count, as far as they were read.
        gaps: sessions may be missing in the middle, so nothing behind them may be taken as known.
        at_ceiling: all that the API lets be listed was, and there is more.
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
    at_ceiling: bool = False

    @property
    def newest(self) -> int | None:
        """When the newest session finished, in ms; None without sessions."""
        return self.sessions[0].time if self.sessions else None


FetchPage = Callable[[int, int], Page]
"""(offset, limit) -> Page"""


def milliseconds(value: object) -> int | None:
    """The moment that an API timestamp names, in ms since 1970; None when it names none."""
    moment = parse_time(value)
    return None if moment is None else round(moment.timestamp() * 1000)


def mark_of(summary: Mapping[str, Any]) -> str:
    """A short text that changes with a session's row in the listing, but not with the way its times are written."""
    row = {key: value for key, value in summary.items() if value is not None}
    for key in ("startTime", "finishTime"):
        row[key] = milliseconds(summary.get(key)) or summary.get(key)
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:12]


@dataclass
class _Pass:
    """One walk through the pages, from the first on."""

    seen: dict[str, Listed] = field(default_factory=dict)
    offset: int = 0
    total: int | None = None  # as the first page says it: what comes later is for the next listing
    shared_id: str | None = None  # the row that the next page is to show once more
    oldest_page: float = float("inf")  # the newest time on the oldest page read
    nameless: bool = False
    empty: int = 0
    ended: bool = False
    problem: str | None = None
    gaps: bool = False
    at_ceiling: bool = False


class ListingReader:
    """
    Reads the listing of one test as far back as somebody needs it, never a page twice unless pages moved.

    Args:
        fetch: asks for one page; its errors pass through.

    Attributes:
        pages: how many were asked for.

    """

    def __init__(self, fetch: FetchPage) -> None:
        self.pages = 0
        self._fetch = fetch
        self._pass = _Pass()
        self._earlier: dict[str, Listed] = {}
        self._rereads = 0
        self._listing: Listing | None = None

    def back_to(
        self,
        border: int | None,
        unchanged: Callable[[Listing], bool] = lambda _: False,
        lacks: Callable[[Listing], bool] = lambda _: False,
    ) -> Listing:
        """
        The listing, read back to sessions that finished before `border` (ms; None: to the end).

        Args:
            border: in ms.
            unchanged: is asked once the first page is known: if it sees nothing new there, no more is read.
            lacks: is asked at the border, and behind it after each page: more is read while something is missing.

        """
        while not self._pass.seen and not self._pass.ended:
            self._read_page()
        if not self._is_far_enough(border) and unchanged(self._made()):
            return self._made()
        while not self._pass.ended and (not self._is_far_enough(border) or lacks(self._made())):
            self._read_page()
        return self._made()

    def _is_far_enough(self, border: int | None) -> bool:
        return self._pass.ended or (border is not None and self._pass.oldest_page < border)

    def _made(self) -> Listing:
        if self._listing is None:
            self._listing = self._make()
        return self._listing

    def _make(self) -> Listing:
        walk = self._pass
        sessions = {**self._earlier, **walk.seen} if walk.problem else walk.seen
        return Listing(
            sessions=tuple(sorted(sessions.values(), key=lambda session: session.time, reverse=True)),
            total=walk.total if walk.total is not None else len(sessions),
            back_to=None if walk.ended else int(min(walk.oldest_page, NO_TIME)) + 1,
            complete=walk.problem is None,
            ended=walk.ended,
            problem=walk.problem and f"{walk.problem}: {len(sessions):,} of {walk.total or 0:,} sessions listed",
            gaps=walk.gaps,
            at_ceiling=walk.at_ceiling,
        )

    def _read_page(self) -> None:
        walk = self._pass
        page = self._fetch(walk.offset, PAGE)
        self.pages += 1
        self._listing = None
        walk.total = page.total if walk.total is None else walk.total
        rows = placed(page.rows, walk.oldest_page)
        if page.offset is not None and page.offset != walk.offset:
            self._end(f"the API answers offset {page.offset} when asked for offset {walk.offset}", gaps=True)
        elif not rows:
            self._take_nothing(page)
        elif walk.shared_id is not None and all(row.session_id != walk.shared_id for row in rows):
            self._reread()
        else:
            self._take(page, rows)

    def _take(self, page: Page, rows: list[Listed]) -> None:
        walk = self._pass
        first_id = next(iter(walk.seen), None)
        fresh = {row.session_id: row for row in rows if row.session_id not in walk.seen}
        walk.seen.update(fresh)
        walk.oldest_page = max(row.time for row in rows) or walk.oldest_page
        walk.nameless |= len(rows) < len(page.rows)
        walk.empty = 0
        is_full, read = len(page.rows) >= PAGE, walk.offset + len(page.rows)
        if not fresh and (is_full or (rows[0].session_id == first_id and self._lacks(page))):
            self._end("the API repeats a page", gaps=True)
        elif not fresh and len(rows) == 1:  # the shared row alone: nothing is behind it
            self._end(self._count_problem(page))
        elif not is_full and read == page.total:  # the last page, by its length and by the count
            self._end(self._count_problem(page) if walk.nameless else None)
        elif walk.offset >= LAST_OFFSET:  # no page can be asked for behind this one
            walk.at_ceiling = True
            self._end(self._ceiling_problem(read, page.total))
        else:
            self._go_on(rows)

    def _go_on(self, rows: list[Listed]) -> None:
        walk = self._pass
        # rows without an id do not count, so that the shared row is always on the next page
        walk.shared_id = rows[-1].session_id if len(rows) > 1 else None
        walk.offset = min(walk.offset + max(len(rows) - 1, 1), LAST_OFFSET)

    def _take_nothing(self, page: Page) -> None:
        """An empty page is the end, unless the count says otherwise: then ask once more, and look behind it once."""
        walk = self._pass
        walk.empty += 1
        is_behind = page.total is None or walk.offset >= page.total
        if is_behind and walk.shared_id is not None:
            self._reread()
        elif is_behind or (walk.empty > 1 and walk.shared_id is None):
            self._end(self._count_problem(page))
        elif walk.empty > 1:
            self._skip(page)

    def _skip(self, page: Page) -> None:
        walk = self._pass
        walk.gaps, walk.problem, walk.shared_id = True, "a page in the middle of the list is empty", None
        walk.ended = walk.offset + PAGE >= (page.total or 0) or walk.offset >= LAST_OFFSET
        walk.offset = min(walk.offset + PAGE, LAST_OFFSET)

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
        walk.gaps |= gaps
        walk.problem = walk.problem or problem

    def _lacks(self, page: Page) -> bool:
        """Whether fewer sessions were listed than both the first and the last page count."""
        return len(self._pass.seen) < min(self._pass.total or 0, page.total or 0)

    def _count_problem(self, page: Page) -> str | None:
        return "the API lists fewer sessions than it counts" if self._lacks(page) else None

    def _ceiling_problem(self, read: int, total: int | None) -> str | None:
        beyond = 0 if total is None else total - read
        if total is not None and beyond <= 0 and len(self._pass.seen) <= (self._pass.total or 0):
            return None
        older = f"{beyond:,} older ones" if beyond > 0 else "older ones, if there are any,"
        return f"the API reaches back {read:,} sessions only, {older} cannot be loaded"


def placed(rows: Sequence[object], before: float = float("inf")) -> list[Listed]:
    """
    `rows` with a time each: when the session finished, else when it started, else that of its neighbour.

    Rows without an id cannot be asked for and are left out.
    """
    named = [row for row in rows if isinstance(row, Mapping) and _session_id(row)]
    times = [_time(row) for row in named]
    neighbour = next((time for time in times if time), 0 if before == float("inf") else int(before))
    result = []
    for row, time in zip(named, times, strict=True):
        neighbour = time or neighbour
        result.append(Listed(row["sessionId"], neighbour, row))
    return result


def _session_id(row: Mapping[str, Any]) -> str | None:
    value = row.get("sessionId")
    return value if isinstance(value, str) else None


def _time(row: Mapping[str, Any]) -> int | None:
    """When the session finished, else started; a moment before 1970 stands for none."""
    times = (milliseconds(row.get(key)) for key in ("finishTime", "startTime"))
    return next((time for time in times if time is not None and time > 0), None)
