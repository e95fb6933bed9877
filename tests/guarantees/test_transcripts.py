"""Transcripts come after their sessions, or never: they are waited for, and tests without any cost next to nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.lab import Lab, ago, all_ids, later, now
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.sync import listing


def test_a_transcript_that_is_there_tomorrow_is_loaded_tomorrow(tmp_path: Path) -> None:
    """It is asked for again with growing delays, and the row in load_issues is closed when it comes."""
    study = simple_study(n=2, newest=ago(minutes=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        late = study.sessions[0].session_id
        api.change_session(late, transcript_from=now() + timedelta(hours=20))
        summary = lab.load()
        assert (summary.exit_code, summary.tally.waiting["transcripts"]) == (0, 1)
        assert lab.load().tally.waiting["transcripts"] == 0
        tries = []
        for minutes in (4, 6, 22, 66, 68, 1830):
            with later(minutes=minutes):
                before = lab.asked("transcript").count(late)
                lab.load()
                if lab.asked("transcript").count(late) > before:
                    tries.append(minutes)
        assert tries == [6, 22, 68, 1830]
        assert lab.ids("transcripts") == all_ids(api)
        assert lab.issues() == [("transcripts", late, "resolved", 4, True)]
        assert len(lab.asked("transcript")) == 6


def test_a_transcript_that_never_comes_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    """transcript_wait_hours after the session finished, with one last try."""
    study = simple_study(n=2, newest=ago(minutes=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"], transcript_wait_hours=10)
        never = study.sessions[0].session_id
        api.change_session(never, transcript_from=now() + timedelta(days=99))
        lab.load()
        with later(hours=9, minutes=58):
            lab.load()
            assert lab.issues() == [("transcripts", never, "waiting", 2, False)]
        with later(hours=10, minutes=1):
            lab.load()
            assert lab.issues() == [("transcripts", never, "given_up", 3, False)]
        with later(days=90):
            lab.load()
        assert lab.asked("transcript").count(never) == 3


def test_tests_of_a_known_kind_without_transcripts_cost_no_request(tmp_path: Path) -> None:
    """Workspaces say which tests are surveys and interaction tests."""
    kinds = ("SURVEY", "NON_THINK_OUT_LOUD", "THINK_OUT_LOUD")
    studies = [simple_study(n=3, newest=ago(days=4), product_type=kind) for kind in kinds]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        lab.load()
        assert sorted(lab.asked("transcript")) == sorted(s.session_id for s in studies[2].sessions)


def test_a_test_of_unknown_kind_without_transcripts_costs_three_requests_twice(tmp_path: Path) -> None:
    """
    A day apart, and one more of each with each tenfold growth; what was learnt outlives the run, and leaves no open
    issue, and nothing that was given up.
    """
    study = simple_study(n=40, newest=ago(days=4), every=timedelta(minutes=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["transcripts"])
        summary = lab.load()
        assert api.count("transcript") == 3
        assert (summary.exit_code, summary.tally.waiting["transcripts"]) == (0, 3)
        assert not summary.tally.warnings
        lab.load()
        assert api.count("transcript") == 3
        with later(days=1, minutes=1):
            summary = lab.load()
            assert api.count("transcript") == 6
            assert (summary.exit_code, summary.tally.given_up["transcripts"]) == (0, 0)
            assert "no transcripts" in next(iter(summary.tally.warnings))
            assert [issue[2:] for issue in lab.issues()] == [("resolved", 2, True)] * 3
            api.add_session(study.test_id)
            lab.load()
            assert api.count("transcript") == 6
            for _ in range(360):
                api.add_session(study.test_id, finished=ago(days=4))
            lab.load()
            lab.load()
            assert api.count("transcript") == 7


def test_a_test_of_unknown_kind_with_transcripts_is_loaded_completely(tmp_path: Path) -> None:
    """Also when the first ones asked for have none, which get a second look a day later."""
    study = simple_study(n=12, newest=ago(days=4), product_type=None, kind="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["transcripts"])
        without = [study.sessions[0].session_id, study.sessions[-1].session_id]
        for session_id in without:
            api.change_session(session_id, transcript_from=now() + timedelta(days=99))
        assert lab.load().exit_code == 0
        assert lab.ids("transcripts") == sorted(set(all_ids(api)) - set(without))
        assert [issue[1:3] for issue in lab.issues()] == sorted((i, "waiting") for i in without)
        with later(days=1, minutes=1):
            assert lab.load().tally.given_up["transcripts"] == 2
        assert [issue[1:3] for issue in lab.issues()] == sorted((i, "given_up") for i in without)
        assert len(lab.asked("transcript")) == 14


def test_videos_of_a_test_of_unknown_kind_are_each_downloaded_once(tmp_path: Path) -> None:
    """Several are on their way at a time, while it is still unknown whether the test has any."""
    study = simple_study(n=9, newest=ago(days=4), product_type=None, kind="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        bucket = (tmp_path / "videos").as_uri()
        lab = Lab(api, tmp_path, resources=["session_videos"], video_bucket_url=bucket)
        assert lab.load().exit_code == 0
        assert lab.ids("session_videos") == sorted(lab.asked("video_url")) == all_ids(api)


def test_a_big_test_of_unknown_kind_is_listed_once_while_its_probes_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request a poll however many pages it has; and the first transcript brings all others in the same run."""
    monkeypatch.setattr(listing, "PAGE", 10)
    study = simple_study(n=35, newest=ago(minutes=1), every=timedelta(minutes=5), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        for session in study.sessions:
            api.change_session(session.session_id, transcript_from=now() + timedelta(hours=5))
        lab = Lab(api, tmp_path, resources=["transcripts"])
        lab.load()
        before = lab.listed()
        with later(minutes=1):
            lab.load()
        assert lab.listed() == before + 1
        with later(hours=8):
            assert lab.load().exit_code == 0
            assert lab.ids("transcripts") == all_ids(api)
