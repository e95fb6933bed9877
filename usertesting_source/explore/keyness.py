"""Which words tell one group of people from another: log-odds over how many used each word. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001 - both apostrophes
_SHORTEST = 3
LEAST = 2
STRONG = 1.96
"""So many standard errors from equal odds."""


class KeyWord(NamedTuple):
    """
    A word, and how many people of each group used it.

    Attributes:
        word: in lower case.
        here, there: people who used it, of the one group and of the other.
        z: the difference of the log-odds, in its standard errors; above 0: more in the one group.

    """

    word: str
    here: int
    there: int
    z: float


def words(texts: Iterable[str]) -> set[str]:
    """The different words of a person's `texts`, in lower case."""
    return {word for text in texts for word in _WORD.findall(text.lower()) if len(word) >= _SHORTEST}


def log_odds(here: int, n_here: int, there: int, n_there: int) -> float:
    """
    How far the odds of using a word differ, in standard errors.

    Half a person is added to each of the four counts, so that a count of zero is a small one and no infinite one
    (J. B. S. Haldane, Annals of Human Genetics 20, 1956, 309-311).
    """
    cells = (here + 0.5, n_here - here + 0.5, there + 0.5, n_there - there + 0.5)
    difference = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
    return difference / math.sqrt(sum(1 / cell for cell in cells))


def key_words(here: Sequence[set[str]], there: Sequence[set[str]], most: int = 12) -> list[KeyWord]:
    """
    The words that those of `here` used and those of `there` did not use as much, the most telling first (of equal ones
    the longest).

    Each person counts once, however often they say a word: one talker is no group. Only words that at least two people
    used, and whose odds differ by about two standard errors or more.

    Args:
        here, there: the words of each person of a group.
        most: so many at most.

    """
    counts, others = _counted(here), _counted(there)
    found = (
        KeyWord(word, count, others[word], log_odds(count, len(here), others[word], len(there)))
        for word, count in counts.items()
        if count >= LEAST
    )
    telling = [one for one in found if one.z >= STRONG]
    return sorted(telling, key=lambda one: (-one.z, -one.here, -len(one.word), one.word))[:most]


def _counted(people: Sequence[set[str]]) -> Counter[str]:
    return Counter(word for used in people for word in used)
