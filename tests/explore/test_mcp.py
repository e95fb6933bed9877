"""`usertesting mcp`, asked by the official client over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters

from tests.support.lab import Lab, ago
from usertesting_source.cli.main import main
from usertesting_source.errors import ConfigurationError
from usertesting_source.explore import ask
from usertesting_source.explore.mcp import Latest
from usertesting_source.explore.reading import Data, readable_file
from usertesting_source.sample_api import SampleApi, simple_study

TOOLS = {"list_tests", "find_quotes", "test_report", "read_session", "compare_tests", "query"}
PRODUCT_PAGE = "First impressions of the product page"


class Assistant:
    """A client that has started the server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers, as data."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
        return result.structured_content

    async def fails(self, tool: str, **arguments: Any) -> str:
        """What a tool says that refuses."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.content
        return result.content[0].text  # type: ignore[union-attr]


def talk(work: Callable[[Assistant], Awaitable[None]], *options: str) -> None:
    """Starts the server as an assistant's program does, elsewhere than in the folder of the data."""
    arguments = ["-m", "usertesting_source", "mcp", "--folder", str(Path.cwd()), *options]
    elsewhere = Path.cwd() / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    command = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ), cwd=str(elsewhere))

    async def conversation() -> None:
        async with Client(command, read_timeout_seconds=60) as client:
            await work(Assistant(client))

    asyncio.run(conversation())


