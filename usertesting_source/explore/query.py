"""What a user types to search, as SQLite's full-text search wants it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MARK = "\u200b"
"""Stands, unseen, between the characters of a language that writes without blanks, so that each counts as a word."""

_TOKEN = re.compile(r'"[^"]*"?|[()]|[^\s()"]+')
_NO_BLANKS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]"
)
DEEPEST = 50
_OPERATORS = {"AND", "OR", "NOT"}


class SearchSyntaxError(ValueError):
    """The words cannot be searched for; says why."""


def spaced(text: str) -> str:
    """`text` with a mark after each character of a language that writes without blanks."""
    return _NO_BLANKS.sub(rf"\g<0>{MARK}", text)


def fts_query(words: str) -> str:
    """
    The query for SQLite's FTS5.

    `words` are words that must all occur, "phrases", begin* of words, AND, OR, NOT (or -word) and parentheses;
    punctuation within a word makes it a phrase, as in e-mail.

    Raises:
        SearchSyntaxError: nothing to search for, or an operator or a parenthesis that stands alone.

    """
    if words.count("(") > DEEPEST:
        raise SearchSyntaxError(f"more than {DEEPEST} parentheses")
    readable = re.sub(r"[\x00-\x1f]", " ", words).encode(errors="replace").decode()
    parser = _Parser(list(_tokens(readable)))
    query = parser.either()
    if parser.next is not None:
        raise SearchSyntaxError(f"`{parser.next}` has nothing before it that it belongs to")
    return query


def _tokens(words: str) -> Iterator[str]:
    for part in _TOKEN.findall(words):
        if part.startswith("-") and len(part) > 1:
            yield "NOT"
            part = part[1:]  # noqa: PLW2901 - the rest of it
        if part in _OPERATORS or part in "()" or _term(part):
            yield part


def _term(part: str) -> str:
    """A word or a phrase in FTS5's quotes; empty when it has neither letter nor digit."""
    text = part.strip('"')
    if not any(unicodedata.category(letter)[0] in "LN" for letter in text):
        return ""
    begins = not part.startswith('"') and text.endswith("*")
    return f'"{spaced(text.rstrip("*"))}"{"*" if begins else ""}'


class _Parser:
    """By descent: OR binds less than AND, this less than NOT; words beside each other are joined by AND."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    @property
    def next(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def either(self) -> str:
        parts = [self._all()]
        while self.next == "OR":
            self._tokens.pop(0)
            parts.append(self._all())
        return _joined(" OR ", parts)

    def _all(self) -> str:
        parts = [self._without()]
        while self.next not in (None, "OR", ")"):
            if self.next == "AND":
                self._tokens.pop(0)
            parts.append(self._without())
        return _joined(" AND ", parts)

    def _without(self) -> str:
        query, others = self._one(), []
        while self.next == "NOT":
            self._tokens.pop(0)
            others.append(self._one())
        return f"({query} NOT {_joined(' OR ', others)})" if others else query

    def _one(self) -> str:
        part = self._tokens.pop(0) if self._tokens else None
        if part is None:
            raise SearchSyntaxError("a word is missing: give words to search for, and after an operator what it is for")
        if part == "NOT":
            raise SearchSyntaxError("NOT needs something before it: words NOT others")
        if part in _OPERATORS or part == ")":
            raise SearchSyntaxError(f"`{part}` stands where a word is expected; in quotes it is one")
        if part != "(":
            return _term(part)
        query = self.either()
        if self.next != ")":
            raise SearchSyntaxError("a parenthesis is not closed")
        self._tokens.pop(0)
        return query


def _joined(operator: str, parts: list[str]) -> str:
    """FTS5 takes many of them beside each other, but not as many within each other."""
    return parts[0] if len(parts) == 1 else f"({operator.join(parts)})"
