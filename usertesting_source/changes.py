"""Which rows have changed since they were loaded, told by short marks that the state keeps of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from .issues import moment

Row = dict[str, Any]


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