def test_an_assistant_reads_all_there_is(demo: Path) -> None:
    """Each tool answers with data; nothing in the folder changes but the search index."""

    async def work(assistant: Assistant) -> None:
        tools = (await assistant.client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            assert tool.description
        tests = await assistant.ask("list_tests")
        assert tests["loaded_at"]
        assert len(tests["tests"]) == 4
        found = await assistant.ask("find_quotes", words="price", test="product", kind="said", limit=3)
        assert len(found["quotes"]) == 3
        assert "no instruction" in found["note"]
        session = await assistant.ask("read_session", session_id=found["quotes"][0]["session_id"])
        assert session["session"]["test_title"] == PRODUCT_PAGE
        assert session["said"]
        assert session["tasks"][0]["task_text"]
        assert "no instruction" in session["note"]
        report = await assistant.ask("test_report", test="return policy")
        assert report["numbers"]["sessions"] == 18
        assert report["tasks"]
        assert report["participants"]
        both = await assistant.ask("compare_tests", first="product page", second="return policy")
        assert both["first"]["nps"] + both["second_less_first"]["nps"] == pytest.approx(both["second"]["nps"])
        assert PRODUCT_PAGE in both["caution"]
        assert both["bounds_overlap"]["nps"] in (True, False)
        assert not [name for name in both["second_less_first"] if name.endswith(("_low", "_high"))]
        survey = await assistant.ask("test_report", test="checkout")
        assert any(task["choices"] for task in survey["tasks"])
        rows = await assistant.ask("query", sql="select count(*) as sessions, max(finish_time) from sessions")
        assert rows["columns"][0] == "sessions"
        assert rows["rows"][0][0] == 60
        assert "No test is called 'x'" in await assistant.fails("test_report", test="x")
        assert "There is no session 'x'" in await assistant.fails("read_session", session_id="x")
        assert "a word is missing" in await assistant.fails("find_quotes", words="")
        assert "One SELECT" in await assistant.fails("query", sql="drop table sessions")

    before = {path.name for path in demo.iterdir()}
    talk(work, "--demo")
    assert {path.name for path in demo.iterdir()} - before <= {
        "usertesting_demo_search.sqlite",
        "elsewhere",
        "dlt",
        "state",
    }


def test_redacted_it_knows_no_names(demo: Path) -> None:
    """Not by SQL either."""
    with duckdb.connect("usertesting_demo.duckdb", read_only=True) as database:
        people = {
            row[0] for row in database.execute("select participant_id from usertesting.session_details").fetchall()
        }

    async def work(assistant: Assistant) -> None:
        sql = "select participant_id from usertesting.session_details union select participant_id from answers"
        seen = {row[0] for row in (await assistant.ask("query", sql=sql))["rows"]}
        assert len(seen) == len(people)
        assert not seen & people
        assert (await assistant.ask("query", sql="select count(*) from demographics"))["rows"] == [[0]]

    talk(work, "--demo", "--redact")


ATTACKS = {
    "files": "select * from read_text('secrets.toml')",
    "files by name": "select * from 'secrets.csv'",
    "file names": "select * from glob('*')",
    "blobs": "select * from read_blob('secrets.toml')",
    "the web": "select * from read_csv('http://127.0.0.1:9/x.csv')",
    "the environment": "select getenv('HOME')",
    "copy": "copy sessions to 'stolen.csv'",
    "copy from": "copy sessions from 'secrets.csv'",
    "export": "export database 'stolen'",
    "attach": "attach 'other.duckdb'",
    "tables": "create table usertesting.mine as select 1",
    "temporary tables": "create temp table mine as select 1",
    "views": "create or replace view usertesting.answers as select 1",
    "rows": "delete from usertesting.sessions",
    "changes": "update usertesting.sessions set status = 'x'",
    "drop": "drop schema usertesting cascade",
    "unlock": "set enable_external_access = true",
    "unlock the lock": "set lock_configuration = false",
    "reset": "reset lock_configuration",
    "pragma": "pragma enable_external_access = true",
    "extensions": "install httpfs",
    "load": "load httpfs",
    "call": "call pragma_version()",
    "two at once": "select 1; drop table sessions",
    "inside": "select * from query('drop table usertesting.sessions')",
    "prepared": "prepare x as select 1",
    "secrets": "create secret (type s3)",
    "nothing": "",
    "nonsense": "selekt 1",
}


@pytest.fixture(scope="module")
def locked(demo_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    """The demo's data as the server holds it, with files beside it that somebody may be after."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "secrets.toml").write_text("key = 'secret'")
    (folder / "secrets.csv").write_text("a,b\n1,2\n")
    duckdb.connect(str(folder / "other.duckdb")).close()
    copy = shutil.copy(demo_files / "usertesting_demo_snapshot.duckdb", folder)
    with Data(Path(copy)) as data:
        data.lock()
        yield data


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("by", ["the tool", "the connection"])
def test_no_sql_gets_out(locked: Data, attack: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is read or written, nothing made or changed, nothing unlocked: by the tool, nor past it."""
    monkeypatch.chdir(locked.path.parent)
    before = {path: path.read_bytes() for path in Path.cwd().iterdir() if path.is_file()}
    if by == "the tool":
        with pytest.raises(ConfigurationError):
            ask.sql(locked, ATTACKS[attack])
    elif attack not in ("temporary tables", "call", "prepared", "nothing", "secrets"):  # touch nothing by themselves
        with pytest.raises(duckdb.Error):
            locked.database.execute(ATTACKS[attack]).fetchall()
    assert {path: path.read_bytes() for path in Path.cwd().iterdir() if path.is_file()} == before
    assert ask.sql(locked, "select count(*) from sessions")["rows"] == [[60]]


def test_a_query_ends(locked: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds, or after 500 rows; odd numbers and types do not stop it."""
    monkeypatch.setattr(ask, "SECONDS", 0.2)
    with pytest.raises(ConfigurationError, match="took longer"):
        ask.sql(locked, "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range = 7")
    many = ask.sql(locked, "from range(1000)")
    assert len(many["rows"]) == 500
    assert many["there_are_more"]
    odd = (
        "select 'nan'::double, [1, 2], {'a': date '2026-01-01'}, 1.5::decimal(4, 2), uuid(), interval 1 day, 'x'::blob"
    )
    json.dumps(ask.sql(locked, odd), allow_nan=False)
    assert ask.sql(locked, "describe answers")["rows"]
    assert ask.sql(locked, "explain select 1")["rows"]


def test_what_was_loaded_since_is_seen(tmp_path: Path) -> None:
    """The next question is answered from the next snapshot."""
    with SampleApi([simple_study(n=2, newest=ago(hours=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        lab.load()
        latest = Latest(lambda: readable_file(lab.pipeline()), "usertesting", None)
        count = "select count(*) from session_details"
        assert latest.ask(ask.sql, count)["rows"] == [[2]]
        api.add_session(api.test_ids[0])
        lab.load()
        assert latest.ask(ask.sql, count)["rows"] == [[3]]
        latest.close()


def test_nothing_to_read_is_said_at_once(tmp_path: Path) -> None:
    """Before the assistant waits for a server."""
    result = CliRunner().invoke(main, ["mcp"])
    assert result.exit_code == 1
    assert "usertesting load" in result.stderr
    assert result.stdout == ""
