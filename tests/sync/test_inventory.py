"""Sessions that are gone: when a listing proves it, and what is kept of them until then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_list import DAY, HOUR, NOON, FakeList, Session
from usertesting_source.sync.inventory import Times, compact, expand, removed
from usertesting_source.sync.listing import Listing, ListingReader

ROW = st.fixed_dictionaries(
    {"sessionId": st.uuids().map(str)},
    optional={
        "finishTime": st.none() | st.text(),
        "startTime": st.none() | st.text(),
        "audienceId": st.none() | st.text(),
        "status": st.text(),
        "mood": st.none() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.booleans()),
    },
)


def known(api: FakeList) -> Times:
    """When the sessions finished and started, once all are loaded."""
    return {session.session_id: (session.finish, session.start) for session in api.in_order}


def gone(rows: Times, listing: Listing, border: int | None = None) -> list[str]:
    """In the order of their ids."""
    return sorted(removed(rows, listing, border))


def read(api: FakeList, border: int | None = None) -> Listing:
    """The listing back to `border`."""
    return ListingReader(api.page).back_to(border)


@settings(max_examples=50)
@given(ROW)
def test_a_row_is_kept_small_and_comes_back_whole(row: dict[str, Any]) -> None:
    """Through JSON, with every field that the API sent, also those that are new tomorrow."""
    kept = json.loads(json.dumps(compact(row)))
    back = expand(row["sessionId"], kept)
    assert {key: value for key, value in back.items() if key in row} == row
    assert all(back[key] is None for key in back.keys() - row.keys())


def test_a_kept_row_has_no_names() -> None:
    """They would be most of the state."""
    row = Session("a", NOON, NOON - HOUR).row
    assert compact(row) == ["2024-11-21T12:00:00.000Z", "2024-11-21T11:00:00.000Z", None, "COMPLETE"]


def test_what_is_gone_from_a_complete_listing_is_removed() -> None:
    """And nothing else."""
    api = FakeList.of(30)
    rows = known(api)
    assert gone(rows, read(api)) == []
    api.remove(["s00003", "s00030"])
    assert gone(rows, read(api)) == ["s00003", "s00030"]


def test_what_is_older_than_the_border_is_not_noticed() -> None:
    """Neither one that started before: a list by start need not show it."""
    api = FakeList.of(1400)
    api.add(NOON, long=20 * HOUR, session_id="long")
    rows = known(api)
    api.remove(["s00005", "s01395", "long"])
    assert gone(rows, read(api, NOON - 10 * HOUR), NOON - 10 * HOUR) == ["s01395"]


def test_a_listing_that_was_read_to_its_end_proves_removals_of_any_age() -> None:
    """Most tests fit on one page, and so each look shows them whole."""
    api = FakeList.of(30)
    api.add(NOON, long=20 * HOUR, session_id="long")
    rows = known(api)
    api.remove(["s00005", "s00025", "long"])
    assert gone(rows, read(api), NOON - 10 * HOUR) == ["long", "s00005", "s00025"]


def test_what_is_behind_the_part_that_was_read_is_not_noticed() -> None:
    """One page of three says nothing about the others."""
    api = FakeList.of(2400)
    rows = known(api)
    api.remove(["s00001", "s01850", "s02399"])
    listing = read(api, NOON - 600 * HOUR)
    assert not listing.ended
    assert gone(rows, listing, NOON - 600 * HOUR) == ["s01850", "s02399"]
    assert gone(rows, read(api, 2**62), NOON - 600 * HOUR) == []


@pytest.mark.parametrize(
    "doubt",
    [{"complete": False}, {"complete": False, "gaps": True}, {"sessions": ()}, {"sessions": (), "total": 0}],
)
def test_a_listing_in_doubt_proves_nothing(doubt: dict[str, Any]) -> None:
    """One whose pages do not fit, or that is suddenly empty."""
    api = FakeList.of(30)
    rows = known(api)
    api.remove(["s00003"])
    assert gone(rows, replace(read(api), **doubt)) == []


@pytest.mark.parametrize("times", [(None, None), (None, NOON)])
def test_a_session_without_times_is_only_missed_where_all_is_read(times: tuple[int | None, int | None]) -> None:
    """Nobody knows where it would stand."""
    api = FakeList.of(1400)
    assert gone({"x": times}, read(api, NOON - 10 * DAY)) == []
    assert gone({"x": times}, read(api)) == ["x"]
