"""What is kept between runs stays small, since what the destination holds is not kept twice."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from tests.support.lab import CHEAP, Lab, ago, all_ids, later
from usertesting_source import load
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import SampleApi, simple_study

MOST_BYTES = 50_000


def test_a_commit_writes_a_small_state_however_many_sessions_are_in_the_overlap(tmp_path: Path) -> None:
    """Two thousand of them, three resources: a new session is one package with a small state; and none comes twice."""
    study = simple_study(n=2000, newest=ago(hours=1), every=timedelta(minutes=5), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["tests", *CHEAP, "transcripts"])
        assert lab.load(chunk=500).exit_code == 0
        for minutes in (5, 10):
            with later(minutes=minutes):
                api.add_session(study.test_id)
                assert lab.load().exit_code == 0
        sizes = [size for (size,) in lab.query("select length(state) from _dlt_pipeline_state order by version")]
        assert max(sizes) < MOST_BYTES
        assert sizes[-1] < 5_000
        assert lab.ids("session_details") == lab.ids("transcripts") == all_ids(api)
        for endpoint in ("details", "transcript"):
            assert sorted(lab.asked(endpoint)) == all_ids(api)


def test_details_follow_a_session_whose_row_in_the_listing_changes(tmp_path: Path) -> None:
    """KPIs read its times; what was said in it stays as it was."""
    study = simple_study(n=5, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*CHEAP, "transcripts"])
        lab.load()
        changed = study.sessions[2]
        api.change_session(changed.session_id, finished=changed.finished + timedelta(minutes=3))
        lab.load()
        api.change_session(study.sessions[3].session_id, status="REPLACED")
        lab.load()
        assert lab.asked("details")[5:] == [changed.session_id, study.sessions[3].session_id]
        assert len(lab.asked("transcript")) == 5
        times = lab.query(
            "select s.finish_time = d.finish_time from sessions s join session_details d using (session_id)"
        )
        assert times == [(True,)] * 5
        assert [lab.load().packages for _ in range(3)][1:] == [0, 0]


def test_what_was_deleted_by_hand_inside_the_overlap_is_loaded_again(tmp_path: Path) -> None:
    """The destination is the truth."""
    study = simple_study(n=5, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        api.add_session(study.test_id)
        lab.load()
        with lab.pipeline().sql_client() as client:
            client.execute_sql("delete from session_details where session_id = %s", study.sessions[0].session_id)
        lab.load()
        assert lab.ids("session_details") == all_ids(api)


def test_rows_that_a_user_filters_out_are_not_fetched_again(tmp_path: Path) -> None:
    """What the destination does not show stays in the state."""
    study = simple_study(n=5, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        wanted = study.sessions[0].session_id
        for _ in range(3):
            source = lab.source()
            source.session_details.add_filter(lambda row: row.get("session_id", wanted) == wanted)
            load(lab.pipeline(), source)
        assert len(lab.asked("details")) == 5
        assert lab.ids("session_details") == [wanted]


def test_many_changed_rows_are_each_followed_once(tmp_path: Path) -> None:
    """More than a package takes: the run ends, and the next one is quiet."""
    study = simple_study(n=30, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        api.add_session(study.test_id)
        lab.load()
        for session in study.sessions[:30]:
            api.change_session(session.session_id, audience_id="2f1e9a52-0000-4000-8000-000000000001")
        assert lab.load(chunk=5, max_minutes=2).exit_code == 0
        assert len(lab.asked("details")) == 31 + 30
        assert [lab.load().packages for _ in range(3)][1:] == [0, 0]
        assert len(lab.asked("details")) == 31 + 30


def test_a_removed_session_makes_no_later_run_fail_or_ask(tmp_path: Path) -> None:
    """It is marked once; what is gone is not missing."""
    study = simple_study(n=8, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*CHEAP, "transcripts", "clips"])
        lab.load()
        api.remove_session(study.sessions[3].session_id)
        spent = [len(lab.asked(name)) for name in ("details", "transcript", "clips")]
        assert [lab.load().exit_code for _ in range(3)] == [0, 0, 0]
        api.add_session(study.test_id)
        assert [lab.load().exit_code for _ in range(2)] == [0, 0]
        assert [len(lab.asked(name)) for name in ("details", "transcript", "clips")] == [n + 1 for n in spent]


def test_a_test_that_rests_for_one_resource_alone_is_not_fetched_again(tmp_path: Path) -> None:
    """Its details rest, its transcripts are waited for: looking at it for these costs no details."""
    study = simple_study(n=12, newest=ago(days=60), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        api.faults.status["transcript", study.sessions[2].session_id] = 404
        lab = Lab(api, tmp_path, resources=[*CHEAP, "transcripts"])
        lab.load(chunk=5)
        for hours in (1, 2):
            with later(hours=hours):
                assert lab.load(chunk=5).exit_code == 0
        assert len(lab.asked("details")) == 12


def test_full_does_not_hide_what_was_removed_before(tmp_path: Path) -> None:
    """A session that is gone when everything is loaded anew is marked all the same."""
    study = simple_study(n=5, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        api.add_session(study.test_id)
        lab.load()
        gone = study.sessions[1].session_id
        api.remove_session(gone)
        assert lab.load(full=True).exit_code == 0
        assert lab.load().exit_code == 0
        assert lab.ids("sessions", "removed_at is not null") == [gone]


def test_a_busy_file_is_waited_for_also_while_sessions_are_fetched(tmp_path: Path) -> None:
    """Between two packages another program opens it for a moment."""
    study = simple_study(n=9, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        code = f"import duckdb, sys, time; c = duckdb.connect({str(tmp_path / 'test.duckdb')!r}); time.sleep(2)"

        holders: list[subprocess.Popen[bytes]] = []

        class Holder(Watcher):
            held = False

            def committed(self, _rows: object) -> None:
                if not self.held:
                    self.held = True
                    holders.append(subprocess.Popen([sys.executable, "-c", code]))
                    time.sleep(0.7)

        assert lab.load(chunk=3, watcher=Holder()).exit_code == 0
        assert [holder.wait() for holder in holders] == [0]
        assert lab.ids("session_details") == all_ids(api)
