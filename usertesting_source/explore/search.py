"""
Search over all that was said and written, ranked.

SQLite's full-text search (FTS5) does it: it comes with Python, knows phrases, prefixes and operators, ranks by BM25 and
takes one session more without being built anew. DuckDB's own extension would have to be downloaded, is built whole each
time and knows no phrases. The index is a file beside the data, brought up to date by each search.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError, UserTestingError
from .links import results_page
from .passages import Passage, at_ms, passages
from .query import MARK, SearchSyntaxError, fts_query, spaced
from .reading import Data

FORMAT = 1
"""An index of another format is made anew."""

OPEN, CLOSE = "\x02", "\x03"
"""What stands around a word that was found."""

_BATCH = 2000
_SCHEMA = f"""
create table sessions (session_id text primary key, mark text not null) without rowid;
create table passages (
    id integer primary key, session_id text not null, test_id text not null, participant_id text, kind text not null,
    task_uuid text, task_number integer, task_text text, places text not null
);
create index passages_of on passages (session_id);
create virtual table words using fts5 (
    text, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
pragma user_version = {FORMAT};
"""
_FOUND = f"""
select p.*, n.rank as rank, highlight(words, 0, '{OPEN}', '{CLOSE}') as marked
from words as n join passages as p on p.id = n.rowid
where words match ? {{where}} order by n.rank, p.id limit ?
"""  # noqa: S608 - marks of ours
_MARKS = """
select d.session_id, d.test_id, concat_ws(' ', d._dlt_load_id, v._dlt_load_id, d.listing_mark) as mark
from {details} as d
left join {transcripts} as v on v.session_id = d.session_id
left join sessions as s on s.session_id = d.session_id
where s.removed_at is null
"""


@dataclass(frozen=True)
class Hit:
    """
    A passage that was found.

    Attributes:
        score: how well it fits, higher is better; only to compare hits of one search.
        kind: `said` or `written`.
        at_ms: when the first word that was found is said, ms since the recording's start; for an answer, when its task
            began.
        marked: the passage, with what was found between `OPEN` and `CLOSE`.
        link: the page of the test's results.

    """

    score: float
    kind: str
    test_id: str
    test_title: str
    session_id: str
    participant_id: str | None
    task_number: int | None
    task_text: str | None
    at_ms: int | None
    marked: str
    link: str

    @property
    def text(self) -> str:
        """The passage."""
        return self.marked.replace(OPEN, "").replace(CLOSE, "")


def index_of(path: Path) -> Path:
    """Where the index of a DuckDB file lies: `usertesting_search.sqlite` beside `usertesting_snapshot.duckdb`."""
    stem = path.stem.removesuffix("_snapshot").removesuffix("_data")
    return path.with_name(f"{stem}_search.sqlite")


def search(
    data: Data, words: str, tests: Iterable[str] | None = None, kind: str | None = None, limit: int = 20
) -> list[Hit]:
    """
    The passages that fit best.

    Args:
        data: the index beside it is brought up to date first; for redacted data one is made in memory.
        words: see `query.fts_query`.
        tests: ids of tests to look in; None: in all.
        kind: only what was `said`, or `written`.
        limit: at most so many.

    Raises:
        ConfigurationError: the words cannot be searched for.

    """
    try:
        query = fts_query(words)
    except SearchSyntaxError as error:
        raise ConfigurationError(f"Search for {words!r}: {error}.") from None
    with closing(_index(data)) as index:
        _bring_up_to_date(index, data)
        rows = _find(index, query, tests, kind, limit)
    titles = _titles(data)
    return [_hit(row, titles.get(row["test_id"], row["test_id"])) for row in rows]


def named_tests(data: Data, name: str) -> list[str]:
    """
    The ids of the tests that are called `name`: by id, by title, or by a part of it.

    Raises:
        ConfigurationError: there is none; the message lists those that there are.

    """
    loaded = {row["test_id"]: row["test_id"] for row in data.rows("select distinct test_id from session_details")}
    titles: dict[str, str] = loaded | _titles(data)
    wanted = name.casefold()
    exact = [test for test, title in titles.items() if wanted in (test.casefold(), title.casefold())]
    found = exact or [test for test, title in titles.items() if wanted in title.casefold()]
    if not found:
        listed = "; ".join(sorted(set(titles.values()))[:20])
        raise ConfigurationError(
            f"No test is called {name!r}: give an id, a title or a part of it. There are: {listed}."
        )
    return found


def _titles(data: Data) -> dict[str, str]:
    return {row["test_id"]: row["title"] or row["test_id"] for row in data.rows("select test_id, title from tests")}


def _index(data: Data) -> sqlite3.Connection:
    """The index, empty if it is new, damaged or of another format."""
    path = index_of(data.path)
    if data.redaction:
        return _made(":memory:")
    for _ in range(2):
        try:
            return _made(str(path))
        except sqlite3.OperationalError:  # a folder that cannot be written
            break
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
    return _made(":memory:")


def _made(path: str) -> sqlite3.Connection:
    index = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        index.row_factory = sqlite3.Row
        index.execute("begin immediate")
        (version,) = index.execute("pragma user_version").fetchone()
        if version != FORMAT:
            _make(index)
        index.execute("commit")
    except BaseException:
        index.close()
        raise
    if path != ":memory:":
        Path(path).chmod(0o600)  # it holds participants' words
    return index


def _make(index: sqlite3.Connection) -> None:
    for name in ("words", "passages", "sessions"):  # of another format
        index.execute(f"drop table if exists {name}")
    for statement in _SCHEMA.split(";"):
        index.execute(statement)


def _bring_up_to_date(index: sqlite3.Connection, data: Data) -> None:
    """Sessions that are new, loaded anew or gone since the last time; all in one transaction."""
    there = {row["session_id"]: row["mark"] for row in data.rows(_marks(data))}
    index.execute("begin immediate")
    try:
        here = dict(map(tuple, index.execute("select session_id, mark from sessions")))
        _forget(index, [one for one, mark in here.items() if there.get(one) != mark])
        fresh = [one for one, mark in there.items() if here.get(one) != mark]
        for start in range(0, len(fresh), _BATCH):
            ids = fresh[start : start + _BATCH]
            index.executemany("insert into sessions values (?, ?)", ((one, there[one]) for one in ids))
            for passage in passages(data, ids):
                _add(index, passage)
        index.execute("commit")
    except BaseException:
        index.execute("rollback")
        raise


def _marks(data: Data) -> str:
    """Sessions with what changes when they are loaded anew; a table that is not loaded has no load."""

    def loaded(table: str) -> str:
        has_loads = data.rows(
            "select 1 from duckdb_columns() where table_name = ? and column_name = '_dlt_load_id'", table
        )
        return table if has_loads else f"(select *, cast(null as text) as _dlt_load_id from {table})"  # noqa: S608 - names of ours

    return _MARKS.format(details=loaded("session_details"), transcripts=loaded("transcripts"))


def forget_sessions(path: Path, session_ids: Sequence[str]) -> bool:
    """Takes sessions out of the index beside the DuckDB file `path`; True if there is one."""
    if not index_of(path).exists():
        return False
    with closing(_made(str(index_of(path)))) as index:
        index.execute("begin immediate")
        _forget(index, session_ids)
        index.execute("commit")
        index.execute("insert into words (words) values ('optimize')")
        index.execute("vacuum")
    return True


def _forget(index: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    for one in session_ids:
        index.execute("delete from words where rowid in (select id from passages where session_id = ?)", (one,))
        index.execute("delete from passages where session_id = ?", (one,))
        index.execute("delete from sessions where session_id = ?", (one,))


def _add(index: sqlite3.Connection, passage: Passage) -> None:
    values = (
        *(passage.session_id, passage.test_id, passage.participant_id, passage.kind, passage.task_uuid),
        *(passage.task_number, passage.task_text, json.dumps(passage.places)),
    )
    marks = ", ".join("?" * len(values))
    added = index.execute(f"insert into passages values (null, {marks})", values)  # noqa: S608 - marks only
    index.execute("insert into words (rowid, text) values (?, ?)", (added.lastrowid, spaced(passage.text)))


def _find(
    index: sqlite3.Connection, query: str, tests: Iterable[str] | None, kind: str | None, limit: int
) -> list[sqlite3.Row]:
    where, values = "", [query]
    if tests is not None:
        ids = list(tests)
        where += f" and p.test_id in ({', '.join('?' * len(ids))})"
        values += ids
    if kind:
        where += " and p.kind = ?"
        values.append(kind)
    try:
        return index.execute(_FOUND.format(where=where), (*values, limit)).fetchall()
    except sqlite3.Error as error:
        raise UserTestingError(f"The search index cannot be asked: {error}. Delete it, it is made anew.") from error


def _hit(row: sqlite3.Row, title: str) -> Hit:
    marked = row["marked"].replace(MARK, "").replace(f"{CLOSE}{OPEN}", "")
    position = max(marked.find(OPEN), 0)
    told = {name: row[name] for name in ("kind", "test_id", "session_id", "participant_id", "task_number", "task_text")}
    return Hit(
        score=round(-row["rank"], 4),
        test_title=title,
        at_ms=at_ms(json.loads(row["places"]), position),
        marked=marked,
        link=results_page(row["test_id"], row["session_id"]),
        **told,
    )


def snippet(marked: str, width: int = 240) -> str:
    """The part of a marked passage around what was found first, at borders of words; `…` where it was cut."""
    if len(marked) <= width:
        return marked
    middle = max(marked.find(OPEN), 0)
    start = max(min(middle - width // 3, len(marked) - width), 0)
    end = start + width
    if start:
        start = next((m.end() for m in re.finditer(r"\s", marked[start:middle])), 0) + start
    if end < len(marked):
        end = max(marked.rfind(" ", start, end), middle + 1)
    cut = marked[start:end].strip()
    if cut.count(OPEN) > cut.count(CLOSE):
        cut += CLOSE
    return f"{'…' if start else ''}{cut}{'…' if end < len(marked) else ''}"
