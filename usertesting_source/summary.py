"""What a run tells: while it goes on to a `Watcher`, at its end in a `Summary`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .errors import UserTestingError
from .plan import Plan
from .tally import Tally


class Watcher:
    """Is told what happens; override what you want to show."""

    def planned(self, plan: Plan) -> None:
        """The plan is known, as far as it can be."""

    def progressed(self, tally: Tally, requests: int) -> None:
        """An item was fetched, or failed."""

    def waits(self, seconds: float) -> None:
        """Nothing is sent for so long: the quota is used up."""

    def committed(self, rows: Counter[str]) -> None:
        """A load package is in the warehouse."""

    def blocked(self, reason: str) -> None:
        """The destination is busy; it is tried again."""

    def polled(self, summary: Summary) -> None:
        """One look at all tests has ended."""


@dataclass
class Summary:
    """
    What a run did.

    Attributes:
        rows: rows loaded, by table.
        requests: sent to the API, retries included.
        left: items known to be due and not asked for.
        stopped: a stop was asked for.
        error: what ended the run early, besides a stop.

    """

    rows: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    packages: int = 0
    seconds: float = 0.0
    left: int = 0
    stopped: bool = False
    tally: Tally = field(default_factory=Tally)
    error: UserTestingError | None = None

    @property
    def exit_code(self) -> int:
        """0 all loaded, 1 stopped by an error, 3 something failed in this run, 4 stopped by request with work left."""
        if self.error is not None:
            return 1
        if self.stopped and self.left:
            return 4
        return 3 if self.tally.failed else 0
