"""What is kept between runs stays small, since what the destination holds is not kept twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.lab import CHEAP, Lab, ago, all_ids, later
from usertesting_source import load
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
