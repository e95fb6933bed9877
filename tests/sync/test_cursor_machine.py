"""
Nothing lost, nothing fetched twice: any history of a test, polled in any way, comes to the same end.

Sessions arrive, late too, go and come back, also between two pages; items fail or are not there yet; runs stop, crash
and are limited. `HYPOTHESIS_PROFILE=long` looks for much longer.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.fake_list import DAY, HOUR, MINUTE, NOON, FakeList
from usertesting_source.sync import listing
from usertesting_source.sync.again import Due, deadline
from usertesting_source.sync.cursor import Cursor, oldest_first
from usertesting_source.sync.inventory import changes, forget_settled
from usertesting_source.sync.listing import Listing, ListingReader
from usertesting_source.sync.state import TestState, Why

OVERLAP = 3 * DAY
QUIET_AFTER = 5 * DAY
WAIT = 2 * DAY
FOREVER = 10**9
RESOURCES = ("sessions", "details", "transcripts")

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

Item = tuple[str, str]
Step = tuple[str, int]

PAUSES = st.sampled_from([0, MINUTE, 5 * MINUTE, HOUR, 7 * HOUR, DAY, 2 * DAY, 8 * DAY, 40 * DAY])
STEPS = st.lists(st.tuples(st.sampled_from(["arrive", "late", "go", "back"]), st.integers(0, 10**6)), max_size=4)


class Crashed(Exception):
    """The process died: all since the last commit is forgotten, except by the API."""


class Tries:
    """What one run may still do."""

    def __init__(self, items: int, steps: int) -> None:
        self.items = items
        self.steps = steps

    def step(self) -> None:
        """One more thing is done, unless the process dies before."""
        self.steps -= 1
        if self.steps < 0:
            raise Crashed


@dataclass
class Package:
    """What a load package brings."""

    loaded: set[Item] = field(default_factory=set)
    failed: set[Item] = field(default_factory=set)
    given_up: set[Item] = field(default_factory=set)


class History(RuleBasedStateMachine):
    """One test's life, and the runs that load it."""

    @initialize(
        by=st.sampled_from(["finish", "start"]),
        sessions=st.integers(0, 60),
        floor=st.none() | st.integers(0, 20),
        counts=st.sampled_from([0, 0, 0, 3]),
        steps=STEPS,
    )
    def begin(self, by: str, sessions: int, floor: int | None, counts: int, steps: list[Step]) -> None:
        """A test with some sessions, by finish or start, with a `start_date` or none, with a count that lies or not."""
        self.patch = patch.multiple(listing, PAGE=7, LAST_OFFSET=5000)
        self.patch.start()
        self.now = NOON
        self.api = FakeList.of(sessions, every=DAY // 3, by=by, total=lambda there: there + counts)
        self.is_honest = counts == 0
        self.floor = None if floor is None else NOON - floor * DAY
        self.appeared = dict.fromkeys(self.api.sessions, NOON - 999 * DAY)
        self.gone: dict[str, Any] = {}
        self.fails: Counter[Item] = Counter()
        self.committed = json.dumps({name: {} for name in RESOURCES})
        self.loaded: set[Item] = set()
        self.given_up: set[Item] = set()
        self.was_raised = False
        self.happen(steps)

    def teardown(self) -> None:
        """Whatever happened: after some quiet runs everything is loaded, and nothing twice."""
        if hasattr(self, "patch"):
            try:
                self.come_to_rest()
            finally:
                self.patch.stop()

    # -- what happens to the test -------------------------------------------------------------

    @rule(steps=STEPS)
    def happen(self, steps: list[Step]) -> None:
        """Sessions arrive, late or not, go, and come back."""
        for kind, number in steps:
            getattr(self, kind)(number)

    def arrive(self, number: int) -> None:
        """A session finished just now."""
        self.appear(self.now, long=number % 20 * HOUR)

    def late(self, number: int) -> None:
        """One turns up that finished up to the overlap ago."""
        ago = number * MINUTE % (OVERLAP - 20 * HOUR)
        self.appear(self.now - ago, long=number % 20 * HOUR)

    def appear(self, finish: int, long: int) -> None:
        """From now on it is listed."""
        name = self.api.add(finish, long).session_id
        self.appeared[name] = self.now

    def go(self, number: int) -> None:
        """One disappears."""
        if ids := self.api.ids:
            [session] = self.api.remove([ids[number % len(ids)]])
            self.gone[session.session_id] = session

    def back(self, number: int) -> None:
        """One of those comes back."""
        if self.gone:
            session = self.gone.pop(sorted(self.gone)[number % len(self.gone)])
            self.api.add(session.finish, session.finish - session.start, session.session_id)
            self.appeared[session.session_id] = self.now

    @rule(number=st.integers(0, 10**6), resource=st.sampled_from(RESOURCES[1:]), times=st.integers(1, 8))
    def break_item(self, number: int, resource: str, times: int) -> None:
        """An item fails, or is not there yet, so many times."""
        if ids := self.api.ids:
            self.fails[resource, ids[number % len(ids)]] += times

    @rule(pause=PAUSES)
    def wait(self, pause: int) -> None:
        """Time goes by."""
        self.now += pause

    @rule(days=st.none() | st.integers(0, 40))
    def move_start_date(self, days: int | None) -> None:
        """The user wants older sessions too, or fewer."""
        floor = None if days is None else self.now - days * DAY
        self.was_raised |= (floor or 0) > (self.floor or 0)
        self.floor = floor

    @precondition(lambda self: self.loaded)
    @rule()
    def want_all_anew(self) -> None:
        """`--full`."""
        states = json.loads(self.committed)
        for state in states.values():
            TestState(state).forget(self.now)
        self.committed = json.dumps(states)
        self.loaded.clear()
        self.given_up.clear()

    # -- runs ---------------------------------------------------------------------------------

    @rule(
        chunk=st.integers(1, 12),
        items=st.just(FOREVER) | st.integers(0, 30),
        steps=st.just(FOREVER) | st.integers(0, 60),
        moves=st.lists(STEPS, max_size=4),
        since=st.none() | st.integers(0, 100),
        fault=st.sampled_from([None, None, None, "empty", "empty once", "repeats"]),
    )
    def run(
        self,
        chunk: int,
        items: int,
        steps: int,
        moves: list[list[Step]],
        since: int | None,
        fault: str | None,
    ) -> None:
        """A run that may stop or crash anywhere, while the API moves or errs."""
        at = len(self.api.asked)
        self.api.before = lambda number: self.happen(
            moves[number - at - 2] if 2 <= number - at < len(moves) + 2 else []
        )
        self.api.ignores_offset = fault == "repeats"
        self.api.is_empty = lambda number, offset: (
            (fault == "empty" and 0 < offset < 12) or (fault == "empty once" and number == at + 2)
        )
        self.load(chunk, Tries(items, steps), None if since is None else self.now - since * HOUR)
        self.api.before, self.api.is_empty, self.api.ignores_offset = (
            (lambda _: None),
            (lambda _n, _o: False),
            False,
        )

    def load(self, chunk: int, tries: Tries, since: int | None = None) -> None:
        """As `run.load`: package after package, until every resource is finished or a stop is asked for."""
        reader = ListingReader(self.api.page)
        try:
            while self.package(reader, chunk, tries, since):
                pass
        except Crashed:
            return

    @rule(number=st.integers(0, 10**6), crashes=st.booleans())
    def want_one_anew(self, number: int, crashes: bool) -> None:
        """`--session-id`, whatever is loaded already: as much is listed as is needed to find it."""
        # of what `start_date` leaves out nothing is remembered
        if not (ids := [s.session_id for s in self.api.in_order if s.finish >= (self.floor or 0)]):
            return
        wanted, reader = ids[number % len(ids)], ListingReader(self.api.page)
        states, package = json.loads(self.committed), Package()
        for resource in RESOURCES:
            cursor = Cursor(TestState(states[resource]), OVERLAP, self.floor)
            shown = reader.back_to(None, lambda listing: any(s.session_id == wanted for s in listing.sessions))
            cursor.look(shown, self.now)
            for session in shown.sessions:
                if session.session_id == wanted and resource != "sessions":
                    self.ask(resource, cursor, Due(wanted, session.time), package)
        if not crashes:
            self.commit(states, package)

    def package(self, reader: ListingReader, chunk: int, tries: Tries, since: int | None) -> bool:
        """One load package, committed at its end; True when there is more to do."""
        states, package = json.loads(self.committed), Package()
        finished = [self.sessions(reader, states["sessions"], package, tries, since)]
        for resource in RESOURCES[1:]:
            turns = self.due(reader, states[resource], tries, since)
            for _, (cursor, due) in zip(range(chunk), turns, strict=False):
                self.check_ask((resource, due.session_id), package)
                self.ask(resource, cursor, due, package)
                tries.step()
            finished.append(next(turns, None) is None and tries.items > 0)
        tries.step()
        self.commit(states, package)
        return not all(finished) and tries.items > 0

    def commit(self, states: dict[str, Any], package: Package) -> None:
        """Data and state together."""
        self.committed = json.dumps(states)
        self.loaded = (self.loaded - package.failed) | package.loaded
        self.given_up = (self.given_up - package.failed - package.loaded) | package.given_up

    def visit(self, reader: ListingReader, state: dict[str, Any]) -> tuple[Cursor, Listing] | None:
        """As `Walk.visit`."""
        cursor = Cursor(TestState(state), OVERLAP, self.floor)
        if cursor.rests(self.now):
            return None
        shown = reader.back_to(cursor.border, lambda first: cursor.is_unchanged(first, self.now))
        cursor.look(shown, self.now)
        return cursor, shown

    def due(
        self, reader: ListingReader, state: dict[str, Any], tries: Tries, since: int | None
    ) -> Iterator[tuple[Cursor, Due]]:
        """As `Walk.due`: what dlt leaves unfinished is not finished."""
        if (visit := self.visit(reader, state)) is None:
            return
        cursor, shown = visit
        fresh = frozenset(session_id for session_id in self.api.ids if session_id.endswith(("3", "7")))
        for due in oldest_first(cursor.due(self.now, since), fresh):
            if tries.items <= 0:
                return
            tries.items -= 1
            tries.step()
            yield cursor, due
        cursor.finish(shown, self.now, QUIET_AFTER)

    def check_ask(self, item: Item, package: Package) -> None:
        """Whatever was committed is never asked for again."""
        assert item not in package.loaded, "fetched twice in a package"
        assert item not in self.given_up or self.was_raised, "asked for after it was given up"
        assert item not in self.loaded or self.was_raised, "fetched twice"

    def ask(self, resource: str, cursor: Cursor, due: Due, package: Package) -> None:
        """As `Walk.done` and `Walk.failed`."""
        item = (resource, due.session_id)
        if due.session_id in self.api.sessions and self.fails[item] <= 0:
            cursor.settle(due.session_id, due.time)
            package.loaded.add(item)
            return
        self.fails[item] -= 1
        why: Why = "failed" if resource == "details" else "waiting"
        until = deadline(due, why, self.now, WAIT / HOUR)
        is_given_up = cursor.later(due, self.now, why, until, {}) is None
        (package.given_up if is_given_up else package.failed).add(item)

    def sessions(
        self, reader: ListingReader, state: dict[str, Any], package: Package, tries: Tries, since: int | None
    ) -> bool:
        """As `Resources._session_rows`."""
        tries.step()
        if (visit := self.visit(reader, state)) is None:
            return True
        cursor, shown = visit
        is_due = {d.session_id for d in cursor.due(self.now, since)}
        for change in changes(cursor, shown, self.now, since)[0]:
            self.check_change(change.session_id, change.removed_at, is_due, package)
        cursor.finish(shown, self.now, QUIET_AFTER)
        forget_settled(cursor.state)
        tries.step()
        return True

    def check_change(self, session_id: str, removed_at: int | None, is_due: set[str], package: Package) -> None:
        """What is due was not loaded before; what is told as removed is not there."""
        item = ("sessions", session_id)
        if removed_at is not None:
            assert session_id not in self.api.sessions or self.appeared[session_id] == self.now, "not removed"
            return
        assert session_id not in is_due or item not in self.loaded or self.was_raised, "fetched twice"
        package.loaded.add(item)

    # -- what must be true --------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Quiet runs, as long as something waits; then all there is must be loaded."""
        for _ in range(3):
            self.now += DAY
            self.load(25, Tries(FOREVER, FOREVER))
        while waits := [retry["at"] for state in self.states.values() for retry in state["again"].values()]:
            self.now = max(self.now, min(waits))
            self.load(25, Tries(FOREVER, FOREVER))
        self.check_loads()
        self.check_removals()
        self.check_a_poll_without_news()

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """As committed."""
        return {
            name: {"again": {}, "listed_rows": {}, "gone": {}, **state}
            for name, state in json.loads(self.committed).items()
        }

    def check_loads(self) -> None:
        """Everything listed that turned up in time, and is wanted, was loaded by every resource."""
        for session_id, session in self.api.sessions.items():
            is_in_time = self.appeared[session_id] - session.start <= OVERLAP or self.appeared[session_id] < NOON
            if is_in_time and session.finish >= (self.floor or 0):
                for resource in RESOURCES:
                    item = (resource, session_id)
                    assert item in self.loaded | self.given_up, f"lost: {item}"

    def check_removals(self) -> None:
        """What is gone is marked, what is there is not, inside the overlap."""
        state = self.states["sessions"]
        border = Cursor(TestState(json.loads(json.dumps(state))), OVERLAP, self.floor).border or 0
        for session_id in state["listed_rows"].keys() - self.api.sessions.keys():
            was_inside = self.gone[session_id].start >= border
            assert session_id in state["gone"] or not was_inside or not self.is_honest or not self.api.sessions
        assert not state["gone"].keys() & self.api.sessions.keys()

    def check_a_poll_without_news(self) -> None:
        """One list request, and no other."""
        self.now += DAY  # so that the next deep look is a day away
        self.load(25, Tries(FOREVER, FOREVER))
        self.now += 5 * MINUTE
        before, loaded = len(self.api.asked), set(self.loaded)
        self.load(25, Tries(FOREVER, FOREVER))
        assert self.loaded == loaded
        assert len(self.api.asked) - before <= 1 + (not self.is_honest or not self.api.sessions)


TestHistory = History.TestCase
History.TestCase.settings = settings(
    max_examples=3000 if IS_LONG else 60,
    stateful_step_count=60 if IS_LONG else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
