"""
Sessions that are gone: the compact rows that the state keeps of those inside the overlap, and which of them a listing
no longer shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..times import moment
from .listing import Listing, milliseconds

Row = dict[str, Any]

_SUMMARY = ("finishTime", "startTime", "audienceId", "status")


def compact(summary: Mapping[str, Any]) -> list[Any]:
    """A session's row of the listing, without the names that all rows share; what is unknown keeps its name."""
    more = {key: value for key, value in summary.items() if key not in (*_SUMMARY, "sessionId")}
    return [*(summary.get(key) for key in _SUMMARY), *([more] if more else [])]


def expand(session_id: str, row: list[Any]) -> dict[str, Any]:
    """The listing's row that `compact` made smaller."""
    more = row[len(_SUMMARY)] if len(row) > len(_SUMMARY) else {}
    return {"sessionId": session_id, **dict(zip(_SUMMARY, row, strict=False)), **more}


def removed(known: Mapping[str, list[Any]], listing: Listing, border: int | None) -> Iterator[str]:
    """
    Ids of `known` sessions ({id: compact row}) that are gone from a listing.

    Only a listing that is complete and not empty proves anything, and only for sessions that both started and finished
    inside the part that was read: then either way of sorting would have shown them.
    """
    if not listing.complete or not listing.sessions:
        return
    read_from = max(listing.back_to or 0, border or 0)
    listed = {session.session_id for session in listing.sessions}
    for session_id, row in known.items():
        times = [milliseconds(value) for value in row[:2]]
        if listing.back_to is not None and None in times:
            continue  # nobody knows where it would stand
        if session_id not in listed and all(time is None or time >= read_from for time in times):
            yield session_id


def mark_of(row: Row) -> str:
    """A short text that changes with the row."""
    return hashlib.sha256(json.dumps(row, default=str, sort_keys=True).encode()).hexdigest()[:16]


def news(rows: Iterable[Row], marks: dict[str, list[Any]], now: int, full: bool) -> Iterator[Row]:
    """
    Rows of `qx_scores` that have changed.

    Args:
        rows: as they came at `now`, in ms.
        marks: by task group, the mark of its last row and when that came; changed in place.
        now: the moment of this look.
        full: also those that have not changed, under the time that they came with.

    """
    for row in rows:
        mark, group = mark_of({**row, "extracted_at": None, "completes": None}), row["task_group_id"]
        before = marks.get(group)
        if before is None or before[0] != mark:
            marks[group] = [mark, now]
            yield row
        elif full:
            yield {**row, "extracted_at": moment(before[1])}
