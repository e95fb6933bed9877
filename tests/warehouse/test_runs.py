"""`load_runs`: every run leaves a sign of life, a quiet one seldom, and never at the load's cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lab import CHEAP, Lab, ago, later
from usertesting_source import load
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.stop import Stop
from usertesting_source.tables.schema import columns

ALL = "select outcome, requests, rows_loaded, items_left, error from load_runs order by ended_at"


def test_a_run_says_when_it_was_and_how_it_ended(tmp_path: Path) -> None:
    """With what it loaded and spent, in columns as the dictionary has them."""
    with SampleApi([simple_study(n=3, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        summary = lab.load()
        assert lab.query(ALL) == [("loaded", 4, summary.rows.total(), 0, None)]
        ((pipeline, seconds, since),) = lab.query(
            "select pipeline, epoch(ended_at - started_at), epoch(now() - ended_at) from load_runs"
        )
        assert pipeline == "usertesting"
        assert seconds == pytest.approx(summary.seconds, abs=0.001)
        assert 0 <= since < 60
        landed = lab.query("select column_name from information_schema.columns where table_name = 'load_runs'")
        assert {name for (name,) in landed} == set(columns("load_runs"))


def test_quiet_polls_write_once_an_hour(tmp_path: Path) -> None:
    """Also when each comes from a machine of its own; and nothing else in the destination changes."""
    with SampleApi([simple_study(n=2, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        for _ in range(2):  # the first quiet one may still have a state to commit
            lab.load()
        loads = lab.query("select * from _dlt_loads")
        for _ in range(2):
            lab.load()
        assert lab.query("select outcome, count(*) from load_runs group by all order by 1") == [
            ("loaded", 1),
            ("nothing_new", 1),
        ]
        for number in range(2):
            load(lab.pipeline(pipelines=f"machine_{number}"), lab.source())
        assert len(lab.query(ALL)) == 2
        with later(minutes=61):
            lab.load()
            lab.load()
        assert len(lab.query(ALL)) == 3
        assert lab.query("select * from _dlt_loads") == loads


def test_an_error_and_a_stop_are_told_each_in_its_word(tmp_path: Path) -> None:
    """The error with its text, the stop with what is left; at once, though the row before is a moment old."""
    with SampleApi([simple_study(n=6, newest=ago(days=1))], rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=CHEAP), Stop()
        api.faults.on_request = lambda request: stop.ask() if request.endpoint == "details" else None
        lab.load(chunk=2, stop=stop)
        api.faults.on_request, right, api.client_secret = None, api.client_secret, "wrong"
        lab.load()
        api.client_secret = right
        lab.load()
        told = lab.query(ALL)
        assert [outcome for outcome, *_ in told] == ["stopped", "error", "loaded"]
        assert told[0][3] == 5
        assert "401" in told[1][-1]


def test_a_run_that_cannot_be_told_is_none_the_worse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Here the table is somebody's own view; it is logged, and the load is complete."""
    with SampleApi([simple_study(n=3, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        lab.query("drop table load_runs")
        lab.query("create view load_runs as select 1 as run_id")
        api.add_session(api.test_ids[0])
        assert lab.load().exit_code == 0
        assert len(lab.ids("session_details")) == 4
        assert "could not be written to load_runs" in caplog.text


def test_a_table_that_was_dropped_is_made_anew(tmp_path: Path) -> None:
    """It is nobody's source of truth."""
    with SampleApi([simple_study(n=1, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        lab.query("drop table load_runs")
        with later(hours=2):
            assert lab.load().exit_code == 0
        assert [outcome for outcome, *_ in lab.query(ALL)] == ["nothing_new"]


def test_views_find_the_table_with_the_first_commit(tmp_path: Path) -> None:
    """They are made then, and once made looked at no more."""
    with SampleApi([simple_study(n=1, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        seen: list[list[tuple[object, ...]]] = []

        class Look(Watcher):
            def committed(self, _rows: object) -> None:
                seen.append(lab.query("select count(*) from load_runs"))

        lab.load(watcher=Look())
        assert seen == [[(0,)]]
