"""
What the destination holds of the sessions inside the overlap: so much less has to be kept in the state.

The state keeps what the destination does not show: sessions that were settled without a row (given up), and those of a
destination that cannot be asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


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
        confirmed: ids that the state kept at that moment and need not keep any longer; emptied when that is done.

    """

    sessions: dict[str, Loaded] = field(default_factory=dict)
    earlier: dict[str, Loaded] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
