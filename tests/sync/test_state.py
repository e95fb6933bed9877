"""What is kept between runs: one owner of its keys, and versions."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from usertesting_source.errors import StateError
from usertesting_source.sync.state import ResourceState, TestState

PACKAGE = Path(__file__).parents[2] / "usertesting_source"
NOON = 1_732_190_400_000


def of_version_1() -> dict[str, Any]:
    """A state as version 0.1 wrote it."""
    retry = {"time": 1, "tries": 2, "at": 3, "since": 4, "until": 5, "why": "failed", "summary": {}}
    kept = {
        "done": [[0, NOON]],
        "settled": {"a": NOON},
        "again": {"b": retry},
        "total": 7,
        "deep": NOON,
        "quiet": NOON,
        "failing": retry,
        "said": "the API repeats a page",
        "found": True,
        "misses": 2,
        "missed": {"c": 1},
        "barren": 40,
        "asking": retry,
        "seen": [7, NOON],
        "marks": {"g": ["abc", NOON]},
        "rows": {"a": [None, None, None, "COMPLETE"]},
        "gone": {"a": NOON},
        "row": "def",
        "study": ["w", {"title": "Shop"}],
    }
    return {"version": 1, "tests": {"t": kept}, "tell": [{"status": "failed"}]}


def test_a_state_of_version_0_1_is_read() -> None:
    """Every key has its new name, and nothing is due again."""
    data = of_version_1()
    before = dict(data["tests"]["t"])
    state = ResourceState(data)
    kept = state.of("t")
    assert (kept.spans, kept.settled_total, kept.deep_at, kept.quiet_at) == ([[0, NOON]], 7, NOON, NOON)
    assert (kept.listing_problem, kept.has_some, kept.probes_missed) == ("the API repeats a page", True, 2)
    assert (kept.given_up_since, kept.barren_total, kept.answered_for) == ({"c": 1}, 40, [7, NOON])
    assert (kept.test_retry, kept.listing_retry) == (before["asking"], before["failing"])
    assert (kept.score_marks, kept.test_mark, kept.study) == (before["marks"], "def", before["study"])
    assert (kept.listed_rows, kept.gone, kept.again) == (before["rows"], before["gone"], before["again"])
    assert len(kept.data) == len(before)
    assert (data["version"], state.to_tell) == (2, [{"status": "failed"}])


def test_a_state_of_a_newer_version_is_refused() -> None:
    """What it means is not known here; the error says what to do."""
    with pytest.raises(StateError, match=r"version 3.*Install the usertesting-source that wrote it"):
        ResourceState({"version": 3})


def test_nobody_else_knows_the_keys() -> None:
    """Every key of the state is a text in `sync/state.py`, and a subscript nowhere else."""
    keys = {field._key for field in vars(TestState).values() if hasattr(field, "_key")}
    assert len(keys) == 24
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.slice.value!r}"
        for room in ("sync", "extract", "warehouse")
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "state.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in keys
    ]
    assert found == []


def test_full_forgets_what_is_loaded_and_keeps_what_is_open() -> None:
    """Retries are due now; cursors are gone; scores that were told, and what a workspace said, stay."""
    state = ResourceState(of_version_1()).of("t")
    state.forget(NOON)
    assert state.spans == []
    assert (state.settled, state.settled_total, state.has_some, state.test_mark) == ({}, None, None, None)
    assert [state.again["b"]["at"], state.listing_retry and state.listing_retry["at"]] == [NOON, NOON]
    assert (state.score_marks, state.study) == ({"g": ["abc", NOON]}, ["w", {"title": "Shop"}])
