"""
What the destination holds of the sessions inside the overlap: so much less has to be kept in the state.

The state keeps what the destination does not show: sessions that were settled without a row (given up), and those of a
destination that cannot be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

FORGOTTEN = "forgotten"
"""The mark of a session that was forgotten on request: settled, whatever becomes due, and however it is listed."""


class Loaded(NamedTuple):
    """
    A session as a table of the destination shows it.

    Attributes:
        time: when it finished (else started), in ms since 1970.
        start: when it started.
        mark: of its row in the listing, see `listing.mark_of`; None: an older version loaded it.
        is_gone: whether it is marked as removed.
        loaded_at: when the load began that brought it, in ms since 1970.

    """

    time: int
    start: int | None = None
    mark: str | None = None
    is_gone: bool = False
    loaded_at: int = 0


@dataclass
class Shown:
    """
    What the destination shows of one test, at one moment.

    Attributes:
        sessions: by id.
        earlier: those that were loaded before everything was made due again: only their removal is of interest.
        looked_for: ids that the state keeps and that were looked for since they were settled.
        confirmed: of these, those that the state need not keep any longer; emptied when that is done.

    """

    sessions: dict[str, Loaded] = field(default_factory=dict)
    earlier: dict[str, Loaded] = field(default_factory=dict)
    looked_for: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)

    def add(self, found: Mapping[str, Loaded], since: int) -> None:
        """More of it was read; what was loaded before `since` (ms) is earlier."""
        for name, one in found.items():
            settled = one.loaded_at >= since or one.mark == FORGOTTEN
            (self.sessions if settled else self.earlier)[name] = one
            self.looked_for.add(name)

    def outdated(self, session_id: str) -> None:
        """The session's row is about to be written anew."""
        self.sessions.pop(session_id, None)
        self.looked_for.discard(session_id)
