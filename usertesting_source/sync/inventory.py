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
from .cursor import QUIET_EVERY, Cursor
from .listing import Listing, mark_of, milliseconds
from .loaded import Loaded
from .state import TestState

Row = dict[str, Any]
Times = dict[str, tuple[int | None, int | None]]

_SUMMARY = ("finishTime", "startTime", "audienceId", "status")


class Change(NamedTuple):
    """
    A session whose row is to be written.

    Attributes:
        session_id: the session.
        summary: as it is or was listed; None: only the destination holds it.
        removed_at: when it was found missing, in ms, if it was.

    """

    session_id: str
    summary: Mapping[str, Any] | None
    removed_at: int | None = None


def changes(
    cursor: Cursor, listing: Listing, now: int, since: int | None = None, most: int | None = None
) -> tuple[list[Change], int]:
    """
    The sessions of one test that are new, changed, gone or back since they were loaded; moves the state.

    Args:
        cursor: has looked at `listing`.
        listing: of this moment.
        now: in ms.
        since: new ones that finished before (ms) are left for later.
        most: so many at most, oldest first; what is left stays due.

    Returns:
        The changes, and how many sessions are new.

    """
    state, loaded = cursor.state, cursor.shown.sessions
    ever = {**cursor.shown.earlier, **loaded}
    due = {d.session_id for d in cursor.due(now, since)}
    found: list[Change] = []
    for session in reversed(listing.sessions):
        if len(found) == most:
            return found, len(due)
        name, before = session.session_id, _mark(session.session_id, state, loaded)
        is_back = name in state.gone or (name not in state.listed_rows and name in ever and ever[name].is_gone)
        if name in due or is_back or before not in (None, session.mark):
            cursor.settle(name, session.time)
            state.listed_rows[name] = compact(session.summary)
            state.gone.pop(name, None)
            found.append(Change(name, session.summary))
    known: Times = {name: (one.time, one.start) for name, one in ever.items() if not one.is_gone}
    known |= {name: (milliseconds(row[0]), milliseconds(row[1])) for name, row in state.listed_rows.items()}
    for name in removed(known, listing, cursor.border, trusts_empty=_is_empty_for_long(state, listing, now)):
        if name not in state.gone:
            row = state.listed_rows.get(name)
            state.gone[name] = now
            cursor.shown.looked_for.discard(name)
            found.append(Change(name, expand(name, row) if row else None, removed_at=now))
    return found, len(due)


def _is_empty_for_long(state: TestState, listing: Listing, now: int) -> bool:
    """Whether a second look, a day after the first, shows a test without any session."""
    if listing.sessions or listing.total or not listing.complete:
        state.empty_since = None
        return False
    if state.empty_since is None:
        state.empty_since = now
    return now - state.empty_since >= QUIET_EVERY


def confirmed(state: TestState, sessions: Mapping[str, Loaded]) -> set[str]:
    """Of the sessions that the state keeps, those that the destination shows just so: they need not be kept."""
    kept = state.settled.keys() | state.gone.keys()
    return {name for name in kept & sessions.keys() if _is_shown(name, state, sessions[name])}


def _is_shown(name: str, state: TestState, loaded: Loaded) -> bool:
    row = state.listed_rows.get(name)
    return (
        loaded.is_gone == (name in state.gone)
        and state.settled.get(name, loaded.time) == loaded.time
        and (row is None or loaded.mark == mark_of(expand(name, row)))
    )


def _mark(name: str, state: TestState, loaded: Mapping[str, Loaded]) -> str | None:
    """The mark of a session's row as it was loaded; None where nobody knows."""
    if name in state.listed_rows:
        return mark_of(expand(name, state.listed_rows[name]))
    return loaded[name].mark if name in loaded else None


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


def removed(known: Times, listing: Listing, border: int | None, *, trusts_empty: bool = False) -> Iterator[str]:
    """
    Ids of known sessions ({id: (finished, started)}, in ms) that are gone from a listing.

    Only a listing that is complete and not empty (or empty again, `trusts_empty`) proves anything. One that was read
    to its end proves it for all sessions; else only for those that both started and finished inside the part that was
    read: then either way of sorting would have shown them.

    """
    if not listing.complete or not (listing.sessions or trusts_empty):
        return
    listed = {session.session_id for session in listing.sessions}
    if listing.back_to is None:
        yield from known.keys() - listed
        return
    read_from = max(listing.back_to, border or 0)
    for name in known.keys() - listed:
        if all(time is not None and time >= read_from for time in known[name]):
            yield name


def row_mark(row: Row) -> str:
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
        mark, group = row_mark({**row, "extracted_at": None, "completes": None}), row["task_group_id"]
        before = marks.get(group)
        if before is None or before[0] != mark:
            marks[group] = [mark, now]
            yield row
        elif full:
            yield {**row, "extracted_at": moment(before[1])}
