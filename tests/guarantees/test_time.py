"""Sessions finish while a load runs, late, together, or without a time; tests come and go. Nothing is missed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, later, now
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import Request, SampleApi, simple_study


def test_sessions_that_finish_while_a_load_runs_are_loaded_by_the_next(tmp_path: Path) -> None:
    """They are newer than what is listed already, and the cursor must not pass over them."""
    study = simple_study(n=30, newest=ago(hours=1), every=timedelta(minutes=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)

        def on_request(request: Request) -> None:
            if request.endpoint == "details" and api.count("details") % 10 == 0:
                api.add_session(study.test_id)

        api.faults.on_request = on_request
        lab.load(chunk=100)
        api.faults.on_request = None
        assert len(lab.ids("session_details")) == 30
        lab.load()
        assert lab.ids("session_details") == all_ids(api)
        assert len(lab.asked("details")) == 33


def test_sessions_that_come_between_two_pages_hide_none(tmp_path: Path) -> None:
    """Each new session moves those behind it to the next page, and one moves back when one goes."""
    study = simple_study(n=1_800, newest=ago(hours=1), every=timedelta(minutes=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        gone = [session.session_id for session in study.sessions[100:104]]

        def on_request(request: Request) -> None:
            if request.endpoint == "list" and int(request.query["offset"]):
                api.add_session(study.test_id)
                if gone:
                    api.remove_session(gone.pop())

        api.faults.on_request = on_request
        lab.load()
        api.faults.on_request = None
        lab.load()
        assert set(lab.ids("sessions")) >= set(all_ids(api))
        assert lab.query("select count(*) = count(distinct session_id) from sessions") == [(True,)]


@pytest.mark.parametrize(("sort", "fractions"), [("finish", "ms"), ("finish", "none"), ("start", "mixed")])
def test_late_equal_and_missing_times(tmp_path: Path, sort: str, fractions: str) -> None:
    """
    Sessions in one millisecond, one that began long before it finished, one listed ten days after it finished, one
    without a finish time: all are loaded, however the list is sorted and times are written, and none twice.
    """
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None, sort=sort, fractions=fractions) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        moment = now().replace(microsecond=0)
        api.add_session(study.test_id, finished=moment)
        lab.load()
        api.add_session(study.test_id, finished=moment)
        api.add_session(study.test_id, finished=now(), started=ago(days=9))
        api.add_session(study.test_id, finished=ago(days=10))
        api.add_session(study.test_id, finished=ago(hours=2), finish_listed=False)
        lab.load()
        assert lab.ids("session_details") == all_ids(api)
        lab.load()
        assert sorted(lab.asked("details")) == all_ids(api)


def test_a_session_listed_ten_days_late_behind_many_newer_ones(tmp_path: Path) -> None:
    """It stands on the third page, where no page before it has changed; its count gives it away."""
    study = simple_study(n=1_300, newest=ago(minutes=5), every=timedelta(minutes=10))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        lab.load()
        late = api.add_session(study.test_id, finished=ago(days=8.5))
        lab.load()
        assert late in lab.ids("sessions")


def test_a_test_added_later_is_loaded_from_its_beginning(tmp_path: Path) -> None:
    """Its sessions are older than the cursors of the others."""
    young = simple_study(n=4, newest=ago(hours=1), seed=1)
    old = simple_study(n=4, newest=ago(days=200), seed=2)
    with SampleApi([young, old], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load(settings={"test_ids": [young.test_id]})
        assert len(lab.ids("sessions")) == 4
        lab.load()
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)
        assert sorted(lab.asked("details")) == all_ids(api)


def test_a_resource_switched_on_later_fills_up_from_the_beginning(tmp_path: Path) -> None:
    """Transcripts and videos after months of details: all of them, and no details again."""
    study = simple_study(n=8, newest=ago(hours=1), every=timedelta(days=20), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load()
        bucket = (tmp_path / "videos").as_uri()
        lab.load(settings={"resources": [*DETAILS, "transcripts", "session_videos"], "video_bucket_url": bucket})
        assert lab.ids("transcripts") == lab.ids("session_videos") == all_ids(api)
        assert api.count("details") == 8


def test_a_test_that_is_lost_for_a_while_and_comes_back(tmp_path: Path) -> None:
    """404: the other test is loaded; asked for again with delays of at most an hour; later all of it is there."""
    lost = simple_study(n=3, newest=ago(hours=1), seed=1)
    other = simple_study(n=3, newest=ago(hours=1), seed=2)
    with SampleApi([lost, other], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        api.hide_test(lost.test_id)
        api.add_session(other.test_id)
        summary = lab.load()
        assert summary.exit_code == 3
        assert lost.test_id in summary.tally.failed[0]
        assert len(lab.ids("session_details")) == 7
        before = lab.listed(lost.test_id)
        assert lab.load().exit_code == 0
        assert lab.listed(lost.test_id) == before
        assert lab.issues() == [("sessions", None, "failed", 1, False)]
        api.show_test(lost.test_id)
        with later(hours=1, minutes=1):
            api.add_session(lost.test_id)
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        assert lab.issues() == [("sessions", None, "resolved", 1, True)]
        assert lab.query("select count(*) from sessions where removed_at is not null") == [(0,)]


def test_a_session_that_finishes_while_another_test_is_loaded_is_not_passed_over(tmp_path: Path) -> None:
    """The listing of a test is older than the end of its load, and its cursor goes no further than the listing."""
    first = simple_study(n=12, newest=ago(hours=1), seed=1)
    second = simple_study(n=12, newest=ago(hours=1), seed=2)
    with SampleApi([first, second], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)

        class Arrivals(Watcher):
            def committed(self, _rows: object) -> None:
                api.add_session(first.test_id)

        lab.load(chunk=6, watcher=Arrivals())
        lab.load()
        assert lab.ids("session_details") == all_ids(api)
        assert sorted(lab.asked("details")) == all_ids(api)


def test_failures_while_the_clock_was_ahead_postpone_nothing(tmp_path: Path) -> None:
    """The computer believed for a while that it is two months later: once it knows better, all is tried again."""
    studies = [
        simple_study(n=2, newest=ago(hours=1), product_type=kind, seed=i)
        for i, kind in enumerate(["THINK_OUT_LOUD", "NON_THINK_OUT_LOUD", "SURVEY"])
    ]
    with SampleApi(studies, rate_limit=None) as api:
        resources = [*CHEAP, "transcripts", "clips", "qx_scores"]
        lab = Lab(api, tmp_path, resources=resources, workspace_ids=["*"])
        talk, scores, lost = studies
        with later(days=60):
            api.faults.status["details", talk.sessions[0].session_id] = 404
            api.faults.status["transcript", talk.sessions[1].session_id] = 404
            api.faults.status["clips", talk.sessions[1].session_id] = 404
            api.faults.status["qx_scores", scores.test_id] = 500
            api.faults.status["list", lost.test_id] = 404
            assert lab.load().exit_code == 3
        api.faults.clear()
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        assert len(lab.ids("transcripts")) == len(talk.sessions)
        assert lab.query("select count(*) from qx_scores") == [(1,)]
        assert {issue[2] for issue in lab.issues()} == {"resolved"}


def test_a_finish_time_in_the_future_makes_no_poll_write(tmp_path: Path) -> None:
    """It is loaded once; what the clock says of it later is no news."""
    study = simple_study(n=3, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        api.add_session(study.test_id, finished=ago(days=-9))
        lab.load()
        assert [lab.load().packages for _ in range(3)][1:] == [0, 0]
