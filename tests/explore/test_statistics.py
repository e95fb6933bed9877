"""Intervals: what they must hold for any data, and figures from tables that everybody has."""

from __future__ import annotations

from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.explore.statistics import in_words, of_mean, of_median, student_t, wilson

counts = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)


@given(counts)
def test_a_share_lies_within_its_bounds(found: tuple[int, int]) -> None:
    """Which never leave 0 to 1, and are never of no width, also where all agree."""
    successes, n = found
    bounds = wilson(successes, n)
    assert bounds is not None
    assert 0 <= bounds.low <= successes / n <= bounds.high <= 1
    assert bounds.low < bounds.high


@given(counts)
def test_failures_have_the_mirror_s_bounds(found: tuple[int, int]) -> None:
    """Whether one counts successes or failures makes no difference."""
    successes, n = found
    one, other = wilson(successes, n), wilson(n - successes, n)
    assert one is not None
    assert other is not None
    assert one.low == pytest.approx(1 - other.high)


@given(counts)
def test_more_people_make_a_share_surer(found: tuple[int, int]) -> None:
    """The same share of ten times as many has narrower bounds."""
    successes, n = found
    few, many = wilson(successes, n), wilson(10 * successes, 10 * n)
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low


def test_known_shares() -> None:
    """Newcombe's examples (Statistics in Medicine 17, 1998): 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    known = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (successes, n), bounds in known.items():
        assert wilson(successes, n) == pytest.approx(bounds, abs=5e-5)
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)]
)
def test_student_s_quantiles(freedom: int, quantile: float) -> None:
    """As in any table, to two digits for three people and to three from there."""
    assert student_t(freedom) == pytest.approx(quantile, abs=0.02 if freedom == 3 else 0.004)


@given(values)
def test_a_mean_lies_within_its_bounds(found: list[float]) -> None:
    """In their middle."""
    bounds = of_mean(found)
    assert bounds is not None
    assert (bounds.low + bounds.high) / 2 == pytest.approx(mean(found), abs=1e-3)


@given(st.lists(st.floats(0, 1e4), max_size=200))
def test_a_median_lies_within_bounds_that_somebody_had(found: list[float]) -> None:
    """From six people on; the bounds are values that occurred."""
    bounds = of_median(found)
    if len(found) < 6:
        assert bounds is None
    else:
        assert bounds is not None
        assert bounds.low <= median(found) <= bounds.high
        assert {bounds.low, bounds.high} <= set(found)


def test_known_ranks_of_a_median() -> None:
    """Of ten values the second and the ninth, of twenty-five the eighth and the eighteenth; no overflow."""
    assert of_median(list(range(1, 11))) == (2, 9)
    assert of_median(list(range(1, 26))) == (8, 18)
    assert of_median(list(range(10_000))) is not None


@pytest.mark.parametrize(
    ("n", "said"), [(1, "1 person"), (5, "quotes first"), (18, "too few to say how often"), (60, "bounds")]
)
def test_small_samples_say_so_in_words(n: int, said: str) -> None:
    """What five people, eighteen and sixty are good for."""
    assert said in in_words(n)
