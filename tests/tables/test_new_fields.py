"""Fields that no table declares: which become columns, and that the others are kept."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

import dlt
import pytest
from dlt.common.schema.detections import is_iso_timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from usertesting_source.tables.new_fields import MOST, NewFields

TASKS = "session_details__tasks"


def placed(found: dict[str, Any], taken: tuple[str, ...] = ()) -> dict[str, Any]:
    return NewFields().placed("sessions", {(name,): value for name, value in found.items()}, taken)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("PHONE", "PHONE"),
        ("", ""),
        ("18-24", "18-24"),
        (5, 5.0),
        (0.5, 0.5),
        (True, True),
        (False, False),
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=timezone.utc)),
    ],
)
def test_a_simple_value_is_a_column(value: object, held: object) -> None:
    """A field that the API adds lands under its own name, in snake case; a number may have fractions one day."""
    row = placed({"deviceType": value})
    assert row == {"device_type": held}
    assert type(row["device_type"]) is type(held)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", {"os": "any"}),
        ("device", []),
        ("device", [1]),
        (str(uuid.UUID(int=7**40)), "x"),
        (uuid.UUID(int=7**40).hex, "x"),
        ("a" * 61, "x"),
        ("what I answered", "x"),
        ("gr\u00f6\u00dfe", "x"),
        ("_dlt_id", "x"),
        ("answer_json__v_text", "x"),
        ("", "x"),
        ("7th", "x"),
        ("device", 2**53 + 1),
        ("device", "2026-02-30T00:00:00Z"),
        ("device", "2026-060T00:00:00Z"),
    ],
)
def test_everything_else_is_kept_as_json(name: str, value: object) -> None:
    """Objects, lists, and names that are rather ids or sentences are in extra_json, under the API's name."""
    assert placed({name: value}) == {"extra_json": {name: value}}


def test_nulls_say_nothing() -> None:
    """A new field that is null is no field."""
    assert placed({"device": None, "odd name": None}) == {}


def test_names_that_collide_lose_nothing() -> None:
    """Of names that give one column the first has it; nobody gets a column that the row has."""
    assert placed({"newField": 1, "new_field": 2, "NewField": 3, "testId": 4, "extraJson": 5}, ("test_id",)) == {
        "new_field": 1,
        "extra_json": {"new_field": 2, "NewField": 3, "testId": 4, "extraJson": 5},
    }


def test_a_table_has_room_for_a_number_of_columns() -> None:
    """However many names come, in one row or in many; those that have a column keep it, and tables do not share."""
    fields = NewFields()
    names = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    for name in names:
        fields.placed("sessions", {(name,): 1}, ())
    again = fields.placed("sessions", {(name,): 1 for name in names}, ())
    assert again.keys() == {*names[:MOST], "extra_json"}
    assert again["extra_json"].keys() == set(names[MOST:])
    assert fields.placed(TASKS, {("zz",): 1}, ()) == {"zz": 1}


def test_what_the_warehouse_has_counts() -> None:
    """Columns of earlier runs take room, and are used again; the declared ones, and dlt's, do not count."""
    fields = NewFields()
    names = ["session_id", "_dlt_id", "mood__v_text", *(f"c{'x' * n}" for n in range(1, MOST)), "mood"]
    fields.know("sessions", dict.fromkeys(names, "bigint"))
    assert fields.placed("sessions", {("mood",): 1, ("device",): 2}, ()) == {"mood": 1, "extra_json": {"device": 2}}


def test_a_column_keeps_its_type() -> None:
    """A value of another type is kept beside it: a date in a text, a text in numbers, a fraction in whole numbers."""
    fields = NewFields()
    fields.know("sessions", {"whole": "bigint"})
    values = {
        "note": ("said", 5, True, "2026-03-01T12:00:00Z"),
        "at": ("2026-03-01T12:00:00Z", "noon", 1772366400000),
        "score": (5, "5", True, 10**30),
        "seen": (True, 1, "yes"),
        "whole": (5, 5.5, "5", True),
    }
    for name, (fits, *others) in values.items():
        assert fields.placed("sessions", {(name,): fits}, ()).keys() == {name}
        for other in others:
            assert fields.placed("sessions", {(name,): other}, ()) == {"extra_json": {name: other}}


def test_a_field_inside_an_object_is_named_after_both() -> None:
    """Only what is in a task's response stands beside the task's own fields."""
    assert NewFields().placed("session_details", {("sessionParticipant", "country"): "NO"}, ()) == {
        "session_participant__country": "NO"
    }
    found = {("pace",): 1, ("response", "pace"): 2, ("response", "mood"): 3, ("response", "list"): [4]}
    assert NewFields().placed(TASKS, found, ()) == {
        "pace": 1,
        "mood": 3,
        "extra_json": {"response": {"pace": 2, "list": [4]}},
    }


@given(st.text() | st.from_regex(r"[0-9]{2,4}-?[0-9WT:. /-]{0,12}[Z+]?[0-9]{0,4}", fullmatch=True))
@example("2026/03/01 12:00")
@example("00930:05")
@example("20260301T12")
@example("2026-W09-5T12:00")
@example("2026-060T00:00:00Z")
def test_texts_that_dlt_would_take_for_times_are_no_texts(value: str) -> None:
    """Then their column would be one of times, and the next text would not fit."""
    for held in placed({"device": value}).values():
        assert not (isinstance(held, str) and is_iso_timestamp(str, held))


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_]{1,4}[A-Za-z0-9_ ]{0,8}", fullmatch=True) | st.text(max_size=6), st.integers()
    )
)
def test_columns_are_named_as_dlt_names_them(found: dict[str, int]) -> None:
    """What is passed on is a name that dlt leaves as it is, so no two fields meet in one column."""
    naming = dlt.Schema("any").naming
    row = placed(found, ("session_id", "a", "b"))
    extra = row.pop("extra_json", {})
    assert all(naming.normalize_path(name) == name for name in row)
    assert row.keys().isdisjoint({"session_id", "a", "b"})
    assert sorted([*row.values(), *extra.values()]) == sorted(found.values())
