"""The copy for readers: they never lock a load out, a load never locks them out, and nobody meets half a copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support import killer
from tests.support.lab import CHEAP, Lab, ago, all_ids, machine, pipeline_in
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.warehouse.snapshot import publish, snapshot_of

READER = """
import sys, duckdb
copy = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(copy.execute("select count(*) from usertesting.session_details").fetchone()[0], flush=True)
"""


@pytest.fixture
def api() -> Iterator[SampleApi]:
    """A survey of three sessions."""
    with SampleApi([simple_study(n=3, newest=ago(hours=1), product_type="SURVEY")], rate_limit=None) as sample:
        yield sample


@pytest.fixture
def lab(api: SampleApi, tmp_path: Path) -> Lab:
    """Loads it, with a copy for readers."""
    return Lab(api, tmp_path, resources=CHEAP, snapshot=True)


def _in_snapshot(folder: Path, sql: str = "select count(*) from usertesting.session_details") -> object:
    with duckdb.connect(str(folder / "test_snapshot.duckdb"), read_only=True) as copy:
        (row,) = copy.execute(sql).fetchall()
    return row[0]


@pytest.mark.parametrize(
    ("database", "snapshot"),
    [
        ("usertesting_data.duckdb", "usertesting_snapshot.duckdb"),
        ("usertesting_demo.duckdb", "usertesting_demo_snapshot.duckdb"),
        ("a/b.c.db", "a/b.c_snapshot.db"),
    ],
)
def test_the_demo_never_takes_the_place_of_the_data(database: str, snapshot: str) -> None:
    """Each file in a folder has a copy of its own."""
    assert snapshot_of(Path(database)) == Path(snapshot)


def test_a_reader_and_loads_do_not_meet(lab: Lab, api: SampleApi) -> None:
    """A copy held open for three loads stops none of them, and shows what it showed; who opens it then sees all."""
    lab.load()
    reader = [sys.executable, "-c", READER, str(lab.folder / "test_snapshot.duckdb")]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        for loads in range(3):
            holder.stdin.write("count\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "3\n"
            assert _in_snapshot(lab.folder) == 3 + loads
            api.add_session(api.test_ids[0])
            assert lab.load().exit_code == 0
    assert _in_snapshot(lab.folder) == 6
    assert _in_snapshot(lab.folder, "select sum(sessions)::int from usertesting.test_kpis") == 6


def test_a_load_without_news_publishes_nothing(lab: Lab) -> None:
    """The copy stays the file that it is."""
    lab.load()
    lab.load()
    before = (lab.folder / "test_snapshot.duckdb").stat()
    assert lab.load().packages == 0
    assert (lab.folder / "test_snapshot.duckdb").stat() == before


@pytest.mark.parametrize("point", ["subprocess.Popen", "os.utime", "os.rename"])
def test_killed_while_it_publishes(lab: Lab, api: SampleApi, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers have the old copy whole; the next run publishes, whether it has news or not."""
    lab.load()
    api.add_session(api.test_ids[0])
    lab.pipeline().run(lab.source())  # publishes nothing
    process = killer.CONTEXT.Process(target=_publish_and_die, args=(lab.folder, point))
    process.start()
    process.join()
    assert process.exitcode == killer.KILLED
    assert _in_snapshot(lab.folder) == 3
    assert lab.load().exit_code == 0
    assert _in_snapshot(lab.folder) == len(all_ids(api)) == 4
    assert not list(lab.folder.glob(".*.part"))


def _publish_and_die(folder: Path, point: str) -> None:
    os.environ.update(machine(folder))

    def die(event: str, _args: object) -> None:
        if event == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    publish(pipeline_in(folder))


def test_switched_off(lab: Lab) -> None:
    """`snapshot = false`: no copy, nor one of before."""
    lab.load()
    assert lab.load(settings={"snapshot": False}).exit_code == 0
    assert not (lab.folder / "test_snapshot.duckdb").exists()


def test_a_copy_that_cannot_be_written_is_told(lab: Lab) -> None:
    """The data is loaded all the same; exit code 3 and a line that says what to do."""
    (lab.folder / ".test_snapshot.duckdb.part").mkdir()
    summary = lab.load()
    assert summary.exit_code == 3
    assert "snapshot = false" in summary.tally.failed[0]
    assert len(lab.ids("session_details")) == 3


def test_a_file_that_somebody_holds_is_left_to_the_next_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing waits a moment for it, and no load fails for it."""
    monkeypatch.setattr("usertesting_source.warehouse.snapshot.PATIENCE_S", 0.0)
    lab.load(settings={"snapshot": False})
    held = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    database = str(lab.folder / "test.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", held, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert publish(lab.pipeline()) is None
        holder.communicate("\n")
    assert publish(lab.pipeline()) == lab.folder / "test_snapshot.duckdb"


def test_publishing_takes_no_lock_away(lab: Lab) -> None:
    """Closing a file takes a process's locks on it away: a connection that the process has open keeps its own."""
    lab.load(settings={"snapshot": False})
    database = str(lab.folder / "test.duckdb")
    with duckdb.connect(database):
        publish(lab.pipeline())
        other = [sys.executable, "-c", "import sys, duckdb; duckdb.connect(sys.argv[1])", database]
        assert "lock" in subprocess.run(other, capture_output=True, text=True, env=os.environ).stderr
    assert _in_snapshot(lab.folder) == 3
