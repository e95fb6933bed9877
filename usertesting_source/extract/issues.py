"""
The rows of `load_issues`: what failed, what is waited for, what became of it.

They wait in the state of the resource that writes them, and leave with the next load package; so none is lost when a
package ends between a failure and its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..sync.state import ResourceState, Retry
from ..tables.rows import issue_row
from ..tables.schema import columns
from ..times import moment

ISSUES = "load_issues"


class Issues:
    """
    What one resource has to tell.

    Args:
        resource: its name.
        state: what is kept of it.

    """

    def __init__(self, resource: str, state: ResourceState) -> None:
        self._resource = resource
        self._waiting = state.to_tell

    def tell(
        self,
        now: int,
        test_id: str,
        session_id: str | None,
        status: str,
        message: str,
        *,
        retry: Retry | None = None,
        attempts: int | None = None,
        since: int | None = None,
    ) -> None:
        """Adds a row, about a session or (None) a whole test; `retry` is how it stands, `since` when it began."""
        self._waiting.append(
            {
                "test_id": test_id,
                "session_id": session_id,
                "status": status,
                "message": message,
                "attempts": attempts or (retry["tries"] if retry else 1),
                "first_seen_at": since or (retry["since"] if retry else now),
                "last_tried_at": now,
                "resolved_at": now if status == "resolved" else None,
            }
        )

    def take(self) -> Iterator[dict[str, Any]]:
        """The rows that wait to go out; each is taken from the state before it is handed out."""
        while self._waiting:
            issue = self._waiting.pop(0)
            for key in ("first_seen_at", "last_tried_at", "resolved_at"):
                issue[key] = moment(issue[key])
            yield issue_row(self._resource, **issue)


def issue_columns() -> dict[str, dict[str, Any]]:
    """The columns of `load_issues`; a load package may hold two rows of one issue, of which the later one counts."""
    hints = columns(ISSUES)
    hints["last_tried_at"]["dedup_sort"] = "desc"
    return hints
