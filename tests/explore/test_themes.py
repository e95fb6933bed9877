"""A codebook counts people, not words; and finds what a reader would."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from usertesting_source.cli.main import main
from usertesting_source.errors import ConfigurationError
from usertesting_source.explore.reading import Data
from usertesting_source.explore.themes import add_themes, codebook, pattern


@pytest.mark.parametrize(
    ("word", "text", "is_found"),
    [
        ("price", "The PRICE, of course", True),
        ("price", "prices", False),
        ("price*", "overpriced", False),
        ("price*", "Prices!", True),
        ("not sure", "I am not  sure", True),
        ("cafe", "Das Café", True),
        ("цена", "Какая цена?", True),
        ("цена", "оценат", False),
        ("3.50", "it is 3x50", False),
        ("送料", "これは送料が高い", True),
        ("/where (is|are)/", "Where are the shoes", True),
        ("/\\bok\\b/", "ok!", True),
        ("it's", "It's fine", True),
    ],
)
def test_words_find(word: str, text: str, is_found: bool) -> None:
    """Whole words, beginnings, words in a row, patterns; accents and case folded; languages without blanks."""
    sql = "select regexp_matches(strip_accents(lower(?)), ?)"
    assert duckdb.execute(sql, [text, pattern(word)]).fetchone() == (is_found,)


def run(*arguments: str) -> Result:
    """The command on the demo's data."""
    return CliRunner().invoke(main, ["themes", "--demo", *arguments])


def test_people_are_counted_by_task(demo: Path) -> None:
    """A person who says it five times is one; the quotes are theirs."""
    rows = json.loads(run("--json").stdout)
    assert {row["theme"] for row in rows} <= {"price", "delivery", "doubt"}
    for row in rows:
        assert 1 <= row["people"] <= row["of_people"] <= 24
        assert row["people"] <= row["mentions"]
        assert 1 <= len(row["quotes"]) <= 3
    price = next(row for row in rows if row["theme"] == "price")
    with Data(demo / "usertesting_demo_snapshot.duckdb") as data:
        sql = """
            select count(distinct participant_id) as n from (
                select participant_id from verbatims where task_uuid = $1 and words ~ '(?i).*\\bprice\\b.*'
                union all
                select participant_id from task_transcripts where task_uuid = $1 and said ~ '(?i).*\\bprice\\b.*')
        """
        (by_hand,) = data.database.execute(sql, [price["task_uuid"]]).fetchone() or (0,)
    assert price["people"] == by_hand
    shown = run("--test", "checkout").stdout
    assert "Checkout survey" in shown
    assert "product page" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_the_codebook_is_the_users(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its themes in place of the demo's; none is no error of the view."""
    monkeypatch.setenv("EXPLORE__THEMES", '{"lamp": ["lamp", "it\'s"]}')
    assert {row["theme"] for row in json.loads(run("--json").stdout)} == {"lamp"}
    with Data(demo / "usertesting_demo_snapshot.duckdb") as data:
        add_themes(data, {})
        assert data.rows("from themes") == []


@pytest.mark.parametrize("wrong", ['{"x": ["/(/"]}', '{"x": ["*"]}', '["x"]', '{"x": [1]}'])
def test_a_codebook_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Names the theme and the remedy."""
    monkeypatch.setenv("EXPLORE__THEMES", wrong)
    with pytest.raises(ConfigurationError, match=r"explore\.themes"):
        codebook()


def test_without_a_codebook(tmp_path: Path) -> None:
    """It is said how to write one."""
    result = CliRunner().invoke(main, ["themes"])
    assert result.exit_code == 1
    assert "[explore.themes]" in result.stderr
