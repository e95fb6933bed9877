"""How sure a number of so few people is: intervals with 95 % confidence. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, mean, stdev
from typing import NamedTuple

Z = NormalDist().inv_cdf(0.975)
SMALL, TINY = 30, 8


class Interval(NamedTuple):
    """Bounds between which the number of everybody like these participants lies, with 95 % confidence."""

    low: float
    high: float


def wilson(successes: int, n: int) -> Interval | None:
    """
    Of the share `successes` / `n`: Wilson's score interval; None without anybody.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), 209-212.
    """
    if n == 0:
        return None
    middle = (successes + Z * Z / 2) / (n + Z * Z)
    reach = Z * math.sqrt(successes * (n - successes) / n + Z * Z / 4) / (n + Z * Z)
    low = 0.0 if successes == 0 else middle - reach
    return Interval(low, 1.0 if successes == n else middle + reach)


def of_mean(values: Sequence[float]) -> Interval | None:
    """Of the mean of `values`: Student's t interval; None for fewer than two."""
    return None if len(values) < 2 else from_spread(mean(values), stdev(values), len(values))


def from_spread(average: float, deviation: float, n: int) -> Interval | None:
    """The same from the mean, the standard deviation (of a sample) and their n."""
    if n < 2:
        return None
    reach = student_t(n - 1) * deviation / math.sqrt(n)
    return Interval(average - reach, average + reach)


def student_t(freedom: int) -> float:
    """
    The 97.5 % quantile of Student's t with so many degrees of freedom, to three digits.

    Closed forms for 1 and 2, else the expansion around the normal quantile: R. A. Fisher and E. A. Cornish,
    Technometrics 2 (1960), 209-225.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z
    terms: tuple[float, ...] = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))


def of_median(values: Sequence[float]) -> Interval | None:
    """Of the median of `values`: the order statistics that hold it with at least 95 %; None for fewer than six."""
    n = len(values)
    below = _rank(n)
    if below is None:
        return None
    ordered = sorted(values)
    return Interval(ordered[below], ordered[n - 1 - below])


def _rank(n: int) -> int | None:
    """The most that may be cut off at each end: the binomial tails with p = 1/2 stay below 2.5 % each."""
    tail, cut = 0.0, -1
    for k in range(n // 2):
        # by logarithms: 2**n is too large for a float beyond a thousand
        tail += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
        if tail > 0.025:
            break
        cut = k
    return cut if cut >= 0 else None


def in_words(n: int) -> str:
    """What a reader should make of a sample of `n`."""
    if n < TINY:
        return (
            f"With {n} {'person' if n == 1 else 'people'} these numbers say what happened to them, not what happens to"
            " everybody. Read the quotes first."
        )
    if n < SMALL:
        return (
            f"{n} people are enough to see what goes wrong, and too few to say how often: look at the bounds, and do"
            " not take a difference between two numbers for real while their bounds overlap."
        )
    return f"{n} people: the bounds beside each number say how far it can be trusted."
