"""How it is found out what a test of unknown kind has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_list import HOUR, NOON
from usertesting_source.sync import kinds
from usertesting_source.sync.again import Due
from usertesting_source.sync.state import TestState

DUE = [Due(f"s{i}", NOON + i * HOUR) for i in range(9)]


def retry(why: str) -> dict[str, Any]:
    """A session that is asked for again."""
    return {"time": NOON, "tries": 1, "at": NOON, "since": NOON, "until": NOON, "why": why, "summary": {}}


def asked(state: dict[str, Any], total: int = 9) -> list[str]:
    """Which sessions are asked."""
    left = [due for due in DUE if due.session_id not in state.get("again", {})]
    return [due.session_id for due in kinds.probes(TestState(state), left, total)]


def test_the_oldest_the_newest_and_the_middle_one_are_asked() -> None:
    """All are, once one was there."""
    assert asked({}) == ["s0", "s8", "s4"]
    assert asked({"has_some": True}) == [due.session_id for due in DUE]


@pytest.mark.parametrize("why", ["waiting", "watching"])
def test_a_probe_that_was_not_there_keeps_its_place(why: str) -> None:
    """Until it is given up, and then, too."""
    again = {"s0": retry(why), "s4": retry(why)}
    assert len(asked({"again": dict(again)})) == 1
    assert len(asked({"again": dict(again), "probes_missed": 1})) == 0
    assert kinds.are_out(TestState({"again": again, "probes_missed": 1}))


def test_a_probe_that_failed_gives_its_place_to_another() -> None:
    """A failure says nothing about the kind."""
    again = {"s0": retry("failed"), "s4": retry("failed"), "s8": retry("failed")}
    assert asked({"again": dict(again)}) == ["s1", "s7", "s5"]
    assert not kinds.are_out(TestState({"again": again}))


def test_one_is_asked_of_a_test_that_had_none_and_has_grown_tenfold() -> None:
    """The newest; another one, if that one failed; none while one is waited for."""
    assert asked({"barren_total": 1, "probes_missed": 3}) == []
    assert asked({"barren_total": 1, "probes_missed": 3}, total=10) == ["s8"]
    assert asked({"barren_total": 1, "probes_missed": 3, "again": {"s8": retry("failed")}}, total=10) == ["s7"]
    assert asked({"barren_total": 1, "probes_missed": 3, "again": {"s8": retry("waiting")}}, total=10) == []
