"""`usertesting search`: the hits of the demo's studies, and an index that follows the data."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from usertesting_source.cli.main import main
from usertesting_source.errors import ConfigurationError
from usertesting_source.explore.reading import Data
from usertesting_source.explore.search import CLOSE, OPEN, Hit, index_of, named_tests, search, snippet

PRODUCT_PAGE = "First impressions of the product page"


def run(*arguments: str) -> Result:
    """The command on the demo's data."""
    return CliRunner().invoke(main, ["search", "--demo", *arguments])


def hits(*arguments: str) -> list[dict[str, object]]:
    """Its hits as JSON."""
    result = run("--json", "--limit", "1000", *arguments)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_hits_say_who_where_and_when(demo: Path) -> None:
    """Each with a quote in which the word is marked, the task's prompt, the moment and the page of the results."""
    for hit in hits("delivery"):
        assert "**delivery**" in str(hit["quote"]).lower()
        assert hit["participant_id"]
        assert hit["link"] == f"https://app.usertesting.com/tests/{hit['test_id']}/results"
        assert str(hit["text"]).strip()
    said = hits("delivery", "--kind", "said")
    assert said
    with duckdb.connect(str(demo / "usertesting_demo.duckdb"), read_only=True) as database:
        cue = "select text from usertesting.transcripts__cues where session_id = ? and start_ms = ?"
        for hit in said:  # the moment is that of the cue in which the first word is
            texts = database.execute(cue, [hit["session_id"], hit["at_ms"]]).fetchall()
            assert any("delivery" in text.lower() for (text,) in texts)


def test_everything_said_and_written_is_there(demo: Path) -> None:
    """Each passage with the word is found, and no other; the same as looking at all of them."""
    with Data(demo / "usertesting_demo_snapshot.duckdb") as data:
        written = data.rows(
            "select count(*) as n from answers where task_type = 'WRITTEN' and answer_text ilike '%price%'"
        )
        sessions = data.rows("select count(distinct session_id) as n from transcripts__cues where text ilike '%price%'")
    assert len(hits("price*", "--kind", "written")) == written[0]["n"] > 0
    assert len({hit["session_id"] for hit in hits("price*", "--kind", "said")}) == sessions[0]["n"] > 0


def test_best_hits_come_first_and_can_be_narrowed(demo: Path) -> None:
    """By test (a part of its title), by kind."""
    scores = [float(str(hit["score"])) for hit in hits("price")]
    assert scores == sorted(scores, reverse=True)
    assert {hit["test_title"] for hit in hits("page", "--test", "product")} == {PRODUCT_PAGE}
    assert {hit["kind"] for hit in hits("page", "--kind", "written")} == {"written"}


def test_the_terminal_at_80_columns(demo: Path) -> None:
    """A heading, the quote and the link of each hit; no line but the links is longer."""
    shown = run("price", "--limit", "2").stdout
    assert PRODUCT_PAGE in shown
    assert "There are more; --limit 4 shows them." in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "https://" not in line)
    assert "Nothing was said or written about xyzzy" in run("xyzzy").stdout


