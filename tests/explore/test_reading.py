"""How reading commands find the data, and what they are told when there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dlt
import duckdb
import pytest
from click.testing import CliRunner

from usertesting_source.cli.command import make_pipeline
from usertesting_source.cli.main import main
from usertesting_source.errors import ConfigurationError, DestinationLocked
from usertesting_source.explore import reading
from usertesting_source.explore.reading import Data, opened, readable_file
from usertesting_source.tables.schema import TABLES
from usertesting_source.warehouse.views.definitions import views


def _pipeline(demo: bool = True) -> dlt.Pipeline:
    return make_pipeline("usertesting", "duckdb", "usertesting", demo)


def test_the_snapshot_is_read_and_nothing_can_be_written(demo: Path) -> None:
    """Beside a loader's file; and a load can go on meanwhile."""
    with opened(_pipeline()) as data:
        assert data.path.name == "usertesting_demo_snapshot.duckdb"
        assert data.rows("select count(*) as n from session_details where session_id <> ?", "x") == [{"n": 60}]
        assert data.loaded_at() is not None
        with pytest.raises(duckdb.Error, match="read-only"):
            data.database.execute("delete from usertesting.sessions")
        with duckdb.connect(str(demo / "usertesting_demo.duckdb")) as loader:
            loader.execute("create table usertesting.another (id int)")


def test_without_a_snapshot_the_file_itself_is_read(demo: Path) -> None:
    """As with `snapshot = false`."""
    (demo / "usertesting_demo_snapshot.duckdb").unlink()
    with opened(_pipeline()) as data:
        assert data.path.name == "usertesting_demo.duckdb"


def test_a_file_that_a_load_holds_is_named(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with the remedy."""
    monkeypatch.setattr(reading, "PATIENCE_S", 0.0)
    (demo / "usertesting_demo_snapshot.duckdb").unlink()
    hold = "import duckdb; c = duckdb.connect('usertesting_demo.duckdb'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DestinationLocked, match=r"usertesting_demo\.duckdb.*snapshot"):
            opened(_pipeline())
        holder.communicate("\n")


def test_nothing_is_loaded_yet(tmp_path: Path) -> None:
    """No file, or one without our tables: what to do is said, and no file is made."""
    with pytest.raises(ConfigurationError, match=r"usertesting load.*--demo"):
        readable_file(_pipeline(demo=False))
    assert not list(tmp_path.glob("*.duckdb"))
    duckdb.connect("usertesting_data.duckdb").close()
    with pytest.raises(ConfigurationError, match=r"holds no sessions yet.*--demo"):
        opened(_pipeline(demo=False))


def test_what_is_not_loaded_counts_as_empty(tmp_path: Path) -> None:
    """A file of an older version, with one table that lacks columns: every table and view can be asked."""
    with duckdb.connect(str(tmp_path / "old.duckdb")) as old:
        old.execute(
            "create schema usertesting; create table usertesting.session_details (session_id text, test_id text)"
        )
        old.execute("insert into usertesting.session_details values ('s', 't')")
    with Data(tmp_path / "old.duckdb") as data:
        for name in [*TABLES, *views()]:
            assert data.rows(f"select * from {name}") is not None
        assert data.rows("select sessions from test_kpis") == [{"sessions": 1}]
        assert data.loaded_at() is None


def test_the_demo_is_loaded_if_need_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command on an empty folder; what it says of the load is in nobody's way."""
    monkeypatch.setattr("usertesting_source.cli.invented.DEMO_RATE", (1000, 1.0))
    result = CliRunner().invoke(main, ["search", "price", "--demo", "--json", "--limit", "1"])
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)) == 1
    assert "people, answers and studies are invented" in result.stderr
