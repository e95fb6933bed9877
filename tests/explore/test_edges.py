"""Little data, or odd data: every reading command is useful, and never ends in a traceback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from mcp import Client

from usertesting_source.cli.main import main
from usertesting_source.explore.export import FORMATS
from usertesting_source.explore.mcp import Latest, server

EMPTY = "create schema usertesting; create table usertesting.session_details (session_id text, test_id text);"
BARE = EMPTY + "insert into usertesting.session_details values ('s1', 't1');"
ODD = (
    BARE
    + """
create table usertesting.session_details__tasks (
    session_id text, task_uuid text, task_number bigint, task_text text, task_type text, start_time_ms bigint,
    end_time_ms bigint, skipped boolean, answered boolean, answer_kind text, answer_text text, answer_json json);
insert into usertesting.session_details__tasks values
    ('s1', null, null, null, null, null, null, null, null, null, null, null),
    ('s1', 'u', 2, '', 'BRAND_NEW', 5000, 1000, false, true, 'brandNew', '<b>| _tags_ & words', '{"a": [1]}');
create table usertesting.transcripts (session_id text, test_id text);
create table usertesting.transcripts__cues (session_id text, start_ms bigint, end_ms bigint, speaker text, text text);
insert into usertesting.transcripts values ('s1', 't1');
insert into usertesting.transcripts__cues values ('s1', null, null, null, 'words'), ('s1', 1, 2, '', null);
"""
)
DATA = {"nothing": EMPTY, "a bare session": BARE, "odd answers": ODD}


@pytest.fixture(params=DATA)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A loader's file in this folder, and what is in it."""
    with duckdb.connect(str(tmp_path / "usertesting_data.duckdb")) as database:
        database.execute(DATA[request.param])
    return str(request.param)


def run(*words: str) -> Result:
    """A command, with a codebook and a key."""
    settings = {"EXPLORE__THEMES": '{"any": ["words"]}', "EXPLORE__REDACT_KEY": "a key that nobody guesses"}
    return CliRunner().invoke(main, words, env=settings)


def test_every_command_ends_well(data: str) -> None:
    """Search, themes, exports in all formats."""
    redact = ["--redact"] if data == "odd answers" else []
    commands = [("search", "words"), ("search", "words", "--json"), ("themes",), ("themes", "--json")]
    commands += [("export", "--format", form, "--out", form) for form in FORMATS]
    commands += [("export", "--format", form, "--per", "passage", "--out", "pieces") for form in ("jsonl", "parquet")]
    commands += [("export", "--format", "markdown", "--per", "test", "--out", "pages")]
    for command in commands:
        result = run(*command, *redact)
        assert result.exit_code == 0, (command, result.stderr, result.exception)
        assert result.stdout.strip()
    if data == "odd answers":
        assert "words" in run("search", "words", *redact).stdout


def test_a_test_without_a_title_is_called_by_its_id(data: str) -> None:
    """And where there is none, that is said."""
    result = run("search", "words", "--test", "t1")
    assert (result.exit_code, "No test is called 't1'" in result.stderr) == (
        (1, True) if data == "nothing" else (0, False)
    )


def test_an_assistant_gets_answers(data: str) -> None:
    """Each tool, or one sentence on what is not there."""

    async def ask() -> None:
        latest = Latest(lambda: Path("usertesting_data.duckdb"), "usertesting", None)
        async with Client(server(latest)) as client:
            for tool, arguments in (
                ("list_tests", {}),
                ("find_quotes", {"words": "words"}),
                ("test_report", {"test": "t1"}),
                ("read_session", {"session_id": "s1"}),
                ("compare_tests", {"first": "t1", "second": "t1"}),
                ("query", {"sql": "from themes"}),
            ):
                result = await client.call_tool(tool, arguments)
                is_missing = data == "nothing" and tool in ("test_report", "read_session", "compare_tests")
                assert result.is_error == is_missing, (tool, result.content)
        latest.close()

    asyncio.run(ask())
