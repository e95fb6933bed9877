"""The destination is the truth; the working folder is a cache that may be lost, old, damaged, or another project's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dlt
import duckdb
import pytest

from tests.support import killer
from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, environment, later, source_of
from usertesting_source import load
from usertesting_source.outcome import Summary
from usertesting_source.sample_api import Request, SampleApi, simple_study
from usertesting_source.stop import Stop

LOAD = str(Path(__file__).parents[2] / "pipelines" / "load.py")


@contextmanager
def fielding(n: int = 6) -> Iterator[SampleApi]:
    """A test that is still in the field, its newest session an hour old."""
    with SampleApi([simple_study(n=n, newest=ago(hours=1))], rate_limit=None) as api:
        yield api


def arrive(api: SampleApi, n: int = 2) -> None:
    """More sessions finish."""
    for _ in range(n):
        api.add_session(api.test_ids[0])


def ids(pipeline: dlt.Pipeline, table: str = "session_details") -> list[str]:
    """Session ids in a table, as often as they are there."""
    with pipeline.sql_client() as client:
        return [row[0] for row in client.execute_sql(f"select session_id from {table} order by 1") or []]


@pytest.mark.parametrize(
    "places",
    [
        [{"dataset": "one"}, {"dataset": "two"}],
        [{"database": "one.duckdb"}, {"database": "two.duckdb"}],
        [{"pipelines": "one"}, {"pipelines": "two"}],
    ],
    ids=["datasets", "files", "working folders"],
)
def test_places_in_turns_each_get_everything(tmp_path: Path, places: list[dict[str, str]]) -> None:
    """Two datasets, two files of one name, two working folders of one dataset: what one has, the other lacks not."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        for _ in range(3):
            for place in places:
                arrive(api)
                summary = load(lab.pipeline(**place), lab.source())
                assert summary.exit_code == 0
                for table in CHEAP:
                    assert ids(lab.pipeline(**place), table) == all_ids(api)


def test_a_file_restored_from_a_copy_is_filled_again(tmp_path: Path) -> None:
    """Soon, and when the sessions in question have long left the overlap."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        shutil.copy(tmp_path / "test.duckdb", tmp_path / "copy.duckdb")
        arrive(api, 5)
        lab.load()
        shutil.move(tmp_path / "copy.duckdb", tmp_path / "test.duckdb")
        with later(days=40):
            arrive(api)
            assert lab.load().exit_code == 0
            assert lab.ids("session_details") == lab.ids("sessions") == all_ids(api)


def test_an_unfinished_package_is_kept_for_its_own_destination(tmp_path: Path) -> None:
    """What was fetched for one file is not loaded into another, and not lost for the first."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        first, second = {"database": "one.duckdb"}, {"database": "two.duckdb"}
        load(lab.pipeline(**first), lab.source())
        load(lab.pipeline(**second), lab.source())
        arrive(api)
        pipeline = lab.pipeline(**first)
        pipeline.extract(lab.source(), loader_file_format="parquet")
        fetched = len(lab.asked("details"))
        load(lab.pipeline(**second), lab.source())
        assert ids(lab.pipeline(**second)) == all_ids(api)
        between = len(lab.asked("details")) - fetched
        assert load(lab.pipeline(**first), lab.source()).exit_code == 0
        assert (between, len(lab.asked("details"))) == (2, fetched + 2)
        assert ids(lab.pipeline(**first)) == all_ids(api)


