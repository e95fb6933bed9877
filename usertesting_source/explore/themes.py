"""
A codebook: themes, each with words or patterns by which it is known, become the view `themes`.

In `.dlt/config.toml`, section `explore.themes`:

    price = ["price", "expensive", "cost*"]     # words, and beginnings of words
    lost = ["can not find", "/where (is|are)/"]  # words in a row, and patterns between slashes
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from ..config import wrong
from .query import spaced
from .reading import Data
from .settings import table, texts

SECTION = "explore.themes"
QUOTES = 3

_LETTER = r"\p{L}\p{M}\p{N}"
_VIEW = """
create or replace temp view themes as
with said as (
    select session_id, test_id, participant_id, task_number, task_uuid, words as text, 'written' as kind from verbatims
    union all
    select c.session_id, d.test_id, d.participant_id, t.task_number, t.task_uuid, c.text, 'said' as kind
    from transcripts__cues as c
    join session_details as d on d.session_id = c.session_id
    left join sessions as s on s.session_id = c.session_id
    left join session_details__tasks as t on t.session_id = c.session_id
        and (c.start_ms + c.end_ms) / 2 >= t.start_time_ms and (c.start_ms + c.end_ms) / 2 < t.end_time_ms
    where s.removed_at is null
), codebook as (
    select unnest({themes}::text[]) as theme, unnest({patterns}::text[]) as pattern
), mentions as (
    select b.theme, x.*, coalesce(x.participant_id, x.session_id) as person
    from said as x join codebook as b on regexp_matches(strip_accents(lower(x.text)), b.pattern)
), people as (
    select test_id, count(distinct coalesce(participant_id, session_id)) as people from session_details group by test_id
)
select m.theme, m.test_id, coalesce(n.title, m.test_id) as test_title, m.task_number, m.task_uuid,
       count(distinct m.person) as people, any_value(p.people) as of_people, count(*) as mentions,
       list(distinct m.text order by length(m.text) desc)[1:{quotes}] as quotes
from mentions as m
join people as p on p.test_id = m.test_id
left join tests as n on n.test_id = m.test_id
group by m.theme, m.test_id, n.title, m.task_number, m.task_uuid
"""


def codebook() -> dict[str, tuple[str, ...]]:
    """
    The themes of the settings, each with its words and patterns.

    Raises:
        ConfigurationError: it is no table of lists, or a pattern is none.

    """
    themes = {str(theme): texts(f"{SECTION}.{theme}", words) for theme, words in table(SECTION).items()}
    for theme, words in themes.items():
        for word in words:
            _check(theme, word)
    return themes


def add_themes(data: Data, themes: Mapping[str, Sequence[str]]) -> None:
    """
    Makes the view `themes`: a theme, test and task a row, with how many `people` of how many (`of_people`) speak of it,
    `mentions` (answers, and cues of what was said) and some `quotes`.
    """
    known = {theme: "|".join(pattern(word) for word in words) for theme, words in themes.items() if words}
    sql = _VIEW.format(themes=_list(known), patterns=_list(known.values()), quotes=QUOTES)
    data.database.execute(sql)


def pattern(word: str) -> str:
    """The regular expression (RE2) by which a word, a beginning of words, words in a row or a /pattern/ is found."""
    if _is_pattern(word):
        return f"(?:{word[1:-1]})"
    plain = re.sub(r"\s+", " ", word.strip()).rstrip("*")
    inside = r"\s+".join(re.escape(part) for part in _folded(plain).split(" "))
    if spaced(plain) != plain:  # no blanks, so no borders of words
        return f"(?:{inside})"
    end = "" if word.rstrip().endswith("*") else f"(?:[^{_LETTER}]|$)"
    return f"(?:^|[^{_LETTER}]){inside}{end}"


def _folded(text: str) -> str:
    """As the view folds what was said."""
    row = duckdb.execute("select strip_accents(lower(?))", [text]).fetchone()
    return str(row[0]) if row else text


def _is_pattern(word: str) -> bool:
    return len(word) > 2 and word.startswith("/") and word.endswith("/")


def _check(theme: str, word: str) -> None:
    try:
        duckdb.execute("select regexp_matches('', ?)", [pattern(word)])
    except duckdb.Error as error:
        raise wrong(f"{SECTION}.{theme}", word, f"it is no regular expression: {str(error).splitlines()[0]}") from None
    if not word.strip("/* "):
        raise wrong(f"{SECTION}.{theme}", word, "write a word")


def _list(values: Any) -> str:
    quoted = (f"'{str(value).replace(chr(39), chr(39) * 2)}'" for value in values)
    return f"[{', '.join(quoted)}]"
