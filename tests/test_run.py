"""`load`: one run at a time, errors and exit codes, what a watcher is told, a busy DuckDB file."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids
from usertesting_source.errors import AnotherRunIsActive, CredentialsError, DestinationLocked, StateError
from usertesting_source.extract import package
from usertesting_source.outcome import Plan, Summary, Tally, Watcher
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.warehouse import connection


def test_a_second_run_of_the_same_pipeline_says_so(tmp_path: Path) -> None:
    """It sends nothing and changes nothing; the first one is not disturbed, and later ones run."""
    study = simple_study(n=6, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab, refused = Lab(api, tmp_path, resources=DETAILS), []

        def run_again(_: object) -> None:
            api.faults.on_request = None
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()

        def attempt() -> None:
            try:
                lab.load()
            except AnotherRunIsActive as error:
                refused.append(str(error))

        api.faults.on_request = run_again
        assert lab.load().exit_code == 0
        assert len(refused) == 1
        assert "`usertesting` is running" in refused[0]
        assert sorted(lab.asked("details")) == lab.ids("session_details") == all_ids(api)
        assert lab.load().exit_code == 0


def test_a_watcher_sees_everything(tmp_path: Path) -> None:
    """The plan first, then each item, each commit, and the summary."""
    study = simple_study(n=6, newest=ago(days=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*CHEAP, "transcripts"], workspace_ids=["*"])
        seen: list[tuple[Any, ...]] = []

        class Notes(Watcher):
            def planned(self, plan: Plan) -> None:
                seen.append(("planned", plan.tests, plan.due["session_details"], plan.requests))

            def progressed(self, tally: Tally, requests: int) -> None:
                seen.append(("progressed", tally.done["session_details"], requests))

            def committed(self, rows: Counter[str]) -> None:
                seen.append(("committed", rows["session_details"]))

            def polled(self, summary: Summary) -> None:
                seen.append(("polled", summary.rows["session_details"], summary.packages))

        summary = lab.load(chunk=4, watcher=Notes())
        assert seen[0] == ("planned", 1, 6, 12)
        assert seen[-1] == ("polled", 6, 2)
        assert [note for note in seen if note[0] == "committed"] == [("committed", 4), ("committed", 2)]
        assert sum(note[0] == "progressed" for note in seen) == 13
        assert summary.requests == api.count() == 4 + 1 + 12


def test_what_was_fetched_is_committed_while_the_quota_makes_the_run_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So rows are there within a period of the quota, and a kill repeats no more than fits into one."""
    monkeypatch.setattr(package, "LEAST_S", 0.5)
    study = simple_study(n=25, newest=ago(days=1))
    with SampleApi([study], rate_limit=10, rate_period=2.0) as api:
        lab = Lab(api, tmp_path, resources=CHEAP, rate_limit=10, rate_period=2.0)
        unsaved: list[int] = []

        class Waits(Watcher):
            def waits(self, seconds: float) -> None:
                if seconds >= 0.3:
                    unsaved.append(len(lab.asked("details")) - len(lab.ids("session_details")))

        summary = lab.load(watcher=Waits())
        assert summary.exit_code == 0
        assert set(unsaved) <= {0}
        assert summary.packages >= 3
        assert lab.ids("session_details") == all_ids(api)


def test_errors_are_raised_unless_the_summary_is_to_hold_them(tmp_path: Path) -> None:
    """Somebody's own script gets the exception, the command line the exit code."""
    with SampleApi([simple_study(n=1)], rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        api.client_secret = "wrong"
        with pytest.raises(CredentialsError):
            lab.load(raise_errors=True)
        assert lab.load().exit_code == 1


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """With the remedy, before anything is asked for, and without a change."""
    study = simple_study(n=2, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load()
        pipeline = lab.pipeline()
        with pipeline.managed_state(extract_state=True) as state:
            state["sources"]["usertesting"]["resources"]["session_details"]["version"] = 99
        pipeline.run()
        before = api.count()
        summary = lab.load()
        assert isinstance(summary.error, StateError)
        assert "version 99" in str(summary.error)
        assert "another pipeline name" in str(summary.error)
        assert api.count() == before


@contextmanager
def _held(database: Path) -> Iterator[None]:
    """Another program has the DuckDB file open."""
    code = f"import duckdb; c = duckdb.connect({str(database)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.communicate("\n")


def test_a_duckdb_file_that_another_program_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said at once, and named when it lasts; what was fetched is kept."""
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab, blocked = Lab(api, tmp_path, resources=DETAILS), threading.Event()
        monkeypatch.setattr(connection, "LOCK_PATIENCE_S", 1.5)

        class Blocked(Watcher):
            def blocked(self, _reason: str) -> None:
                blocked.set()

        with _held(tmp_path / "test.duckdb"):
            summary = lab.load(watcher=Blocked())
        assert isinstance(summary.error, DestinationLocked)
        assert "close it there" in str(summary.error)
        assert blocked.is_set()
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == sorted(lab.asked("details")) == all_ids(api)


def test_a_view_that_cannot_be_made_stops_no_load(tmp_path: Path) -> None:
    """Somebody's own table has its name: exit code 3, and all data is loaded."""
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        pipeline = lab.pipeline()
        with pipeline.sql_client() as client:
            client.execute_sql("create schema usertesting")
            client.execute_sql("create table usertesting.answers (mine text)")
        summary = lab.load()
        assert summary.exit_code == 3
        assert "answers" in summary.tally.failed[0]
        assert lab.ids("session_details") == all_ids(api)
