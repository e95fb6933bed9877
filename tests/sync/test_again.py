"""When to ask again, and when to stop: one rule for what failed, is not there yet, or may grow."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_list import NOON
from usertesting_source.sync.again import (
    DAY,
    GIVE_UP_AFTER,
    HOUR,
    LAST_TEST_RETRY,
    MINUTE,
    NEVER,
    PACES,
    Due,
    deadline,
    is_due,
    missing,
    retry_after,
    waits,
)
from usertesting_source.sync.listing import Listed, Listing
from usertesting_source.sync.state import Retry, Why

WAIT_HOURS = 72
WHYS = st.sampled_from(["waiting", "failed", "watching"])
PAUSES = st.one_of(st.integers(0, HOUR), st.integers(0, 20 * DAY))


def tries(why: Why, time: int, pauses: list[int] | None = None) -> list[int]:
    """When a session is asked for that answers the same each time: ms since the first try."""
    now, before, found = NOON, None, []
    for pause in pauses or [0] * 60:
        found.append(now - NOON)
        due = Due("a", time, since=before["since"] if before else None)
        before = retry_after(before, time, now, why, deadline(due, why, now, WAIT_HOURS))
        if before is None:
            return found
        now = before["at"] + pause
    raise AssertionError("never given up")


def test_what_fails_is_tried_for_two_weeks() -> None:
    """5, 15, 45 minutes after one another and so on, then once a day, and once more at the end."""
    found = tries("failed", NOON - HOUR)
    assert [after // MINUTE for after in found[:5]] == [0, 5, 20, 65, 200]
    assert {later - earlier for earlier, later in pairwise(found[8:-1])} == {DAY}
    assert found[-1] == GIVE_UP_AFTER


def test_what_is_not_there_yet_is_tried_until_its_time_is_over() -> None:
    """So long after the session finished."""
    assert tries("waiting", NOON - HOUR)[-1] == 71 * HOUR


@pytest.mark.parametrize("age", [WAIT_HOURS * HOUR, 4 * DAY, 400 * DAY])
def test_what_should_have_been_there_is_looked_for_twice_a_day_apart(age: int) -> None:
    """No delays of minutes: it is old already."""
    assert tries("waiting", NOON - age) == [0, DAY]


def test_a_second_look_that_comes_early_is_not_the_last() -> None:
    """As with `--full`, which makes everything due."""
    first = retry_after(None, NOON - 9 * DAY, NOON, "waiting", NOON - 6 * DAY)
    assert first
    early = retry_after(first, NOON - 9 * DAY, NOON + MINUTE, "waiting", NOON - 6 * DAY)
    assert early
    assert early["at"] == NOON + DAY
    assert retry_after(early, NOON - 9 * DAY, NOON + DAY, "waiting", NOON - 6 * DAY) is None


def test_what_failed_before_it_was_not_there_is_looked_for_once_more() -> None:
    """Its time is over, but it was never looked for with an answer; turns of both end after two weeks, too."""
    time, before, now, count = NOON - 9 * DAY, None, NOON, 0
    while count < 100:
        why: Why = "waiting" if count % 2 else "failed"
        due = Due("a", time, since=before["since"] if before else None)
        before = retry_after(before, time, now, why, deadline(due, why, now, WAIT_HOURS))
        if before is None:
            break
        now, count = before["at"], count + 1
    assert count > 2
    assert now - NOON <= GIVE_UP_AFTER + 2 * DAY


def test_what_is_loaded_is_looked_at_three_more_times() -> None:
    """1, 4 and 13 days later, if it finished within two weeks before the first look."""
    assert tries("watching", NOON - 13 * DAY) == [0, DAY, 4 * DAY, 13 * DAY]
    assert tries("watching", NOON - 14 * DAY) == [0]


@pytest.mark.parametrize(("why", "other"), [("failed", "watching"), ("watching", "failed"), ("watching", "waiting")])
def test_a_look_for_more_is_no_try_that_went_wrong(why: Why, other: Why) -> None:
    """Neither is counted for the other."""
    before = retry_after(None, NOON, NOON, other, NOON + 9 * DAY)
    after = retry_after(before, NOON, NOON + HOUR, why, NOON + 9 * DAY)
    assert after
    assert (after["tries"], after["since"]) == (1, NOON + HOUR)


@given(why=WHYS, age=st.integers(-40 * DAY, 40 * DAY), pauses=st.lists(PAUSES, min_size=80, max_size=80))
def test_everything_comes_to_an_end(why: Why, age: int, pauses: list[int]) -> None:
    """However late the tries are made, and whatever the session's clock said, the state is bounded."""
    found = tries(why, NOON - age, pauses)
    assert found[-1] <= GIVE_UP_AFTER + max(pauses) + DAY


@given(
    why=WHYS,
    again=st.booleans(),
    ahead=st.integers(-40 * DAY, 400 * DAY),
    age=st.integers(-40 * DAY, 40 * DAY),
    pauses=st.lists(PAUSES, max_size=8),
)
def test_no_try_is_planned_further_ahead_than_its_longest_delay(
    why: Why, again: bool, ahead: int, age: int, pauses: list[int]
) -> None:
    """Also when clocks jump; and what a clock that was ahead planned is due now."""
    before: Retry | None = None
    if again:
        before = retry_after(None, NOON - age, NOON + ahead, why, NOON + ahead + 13 * DAY)
        assert before is None or is_due(before, NOON) or before["at"] - NOON <= PACES[why].longest
    now = NOON
    for pause in pauses:
        due = Due("a", NOON - age, since=before["since"] if before else None)
        before = retry_after(before, NOON - age, now, why, deadline(due, why, now, WAIT_HOURS))
        if before is None:
            return
        assert 0 <= before["at"] - now <= PACES[why].longest
        assert before["since"] <= now
        assert before["until"] <= now + GIVE_UP_AFTER or why == "waiting"
        assert json.loads(json.dumps(before)) == before
        now += pause


def test_a_test_that_cannot_be_listed_is_tried_within_the_hour() -> None:
    """A clock that was ahead by more than that does not postpone it."""
    retry = retry_after(None, NOON, NOON + 30 * DAY, "failed", NEVER, LAST_TEST_RETRY)
    assert retry
    assert is_due(retry, NOON, LAST_TEST_RETRY)
    assert not is_due(retry, NOON + 30 * DAY, LAST_TEST_RETRY)
    assert is_due(retry, NOON + 30 * DAY + 5 * MINUTE, LAST_TEST_RETRY)


def test_what_is_watched_is_not_waited_for() -> None:
    """A test may rest meanwhile."""
    watched = retry_after(None, NOON, NOON, "watching", NOON + 14 * DAY)
    failed = retry_after(None, NOON, NOON, "failed", NOON + 14 * DAY)
    assert watched
    assert failed
    assert not waits({"a": watched})
    assert waits({"a": watched, "b": failed})


@pytest.mark.parametrize(
    ("completes", "total", "ended", "left_out"),
    [(3, 3, True, 0), (2, 3, True, 1), (9, 3, True, 0), (None, 3, True, 0), (3, 99, True, 0), (3, 99, False, 96)],
)
def test_an_answer_is_whole_when_it_counts_what_is_listed(
    completes: int | None, total: int, ended: bool, left_out: int
) -> None:
    """A listing that was read to its end is believed more than its count; no count says nothing."""
    sessions = tuple(Listed(str(i), NOON, {}) for i in range(3))
    listing = Listing(sessions, total, None, complete=True, ended=ended)
    assert missing(completes, listing) == left_out
