"""What the destination shows is read with few queries, however many tests there are."""

# ruff: noqa: ARG002 - the reader has these arguments
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usertesting_source.extract.known import Known
from usertesting_source.sync.loaded import FORGOTTEN, Loaded
from usertesting_source.sync.state import ResourceState

TESTS = [f"t{n}" for n in range(300)]


class Table:
    """A table of the destination that counts the questions."""

    def __init__(self) -> None:
        self.rows: dict[str, Loaded] = {}
        self.gone: dict[str, dict[str, Loaded]] = {}
        self.since_asked = self.these_asked = self.forgotten_asked = 0

    def since(self, table: str, windows: Mapping[str, int]) -> dict[str, dict[str, Loaded]]:
        self.since_asked += 1
        return {test: {i: one for i, one in self.rows.items() if i.startswith(f"{test}/")} for test in windows}

    def these(self, table: str, session_ids: Sequence[str]) -> dict[str, Loaded]:
        self.these_asked += 1
        return {name: self.rows[name] for name in session_ids if name in self.rows}

    def forgotten(self) -> dict[str, dict[str, Loaded]]:
        self.forgotten_asked += 1
        return self.gone

    def row(self, table: str, session_id: str) -> dict[str, Any] | None:
        raise AssertionError

    def newest_load(self) -> int:
        raise AssertionError

    def everything(self, table: str, test_id: str) -> set[str] | None:
        raise AssertionError


def look(known: Known, kept: ResourceState, tests: Sequence[str] = TESTS) -> dict[str, set[str]]:
    """What is shown of each test."""
    shown = {test: known.of("details", test, kept, lambda _: 0, lambda _: False) for test in tests}
    return {test: set(one.sessions) for test, one in shown.items()}


def load(table: Table, kept: ResourceState, test: str, number: int) -> None:
    """A session is settled, and will be committed."""
    state, name = kept.of(test), f"{test}/{number}"
    state.spans = [[0, 1]]
    state.settled[name] = 5
    table.rows[name] = Loaded(5, loaded_at=7)


def test_a_first_load_asks_once_a_package() -> None:
    """Nothing was loaded before, so nothing is read first; afterwards, what the package brought."""
    table, kept = Table(), ResourceState({})
    known = Known(table)
    for package in range(3):
        known.committed()
        shown = look(known, kept)
        assert all(len(names) == package for names in shown.values())
        for test in TESTS:
            load(table, kept, test, package)
    assert (table.since_asked, table.these_asked) == (0, 2)


def test_a_later_poll_reads_all_tests_at_once_and_then_what_is_new() -> None:
    """One query for what is there; a package without news asks for nothing."""
    table, kept = Table(), ResourceState({})
    for test in TESTS:
        load(table, kept, test, 1)
    known = Known(table)
    for _ in range(4):
        known.committed()
        look(known, kept)
    load(table, kept, "t7", 2)
    known.committed()
    assert look(known, kept)["t7"] == {"t7/1", "t7/2"}
    assert (table.since_asked, table.these_asked) == (1, 1)


def test_what_is_given_up_without_a_row_is_looked_for_once_a_poll() -> None:
    """It stays in the state, and costs no query with each package."""
    table, kept = Table(), ResourceState({})
    load(table, kept, "t1", 1)
    kept.of("t1").settled["t1/none"] = 5
    known = Known(table)
    for _ in range(5):
        known.committed()
        assert look(known, kept, ["t1"]) == {"t1": {"t1/1"}}
    assert (table.since_asked, table.these_asked) == (1, 1)
    assert known.of("details", "t1", kept, lambda _: 0, lambda _: False).confirmed == {"t1/1"}


def test_a_row_that_is_written_anew_is_read_anew() -> None:
    """A session that has changed is shown as it is now, once its package is committed."""
    table, kept = Table(), ResourceState({})
    load(table, kept, "t1", 1)
    known = Known(table)
    [shown] = [known.of("details", "t1", kept, lambda _: 0, lambda _: False)]
    shown.outdated("t1/1")
    table.rows["t1/1"] = Loaded(5, mark="new", loaded_at=8)
    known.committed()
    look(known, kept, ["t1"])
    assert shown.sessions["t1/1"].mark == "new"


def test_who_was_forgotten_stays_so_when_all_is_loaded_anew() -> None:
    """Settled for every resource of sessions, also where nothing counts as loaded; asked once a poll."""
    table, kept = Table(), ResourceState({})
    table.gone = {"t1": {"t1/1": Loaded(5, mark=FORGOTTEN)}}
    known = Known(table)
    for _ in range(3):
        known.committed()
        assert look(known, kept) == {test: {"t1/1"} if test == "t1" else set() for test in TESTS}
    assert known.of("sessions", "t1", kept, lambda _: 0, lambda _: False).sessions == {}
    assert table.forgotten_asked == 1
