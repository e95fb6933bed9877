"""What a run wants and tells: a plan before it, a tally and a `Watcher` meanwhile, a `Summary` at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .errors import LoadIncomplete, LoadUnfinished, UserTestingError
from .sync.studies import BY_LISTING, PER_SESSION, PER_TEST


@dataclass(frozen=True)
class Wishes:
    """What one invocation wants beyond what is due: everything anew, only what finished since (ms), some sessions."""

    full: bool = False
    since: int | None = None
    session_ids: frozenset[str] = frozenset()


@dataclass
class Tally:
    """
    What happened so far in one invocation.

    Attributes:
        due: by resource and test, what there is to ask for: foreseen, then as found at first sight.
        asked: by resource and test, what was asked for, whatever came of it.
        done: by resource, items loaded.
        failed: what failed in this run, one line each.
        waiting: by resource, what is not there yet and is asked for again later.
        given_up: by resource, what was given up in this run: asked for no more.
        warnings: what to say once, in order.
        resting: tests not listed because they are quiet.
        unlisted: tests that could not be listed, lately or a moment ago.
        unread: answers of a shape that is not known: task type, key names.
        found: sessions that were wanted by name: the test of each.
        served: resource, and session or test, of what was asked for already.
        forgotten: resources for which everything was made due again.
        dropped_cues: by session, how many cues of its transcript could not be read.

    """

    due: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    waiting: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    warnings: dict[str, None] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    unread: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    dropped_cues: Counter[str] = field(default_factory=Counter)
    found: dict[str, str] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    _sighted: set[tuple[str, str]] = field(default_factory=set)
    _waiting_tests: set[str] = field(default_factory=set)
    _missed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def sight(self, resource: str, test_id: str, due: int) -> None:
        """So many items of a test turned out to be due, at first sight."""
        if (resource, test_id) not in self._sighted:
            self._sighted.add((resource, test_id))
            self.due[resource, test_id] = due

    def pass_over(self, test_id: str) -> None:
        """A test is left alone for now, since it could not be listed a short while ago."""
        self.unlisted.add(test_id)
        if test_id not in self._waiting_tests:
            self._waiting_tests.add(test_id)
            self.waiting["tests"] += 1

    def give_up(self, resource: str, missed_in: str | None = None) -> None:
        """Something is asked for no more; `missed_in` a test that may turn out to have none."""
        self.given_up[resource] += 1
        if missed_in:
            self._missed[resource, missed_in] += 1

    def take_back(self, resource: str, test_id: str) -> None:
        """A test turned out to have none: nothing was given up in it."""
        self.given_up[resource] -= self._missed.pop((resource, test_id), 0)

    def warn(self, line: str) -> None:
        """Says something once."""
        self.warnings.setdefault(line)

    @property
    def asked_for(self) -> int:
        """How many of the items that cost a request each were asked for."""
        return sum(count for (name, _), count in self.asked.items() if name in PER_SESSION)

    @property
    def due_in_all(self) -> int:
        """How many of them there are, as far as is known."""
        return max(sum(count for (name, _), count in self.due.items() if name in PER_SESSION), self.asked_for)

    @property
    def left(self) -> int:
        """How many of the items known to be due were not asked for."""
        requests = {key: count for key, count in self.due.items() if key[0] not in BY_LISTING}
        return sum(max(count - self.asked[key], 0) for key, count in requests.items())


@dataclass
class Plan:
    """
    Tests and what is due in those listed so far; `due` counts items by resource.

    `is_most`: some tests may turn out to have none of it, as their product type is not known.
    """

    tests: int = 0
    classic: int = 0
    is_most: bool = False
    listed: int = 0
    resting: int = 0
    due: dict[str, int] = field(default_factory=dict)
    rate_limit: int = 10
    rate_period: float = 60.0

    @property
    def requests(self) -> int:
        """How many requests the known part takes, beyond those already sent."""
        items = sum(self.due.get(name, 0) for name in (*PER_SESSION, *PER_TEST))
        return items + self.tests - self.listed - self.resting

    @property
    def minutes(self) -> float:
        """How long they take at this quota; 0 without one."""
        return self.requests / self.rate_limit * self.rate_period / 60 if self.rate_limit else 0.0


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

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """A poll of a watch has failed, and the next one comes in so many seconds."""


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
        skipped: another run is at the same work, so that this one did nothing (`if_running="skip"`).

    """

    rows: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    packages: int = 0
    seconds: float = 0.0
    left: int = 0
    stopped: bool = False
    tally: Tally = field(default_factory=Tally)
    error: UserTestingError | None = None
    skipped: bool = False

    def raise_for_status(self, unfinished_ok: bool = False) -> None:
        """
        Raises unless all that was due is loaded (or another run is at it): what comes next may rely on it.

        Args:
            unfinished_ok: a stop with work left is fine: the next run goes on there.

        Raises:
            LoadUnfinished: stopped as asked, with work left.
            LoadIncomplete: something failed, all else is loaded.
            UserTestingError: the error that ended the run.

        """
        if self.error is not None:
            raise self.error
        if self.exit_code == 4 and not unfinished_ok:
            raise LoadUnfinished(
                f"Stopped as asked, with work left (at least {self.left} requests): what was fetched is loaded, and the"
                " next run goes on there."
            )
        if self.exit_code == 3:
            failed = self.tally.failed
            more = f" And {len(failed) - 1} more: see load_issues." if len(failed) > 1 else ""
            raise LoadIncomplete(f"All is loaded but for {len(failed)} that failed: {failed[0]}{more}")

    def as_dict(self) -> dict[str, Any]:
        """All that JSON can hold of it, the same for files, logs and schedulers."""
        error = self.error and {"type": type(self.error).__name__, "message": str(self.error)}
        return {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "rows": dict(self.rows),
            "requests": self.requests,
            "packages": self.packages,
            "seconds": round(self.seconds, 3),
            "left": self.left,
            "waiting": dict(self.tally.waiting),
            "given_up": {name: count for name, count in self.tally.given_up.items() if count},
            "failed": list(self.tally.failed),
            "warnings": list(self.tally.warnings),
            "error": error,
        }

    @property
    def outcome(self) -> str:
        """In a word: loaded, nothing_new, skipped, incomplete (something failed), stopped (work is left) or error."""
        if self.skipped:
            return "skipped"
        if self.exit_code == 0:
            return "loaded" if self.rows else "nothing_new"
        return {1: "error", 3: "incomplete", 4: "stopped"}[self.exit_code]

    @property
    def exit_code(self) -> int:
        """0 all loaded, 1 stopped by an error, 3 something failed in this run, 4 stopped by request with work left."""
        if self.error is not None:
            return 1
        if self.stopped and self.left:
            return 4
        return 3 if self.tally.failed else 0
