"""What one invocation wants, and what happened so far: for those who watch it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
        warnings: what to say once, in order.
        resting: tests not listed because they are quiet.
        unread: answers of a shape that is not known: task type, key names.

    """

    due: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    waiting: Counter[str] = field(default_factory=Counter)
    warnings: dict[str, None] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    unread: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """How many of the items known to be due were not asked for."""
        requests = {key: count for key, count in self.due.items() if key[0] not in ("tests", "sessions")}
        return sum(max(count - self.asked[key], 0) for key, count in requests.items())