def command(api: SampleApi, folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`load.py` in a project folder of a user who has several; all share one folder of dlt's."""
    folder.mkdir(exist_ok=True)
    keys = environment(api, **{"RESOURCES": "sessions,session_details", **settings})
    return subprocess.run(
        [sys.executable, LOAD, *options],
        cwd=folder,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=120,
    )


def loaded(folder: Path, table: str = "session_details") -> list[str]:
    """Session ids in a project's DuckDB file."""
    with duckdb.connect(str(folder / "usertesting_data.duckdb")) as connection:
        return [row[0] for row in connection.sql(f"select session_id from usertesting.{table} order by 1").fetchall()]


def test_two_projects_of_one_user_run_at_the_same_time(tmp_path: Path) -> None:
    """The second begins while the first waits for an answer; neither is told to go away, and both have everything."""
    with fielding() as api:
        one, two = tmp_path / "one", tmp_path / "two"
        second: list[subprocess.CompletedProcess[str]] = []

        def meanwhile(_: Request) -> None:
            api.faults.on_request = None
            second.append(command(api, two))

        api.faults.on_request = meanwhile
        first = command(api, one)
        assert (first.returncode, second[0].returncode) == (0, 0), first.stderr + second[0].stderr
        assert "All loaded" in second[0].stdout
        assert loaded(one) == loaded(two) == all_ids(api)


def test_projects_with_other_tests_in_one_dataset_wait_for_each_other(tmp_path: Path) -> None:
    """Neither says that there is nothing to do, and neither's tests are forgotten."""
    studies = [simple_study(n=4, newest=ago(hours=1), seed=n) for n in (1, 2)]
    with SampleApi(studies, rate_limit=None) as api:
        second: list[Summary] = []
        lab = Lab(api, tmp_path, resources=DETAILS)
        threads: list[threading.Thread] = []

        def meanwhile(_: Request) -> None:
            api.faults.on_request = None
            other = threading.Thread(target=lambda: second.append(lab.load(settings={"test_ids": [api.test_ids[1]]})))
            threads.append(other)
            other.start()

        api.faults.on_request = meanwhile
        assert lab.load(settings={"test_ids": [api.test_ids[0]]}).exit_code == 0
        threads[0].join()
        assert second[0].exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        before = len(lab.asked("details"))
        assert lab.load().exit_code == 0
        assert len(lab.asked("details")) == before


@pytest.mark.parametrize("name", ["state.json", "schemas/usertesting.schema.json"])
@pytest.mark.parametrize("left", ["", '{"name": "usert'], ids=["empty", "cut"])
def test_a_damaged_working_folder_is_made_anew(tmp_path: Path, name: str, left: str) -> None:
    """A power loss cuts files short; the next run asks for nothing twice."""
    with fielding() as api:
        assert command(api, tmp_path).returncode == 0
        arrive(api)
        before = api.count("details")
        (tmp_path / "dlt" / "pipelines" / "usertesting" / name).write_text(left)
        run = command(api, tmp_path)
        assert run.returncode == 0, run.stderr
        assert api.count("details") == before + 2
        assert loaded(tmp_path) == all_ids(api)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One paragraph with the remedy, no traceback."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "file" / "dlt"))
    with fielding() as api:
        run = command(api, tmp_path)
    assert run.returncode == 1
    assert "DLT_DATA_DIR" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("knows_file", [True, False])
def test_a_table_that_dlt_dropped_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_file: bool
) -> None:
    """`dlt pipeline usertesting drop session_details`, then a load; also where dlt itself does not find the file."""
    if knows_file:
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "usertesting_data.duckdb")
    with fielding() as api:
        assert command(api, tmp_path).returncode == 0
        dropped = dlt_command(tmp_path, "drop", "session_details")
        assert dropped.returncode == 0, dropped.stdout + dropped.stderr
        if knows_file:
            with pytest.raises(duckdb.CatalogException):
                loaded(tmp_path)
        before = api.count("details")
        run = command(api, tmp_path)
        assert run.returncode == 0, run.stderr
        assert api.count("details") == before + 6
        assert loaded(tmp_path) == loaded(tmp_path, "sessions") == all_ids(api)


