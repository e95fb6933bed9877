"""
What becomes of the sessions of a listing: new, changed, gone, back; and which rows have changed since they were told.

The state keeps a compact row of each session inside the overlap, since of one that is gone the whole row is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..times import moment
from .cursor import Cursor
from .listing import Listing, milliseconds
from .state import TestState

Row = dict[str, Any]

_SUMMARY = ("finishTime", "startTime", "audienceId", "status")


class Change(NamedTuple):
    """A session whose row is to be written: as it was listed, and when it was found missing (ms), if it was."""

    summary: Mapping[str, Any]
    removed_at: int | None = None


def changes(cursor: Cursor, listing: Listing, now: int, since: int | None = None) -> tuple[list[Change], int]:
    """
    The sessions of one test that are new, changed, gone or back since the state was written; moves the state.

    Args:
        cursor: has looked at `listing`.
        listing: of this moment.
        now: in ms.
        since: new ones that finished before (ms) are left for later.

    Returns:
        The changes, and how many sessions are new.

    """
    state = cursor.state
    due = {d.session_id for d in cursor.due(now, since)}
    found: list[Change] = []
    for session in listing.sessions:
        row, before = compact(session.summary), state.listed_rows.get(session.session_id)
        is_back = state.gone.pop(session.session_id, None) is not None
        if session.session_id in due or is_back or before not in (None, row):
            state.listed_rows[session.session_id] = row
            state.settled[session.session_id] = session.time
            found.append(Change(session.summary))
    for session_id in removed(state.listed_rows, listing, cursor.border):
        if session_id not in state.gone:
            state.gone[session_id] = now
            found.append(Change(expand(session_id, state.listed_rows[session_id]), removed_at=now))
    return found, len(due)


def forget_settled(state: TestState) -> None:
    """Drops the rows of sessions that have left the overlap, once the cursor is done with a listing."""
    for session_id in state.listed_rows.keys() - state.settled.keys():
        del state.listed_rows[session_id]
        state.gone.pop(session_id, None)


def compact(summary: Mapping[str, Any]) -> list[Any]:
    """A session's row of the listing, without the names that all rows share; what is unknown keeps its name."""
    more = {key: value for key, value in summary.items() if key not in (*_SUMMARY, "sessionId")}
    return [*(summary.get(key) for key in _SUMMARY), *([more] if more else [])]


def expand(session_id: str, row: list[Any]) -> dict[str, Any]:
    """The listing's row that `compact` made smaller."""
    more = row[len(_SUMMARY)] if len(row) > len(_SUMMARY) else {}
    return {"sessionId": session_id, **dict(zip(_SUMMARY, row, strict=False)), **more}


def removed(rows: Mapping[str, list[Any]], listing: Listing, border: int | None) -> Iterator[str]:
    """
    Ids of known sessions ({id: compact row}) that are gone from a listing.

    Only a listing that is complete and not empty proves anything, and only for sessions that both started and finished
    inside the part that was read: then either way of sorting would have shown them.
    """
    if not listing.complete or not listing.sessions:
        return
    read_from = max(listing.back_to or 0, border or 0)
    listed = {session.session_id for session in listing.sessions}
    for session_id, row in rows.items():
        times = [milliseconds(value) for value in row[:2]]
        if listing.back_to is not None and None in times:
            continue  # nobody knows where it would stand
        if session_id not in listed and all(time is None or time >= read_from for time in times):
            yield session_id


def mark_of(row: Row) -> str:
    """A short text that changes with the row."""
    return hashlib.sha256(json.dumps(row, default=str, sort_keys=True).encode()).hexdigest()[:16]


def new_scores(rows: Iterable[Row], marks: dict[str, list[Any]], now: int, full: bool) -> Iterator[Row]:
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
