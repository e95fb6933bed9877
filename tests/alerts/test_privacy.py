"""What a quote may hold when it leaves the warehouse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.alerts.privacy import masked


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("mail me at ana.b+shop@example.co.uk please", "mail me at [e-mail] please"),
        ("call 030 1234567.", "call [phone]."),
        ("it is +49 (0)30 123-45-67", "it is [phone]"),
        ("my card is 4111 1111 1111 1111, yes", "my card is [card], yes"),
        ("<v Maria Example>I was lost</v>", "I was lost"),
        ("<v.loud Maria Example>I was lost", "I was lost"),
    ],
)
def test_what_points_to_a_person_is_masked(words: str, told: str) -> None:
    """Addresses, phone and card numbers, and the name in a voice tag."""
    assert masked(words) == told


@pytest.mark.parametrize(
    "words",
    ["it cost 1,299.00 euros", "in 2024 I paid 12.50", "on 2024-11-21 it broke", "3 of 5, then 10 of 10", "a < b > c"],
)
def test_other_numbers_stay(words: str) -> None:
    """Prices, dates and ratings are what a quote is about."""
    assert masked(words) == words


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_address_is_masked_among_any_words(before: str, after: str) -> None:
    """Whatever stands around it."""
    assert "ana@example.org" not in masked(f"{before} ana@example.org {after}")
