"""Which words tell one group from another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.explore.keyness import STRONG, key_words, log_odds, words

people = st.lists(st.sets(st.sampled_from(["price", "button", "search", "lamp", "delivery"])), max_size=25)


@given(people, people)
def test_only_words_of_two_people_and_a_clear_difference(here: list[set[str]], there: list[set[str]]) -> None:
    """With the counts that can be checked by hand, the most telling word first."""
    found = key_words(here, there)
    assert [one.z for one in found] == sorted((one.z for one in found), reverse=True)
    for one in found:
        assert one.here == sum(one.word in used for used in here) >= 2
        assert one.there == sum(one.word in used for used in there)
        assert one.z >= STRONG


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_other_group_sees_the_opposite(here: int, there: int) -> None:
    """Log-odds change their sign with the sides, and are nothing for equal groups."""
    assert log_odds(here, 30, there, 30) == pytest.approx(-log_odds(there, 30, here, 30))
    assert log_odds(here, 30, here, 30) == 0


def test_a_known_difference() -> None:
    """Six of six against two of twelve: ln(6.5/0.5) - ln(2.5/10.5), by its standard error."""
    assert log_odds(6, 6, 2, 12) == pytest.approx((2.56495 + 1.43508) / 1.62760, abs=1e-3)


def test_a_talker_counts_once() -> None:
    """However often a word is said, it is one person's; case, digits and short words make no difference."""
    assert words(["Where? WHERE, where!", "It is 14 days"]) == {"where", "days"}
