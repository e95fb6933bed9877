"""What a user types becomes a query that SQLite takes, or a sentence that says why not."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usertesting_source.explore.query import SearchSyntaxError, fts_query, spaced

TEXTS = [
    "Free shipping, that is great",
    "The e-mail did not come",
    "El envío es GRATIS",
    "カートが見つからない",
    "ไม่เห็นปุ่มชำระเงิน",
    "It is confusing; I was confused by the button",
    "It cost 3.50, which is fine",
]


def found(words: str) -> list[int]:
    """Which of the texts are found."""
    with closing(sqlite3.connect(":memory:")) as index:
        index.execute("create virtual table words using fts5 (text, tokenize = 'unicode61 remove_diacritics 2')")
        index.executemany("insert into words (text) values (?)", [(spaced(text),) for text in TEXTS])
        query = "select rowid - 1 from words where words match ? order by 1"
        return [row[0] for row in index.execute(query, (fts_query(words),))]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("shipping free", [0]),
        ('"shipping free"', []),
        ('"free shipping"', [0]),
        ("FREE", [0]),
        ("confus*", [5]),
        ("confus", []),
        ("envio", [2]),
        ("gratis OR free", [0, 2]),
        ("is NOT fine", [0, 5]),
        ("is -fine NOT (gratis OR button)", [0]),
        ("(gratis OR free) shipping", [0]),
        ("e-mail", [1]),
        ("3.50", [6]),
        ("見つから", [3]),
        ("カート", [3]),
        ("カ見", []),
        ("ปุ่ม", [4]),
        ('"OR" OR "カート" ...', [3]),
        ("free AND shipping AND great", [0]),
    ],
)
def test_words_find(words: str, texts: list[int]) -> None:
    """Phrases, beginnings, operators; accents and case folded; languages that write without blanks."""
    assert found(words) == texts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "a word is missing"),
        ("!!! ...", "a word is missing"),
        ("free AND", "a word is missing"),
        ("NOT free", "NOT needs something before it"),
        ("OR free", "`OR` stands where a word is expected"),
        ("(free", "a parenthesis is not closed"),
        ("free)", "nothing before it"),
    ],
)
def test_what_cannot_be_searched_for_is_said(words: str, said: str) -> None:
    """In a few words."""
    with pytest.raises(SearchSyntaxError, match=said.replace("(", r"\(")):
        fts_query(words)


@given(
    st.text()
    | st.lists(st.sampled_from(["free", "AND", "OR", "NOT", "(", ")", '"', "a*", "-b", "*", "送料"])).map(" ".join)
)
@example('"')
@example("a\x00b")
@example('-"a"*')
@example("(" * 5000)
@example("a\ud800b")
@example(" ".join(["a"] * 3000))
@example(" OR ".join(["a"] * 200) + " -b" * 3000)
def test_any_text_is_a_query_or_a_sentence(words: str) -> None:
    """SQLite never complains."""
    with suppress(SearchSyntaxError):
        found(words)


@given(st.text())
def test_marks_go_as_they_came(text: str) -> None:
    """What is shown is what was said."""
    unmarked = text.replace("\u200b", "")
    assert spaced(unmarked).replace("\u200b", "") == unmarked