def dlt_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Dlt's own command line, on the pipeline of a project."""
    return subprocess.run(
        [sys.executable, "-m", "dlt", "--yes", "pipeline", "usertesting", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_table_dropped_by_hand_is_named_with_the_remedy_which_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched for a table that is not there."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "usertesting_data.duckdb")
    with fielding() as api:
        assert command(api, tmp_path).returncode == 0
        arrive(api)
        with duckdb.connect(str(tmp_path / "usertesting_data.duckdb")) as connection:
            connection.sql("drop table usertesting.session_details cascade")
        before = api.count("details")
        run = command(api, tmp_path)
        assert run.returncode == 1
        assert "`session_details` was dropped" in run.stderr
        assert "dlt pipeline usertesting drop session_details" in run.stderr
        assert api.count("details") == before
        dropped = dlt_command(tmp_path, "drop", "session_details")
        assert dropped.returncode == 0, dropped.stdout + dropped.stderr
        again = command(api, tmp_path)
        assert again.returncode == 0, again.stderr + dropped.stdout + dropped.stderr
        assert loaded(tmp_path) == all_ids(api)


def test_a_folder_that_holds_another_datasets_package_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain run left it there, before any load had the folder: it is kept for its own dataset."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "usertesting_data.duckdb")
    with fielding() as api:
        pipeline = dlt.pipeline("usertesting", destination="duckdb", dataset_name="plain")
        pipeline.extract(source_of(api, resources=DETAILS), loader_file_format="parquet")
        arrive(api)
        assert command(api, tmp_path).returncode == 0
        assert loaded(tmp_path) == all_ids(api)
        with duckdb.connect(str(tmp_path / "usertesting_data.duckdb")) as connection:
            schemas = connection.sql("select distinct schema_name from duckdb_tables()").fetchall()
        assert "plain" not in {name for (name,) in schemas}
        assert dlt.pipeline("usertesting", destination="duckdb", dataset_name="plain").has_pending_data


def test_a_load_from_ones_own_code_leaves_a_plain_runs_package_to_it(tmp_path: Path) -> None:
    """The folder has no owner yet, and nobody knows which dataset the unfinished package is for."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.pipeline(dataset="plain").extract(lab.source(), loader_file_format="parquet")
        arrive(api)
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        assert lab.query("select * from duckdb_schemas() where schema_name = 'plain'") == []
        plain = lab.pipeline(dataset="plain")
        assert plain.has_pending_data
        plain.normalize()
        plain.load()
        assert len(lab.query("from plain.session_details")) == len(all_ids(api)) - 2
        assert lab.load().requests > 0
        assert lab.ids("session_details") == all_ids(api)


@pytest.mark.parametrize("waits", [False, True], ids=["no package", "a package waits"])
def test_issues_dropped_by_hand_are_made_anew(tmp_path: Path, waits: bool) -> None:
    """Nothing of that table was fetched, so nothing is lost with it, and no run is stopped by it."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        bad = api.add_session(api.test_ids[0])
        api.faults.status["details", bad] = 404
        assert lab.load().exit_code == 3
        with lab.pipeline().sql_client() as client:
            client.execute_sql("drop view load_status")
            client.execute_sql("drop table load_issues")
        with later(hours=1):
            if waits:
                lab.pipeline().extract(lab.source(), loader_file_format="parquet")
            assert lab.load().exit_code in ((0, 3) if waits else (3,))
            assert [issue[1] for issue in lab.issues()] == [bad]


def test_a_watch_leaves_the_dataset_to_others_between_its_looks(tmp_path: Path) -> None:
    """A run with other tests does not wait for the end of the watch."""
    studies = [simple_study(n=4, newest=ago(hours=1), seed=n) for n in (1, 2)]
    with SampleApi(studies, rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=DETAILS), Stop()
        watched = {"test_ids": [api.test_ids[0]]}
        watch = threading.Thread(target=lambda: lab.load(settings=watched, watch_minutes=10, stop=stop))
        watch.start()
        while api.count("details") < 4:
            time.sleep(0.05)
        try:
            assert lab.load(settings={"test_ids": [api.test_ids[1]]}).exit_code == 0
        finally:
            stop.ask()
            watch.join()
        assert lab.ids("session_details") == all_ids(api)


def test_without_restoring_a_killed_run_is_made_good_and_a_foreign_state_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be recovered with `restore_from_destination = false` is; what cannot is said, with exit code 3."""
    monkeypatch.setenv("RESTORE_FROM_DESTINATION", "false")
    with fielding(20) as api:
        job = killer.job_of(api, tmp_path, chunk=5, resources=DETAILS)
        assert killer.run(replace(job, kill_at=300))[0] == killer.KILLED
        assert killer.run(job)[0] == 0
        lab = Lab(api, tmp_path, resources=DETAILS)
        assert lab.ids("session_details") == all_ids(api)
        shutil.copy(tmp_path / "test.duckdb", tmp_path / "copy.duckdb")
        arrive(api)
        lab.load()
        shutil.move(tmp_path / "copy.duckdb", tmp_path / "test.duckdb")
        summary = lab.load()
        assert summary.exit_code == 3
        assert any("restore_from_destination" in line for line in summary.tally.failed)


def test_what_is_loaded_leaves_the_working_folder(tmp_path: Path) -> None:
    """It holds participants' words."""
    with fielding() as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        for _ in range(2):
            arrive(api)
            assert lab.load(chunk=2).packages > 0
        assert list((tmp_path / "pipelines" / "usertesting" / "load" / "loaded").iterdir()) == []