def test_what_cannot_be_searched_for(demo: Path) -> None:
    """One paragraph, exit code 1: an operator alone, a test that is not there."""
    for arguments, said in ((("a", "OR"), "a word is missing"), (("a", "--test", "nothing"), PRODUCT_PAGE)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_redacted_hits_name_nobody(demo: Path) -> None:
    """Codes for participants; no index of it is left."""
    known = {hit["participant_id"] for hit in hits("price")}
    redacted = hits("price", "--redact")
    assert redacted
    assert not known & {hit["participant_id"] for hit in redacted}
    assert {hit["session_id"] for hit in hits("price")} == {hit["session_id"] for hit in redacted}


@pytest.fixture
def warehouse(tmp_path: Path) -> Callable[..., Data]:
    """A DuckDB file with one test, to which `say` adds sessions, and which it changes."""
    path = tmp_path / "own_snapshot.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("""
            create schema usertesting; use usertesting;
            create table session_details (session_id text, test_id text, participant_id text, _dlt_load_id text);
            create table transcripts (session_id text, test_id text, _dlt_load_id text);
            create table transcripts__cues (session_id text, start_ms bigint, end_ms bigint, speaker text, text text);
        """)

    def say(session_id: str, *cues: str, load: str = "1") -> Data:
        with duckdb.connect(str(path)) as database:
            database.execute("use usertesting")
            for table in ("session_details", "transcripts", "transcripts__cues"):
                database.execute(f"delete from {table} where session_id = ?", [session_id])
            if load:
                database.execute("insert into session_details values (?, 't', 'p', ?)", [session_id, load])
                database.execute("insert into transcripts values (?, 't', ?)", [session_id, load])
            for at, cue in enumerate(cues):
                database.execute(
                    "insert into transcripts__cues values (?, ?, ?, null, ?)",
                    [session_id, at * 1000, at * 1000 + 900, cue],
                )
        return Data(path)

    return say


def test_the_index_follows_the_data(warehouse: Callable[..., Data]) -> None:
    """A session that is new, loaded anew or gone; and nothing else is read again."""

    def sessions(data: Data, words: str) -> list[str]:
        with data:
            return sorted(hit.session_id for hit in search(data, words))

    assert sessions(warehouse("a", "the red button"), "button") == ["a"]
    assert sessions(warehouse("b", "a green button"), "button") == ["a", "b"]
    assert sessions(warehouse("a", "no such thing", load="2"), "button") == ["b"]
    assert sessions(warehouse("b", load=""), "button") == []
    data = warehouse("c", "button")
    with closing(sqlite3.connect(index_of(data.path))) as index:
        assert index.execute("select session_id from sessions").fetchall() == [("a",)]
        before = index.execute("select max(id) from passages").fetchone()
    assert sessions(data, "button") == ["c"]
    with closing(sqlite3.connect(index_of(data.path))) as index:
        assert index.execute("select count(*) from passages where id <= ?", before).fetchone() == (1,)


def test_a_damaged_index_and_a_folder_that_cannot_be_written(
    warehouse: Callable[..., Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made anew; or in memory."""
    data = warehouse("a", "the red button")
    index_of(data.path).write_bytes(b"this is no index" * 500)
    assert [hit.session_id for hit in search(data, "red")] == ["a"]
    index_of(data.path).unlink()
    index_of(data.path).mkdir()
    assert [hit.session_id for hit in search(data, "red")] == ["a"]


def test_words_of_several_cues_are_one_passage(warehouse: Callable[..., Data]) -> None:
    """A phrase goes from one cue to the next; the moment is that of the cue where it begins."""
    data = warehouse("a", "well", "I did not expect", "this at all", *["more and more words"] * 100)
    (hit,) = search(data, '"expect this"')
    assert hit.at_ms == 1000
    assert f"{OPEN}expect this{CLOSE}" in hit.marked
    assert len(hit.text) < 600
    assert hit.test_title == "t"
    assert named_tests(data, "T") == ["t"]
    with pytest.raises(ConfigurationError, match="There are: t"):
        named_tests(data, "u")


@pytest.mark.parametrize("position", [0, 500, 980])
def test_snippets(position: int) -> None:
    """The words around what was found, cut between words."""
    text = " ".join(["word"] * 200)
    marked = f"{text[:position]}{OPEN}found{CLOSE} {text[position:]}"
    cut = snippet(marked, 100)
    assert f"{OPEN}found{CLOSE}" in cut
    assert len(cut) < 110
    assert {part.strip("…") for part in cut.replace(OPEN, "").replace(CLOSE, "").split()} <= {
        "word",
        "found",
        "foundword",
    }


def test_hits_are_values() -> None:
    """Their text is without marks."""
    hit = Hit(1.0, "said", "t", "t", "s", None, None, None, 0, f"a {OPEN}b{CLOSE}", "")
    assert hit.text == "a b"
