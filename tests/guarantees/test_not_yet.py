"""What is not there yet is asked for again until it is there; what never comes is given up, and that is said."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.lab import Lab, ago, all_ids, later, now
from usertesting_source.cli.show import Screen
from usertesting_source.outcome import Summary
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.sample_api.payloads import reels
from usertesting_source.sample_api.studies import Study


def interaction(n: int = 3, **fields: object) -> Study:
    """An interaction test, the newest of whose sessions finished a minute ago."""
    return simple_study(**{"n": n, "newest": ago(minutes=1), "product_type": "NON_THINK_OUT_LOUD", **fields})  # type: ignore[arg-type] # the fields of Study


def said(summary: Summary) -> str:
    """What a user reads at the end of a run."""
    console = Console(width=200, force_terminal=False, highlight=False, record=True, quiet=False)
    with console.capture() as capture:
        Screen(console).polled(summary)
    return capture.get()


# -- scores of a test -----------------------------------------------------------------------


def test_scores_that_are_not_there_yet_are_loaded_when_they_come(tmp_path: Path) -> None:
    """404 for an interaction test of young sessions: asked again with growing delays, and the issue is closed."""
    study = interaction()
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["qx_scores"])
        api.faults.status["qx_scores", study.test_id] = 404
        summary = lab.load()
        assert (summary.exit_code, summary.tally.waiting) == (0, {"qx_scores": 1})
        assert lab.issues() == [("qx_scores", None, "waiting", 1, False)]
        tries = []
        for minutes in (4, 6, 19, 22, 60, 68):
            with later(minutes=minutes):
                before = api.count("qx_scores")
                lab.load()
                if api.count("qx_scores") > before:
                    tries.append(minutes)
        assert tries == [6, 22, 68]
        api.faults.clear()
        with later(hours=4):
            assert not lab.load().tally.waiting
        assert lab.query("select completes from qx_scores") == [(3,)]
        assert lab.issues() == [("qx_scores", None, "resolved", 4, True)]


def test_scores_over_some_of_the_sessions_are_loaded_and_asked_again_until_whole(tmp_path: Path) -> None:
    """What came is a snapshot, and is kept; the whole one follows; new sessions are reason to ask at once."""
    study = interaction()
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["qx_scores"])
        completes = "select completes from qx_scores order by extracted_at"
        api.faults.scores_lag = 2
        assert lab.load().tally.waiting["qx_scores"] == 1
        assert lab.query(completes) == [(1,)]
        message = lab.query("select message from load_issues")[0][0]
        assert study.test_id in message
        assert "leave out 2 sessions" in message
        with later(minutes=1):
            api.add_session(study.test_id)
            lab.load()
        assert lab.query(completes) == [(1,), (2,)]
        api.faults.scores_lag = 0
        with later(minutes=3):
            lab.load()
        assert api.count("qx_scores") == 2
        with later(minutes=7):
            lab.load()
        assert lab.query(completes) == [(1,), (2,), (4,)]
        assert lab.issues() == [("qx_scores", None, "resolved", 1, True)]
        with later(minutes=30):
            lab.load()
        assert api.count("qx_scores") == 3


@pytest.mark.parametrize("fault", ["404", "partial"])
def test_scores_that_stay_away_are_given_up_and_named(tmp_path: Path, fault: str) -> None:
    """72 hours after the newest session; the next session makes them worth another try, and closes the issue."""
    study = interaction()
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["qx_scores"])
        if fault == "404":
            api.faults.status["qx_scores", study.test_id] = 404
        else:
            api.faults.scores_lag = 1
        lab.load()
        with later(hours=70):
            assert lab.load().tally.waiting["qx_scores"] == 1
        with later(hours=73):
            summary = lab.load()
            assert (summary.exit_code, summary.tally.given_up) == (0, {"qx_scores": 1})
            assert "1 QXscore given up" in said(summary)
            assert "All loaded" not in said(summary)
            assert [issue[2] for issue in lab.issues()] == ["given_up"]
        asked = api.count("qx_scores")
        with later(days=9):
            lab.load()
            assert api.count("qx_scores") == asked
            api.faults.clear()
            api.add_session(study.test_id)
            lab.load()
        assert lab.query("select max(completes) from qx_scores") == [(4,)]
        assert [issue[2] for issue in lab.issues()] == ["resolved"]


def test_a_test_of_unknown_kind_without_scores_is_asked_twice_a_day_apart(tmp_path: Path) -> None:
    """Then it has none, which is no issue, until it has ten times the sessions."""
    study = simple_study(n=2, newest=ago(days=4), every=timedelta(minutes=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["qx_scores"])
        assert lab.load().tally.waiting["qx_scores"] == 1
        for hours, asked in ((1, 1), (23, 1), (25, 2), (50, 2)):
            with later(hours=hours):
                summary = lab.load()
                assert (api.count("qx_scores"), +summary.tally.given_up) == (asked, Counter())
        assert lab.issues() == [("qx_scores", None, "resolved", 2, True)]
        with later(hours=51):
            api.add_session(study.test_id, finished=ago(days=5))
            lab.load()
            assert api.count("qx_scores") == 2
            for _ in range(17):
                api.add_session(study.test_id, finished=ago(days=5))
            lab.load()
            assert api.count("qx_scores") == 3


def test_scores_of_a_young_test_of_unknown_kind_that_come_late_are_loaded(tmp_path: Path) -> None:
    """It does not count as having none before its newest session has had its time; news costs no request meanwhile."""
    study = interaction(product_type=None, kind="NON_THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["qx_scores"])
        api.faults.status["qx_scores", study.test_id] = 404
        tries = []
        for minutes in (0, 10, 20, 30, 60, 90, 120, 240, 480, 1000):
            with later(minutes=minutes):
                before = api.count("qx_scores")
                api.add_session(study.test_id)
                lab.load()
                if api.count("qx_scores") > before:
                    tries.append(minutes)
        assert tries == [0, 10, 30, 90, 240, 1000]
        api.faults.clear()
        with later(days=2):
            lab.load()
        assert lab.query("select completes from qx_scores") == [(13,)]


# -- probes of tests of unknown kind ----------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "empty"])
def test_probes_that_fail_do_not_block_the_others(tmp_path: Path, fault: str) -> None:
    """Only a 404 says something about the kind: other sessions are asked instead, and then all."""
    study = simple_study(n=12, newest=ago(days=4), product_type=None, kind="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["transcripts"])
        bad = [study.sessions[i].session_id for i in (0, 5, 11)]
        for session_id in bad:
            if fault == "500":
                api.faults.status["transcript", session_id] = 500
            else:
                api.change_session(session_id, transcript="")
        summaries = [lab.load()]
        assert set(lab.asked("transcript")[:3]) <= set(bad)
        if fault == "500":
            summaries.append(lab.load())  # three in a row were enough for one run
        assert lab.ids("transcripts") == sorted(set(all_ids(api)) - set(bad))
        assert summaries[0].exit_code == 3
        assert {(issue[1], issue[2]) for issue in lab.issues()} == {(session_id, "failed") for session_id in bad}


@pytest.mark.parametrize(("status", "most"), [("500", 3), ("empty", 6)])
def test_probes_that_all_fail_cost_few_requests_in_a_run(tmp_path: Path, status: str, most: int) -> None:
    """The rest is left for the next run, which asks others."""
    study = simple_study(n=60, newest=ago(days=4), product_type=None, kind="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["transcripts"])
        for session in study.sessions:
            if status == "500":
                api.faults.status["transcript", session.session_id] = 500
            else:
                api.change_session(session.session_id, transcript="")
        for run in (1, 2, 3):
            assert lab.load().exit_code == 3
            assert len(set(lab.asked("transcript"))) == most * run
        api.faults.clear()
        for session in study.sessions:
            api.change_session(session.session_id, transcript=None)
        with later(minutes=16):
            lab.load()
        assert lab.ids("transcripts") == all_ids(api)


# -- transcripts --------------------------------------------------------------------------------


def test_a_bare_header_is_no_transcript_before_its_time_is_over(tmp_path: Path) -> None:
    """WEBVTT and nothing else is waited for; when it stays so it is stored, with no cues."""
    study = simple_study(n=3, newest=ago(minutes=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        late, never = study.sessions[0].session_id, study.sessions[1].session_id
        api.change_session(late, transcript="\ufeffWEBVTT - Session\r\n\r\n")
        api.change_session(never, transcript="WEBVTT")
        summary = lab.load()
        assert (summary.exit_code, summary.tally.waiting["transcripts"]) == (0, 2)
        assert lab.ids("transcripts") == [study.sessions[2].session_id]
        api.change_session(late, transcript=None)
        with later(hours=30):
            lab.load()
        assert lab.ids("transcripts", "cue_count > 0") == sorted(set(all_ids(api)) - {never})
        with later(hours=73):
            assert lab.load().exit_code == 0
        assert lab.ids("transcripts", "cue_count = 0") == [never]
        assert {issue[2] for issue in lab.issues()} == {"resolved"}


def test_a_bare_header_of_an_old_session_is_stored_at_once(tmp_path: Path) -> None:
    """Nobody said anything."""
    study = simple_study(n=1, newest=ago(days=4), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        api.change_session(study.sessions[0].session_id, transcript="WEBVTT\n")
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        assert not lab.load().tally.waiting
        assert lab.query("select cue_count from transcripts") == [(0,)]


def test_old_transcripts_get_a_second_look_a_day_later_before_they_are_given_up(tmp_path: Path) -> None:
    """One 404 each is not the last word; what was given up is told with numbers, and is no failure."""
    study = simple_study(n=50, newest=ago(days=5), every=timedelta(minutes=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        for session in study.sessions[1:]:
            api.change_session(session.session_id, transcript_from=now() + timedelta(days=99))
        summary = lab.load()
        assert (summary.exit_code, summary.tally.waiting["transcripts"], +summary.tally.given_up) == (0, 49, Counter())
        assert "49 not there yet" in said(summary)
        with later(hours=23):
            lab.load()
            assert api.count("transcript") == 50
        api.change_session(study.sessions[1].session_id, transcript_from=None)
        with later(hours=25):
            summary = lab.load()
        assert api.count("transcript") == 99
        assert len(lab.ids("transcripts")) == 2
        assert (summary.exit_code, summary.tally.given_up["transcripts"]) == (0, 48)
        assert "48 transcripts given up: never came; see load_issues" in said(summary)
        assert "All loaded" not in said(summary)
        assert Counter(issue[2] for issue in lab.issues()) == {"given_up": 48, "resolved": 1}
        with later(days=3):
            assert not lab.load().tally.given_up
        assert api.count("transcript") == 99


def test_a_404_after_other_failures_is_not_the_last_word_either(tmp_path: Path) -> None:
    """An endpoint that was down for days, and then knows nothing for a moment."""
    study = simple_study(n=1, newest=ago(days=5), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["transcripts"])
        session_id = study.sessions[0].session_id
        api.faults.status["transcript", session_id] = 500
        lab.load()
        api.faults.status["transcript", session_id] = 404
        with later(days=3):
            assert lab.load().tally.waiting["transcripts"] == 1
        api.faults.clear()
        with later(days=4, hours=1):
            lab.load()
        assert lab.ids("transcripts") == [session_id]


def test_what_failed_for_two_weeks_is_given_up_and_counted(tmp_path: Path) -> None:
    """It is a failure, as before: exit code 3, and the summary says that it is asked for no more."""
    study = simple_study(n=2, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["session_details"])
        api.faults.status["details", study.sessions[0].session_id] = 404
        lab.load()
        with later(days=14.1):
            summary = lab.load()
        assert (summary.exit_code, summary.tally.given_up) == (3, {"session_details": 1})
        assert "1 detail given up" in said(summary)


# -- clips and reels ----------------------------------------------------------------------------


def clipped(**fields: object) -> Study:
    """A test of which some sessions have clips."""
    return simple_study(**{"n": 4, "newest": ago(hours=1), "product_type": "THINK_OUT_LOUD", **fields})  # type: ignore[arg-type] # the fields of Study


def test_clips_made_later_are_found(tmp_path: Path) -> None:
    """1, 4 and 13 days after the first look; that is no issue, no failure, and nothing waits."""
    study = clipped()
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["clips"])
        for session in study.sessions:
            api.change_session(session.session_id, clips_from=ago(days=-2))
        lab.load()
        assert api.count("clips") == 4
        asked = {}
        for hours in (1, 23, 25, 60, 98, 200, 315, 330, 800):
            before = api.count("clips")
            with later(hours=hours):
                summary = lab.load()
                assert (summary.exit_code, summary.tally.waiting, summary.tally.given_up) == (0, Counter(), Counter())
            asked[hours] = api.count("clips") - before
        assert asked == {1: 0, 23: 0, 25: 4, 60: 0, 98: 4, 200: 0, 315: 4, 330: 0, 800: 0}
        clips = lab.query("select count(*), count(distinct clip_uuid) from clips")
        assert clips[0][0] == clips[0][1] > 0
        assert lab.issues() == []


def test_clips_of_old_sessions_are_asked_for_once(tmp_path: Path) -> None:
    """What is made of a session is made soon: a load of the past does not cost four times as much."""
    study = clipped(newest=ago(days=15))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["clips"])
        for days in (0, 2, 5, 14):
            with later(days=days):
                lab.load()
        assert sorted(lab.asked("clips")) == all_ids(api)


def test_a_test_may_rest_while_its_clips_are_watched(tmp_path: Path) -> None:
    """It is listed once a day, and then its clips are asked for as well."""
    study = clipped(newest=ago(days=3))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["clips"], quiet_test_days=2)
        lab.load()
        for hours, listed, clips in ((2, 1, 4), (25, 2, 8), (26, 2, 8), (50, 3, 8), (98, 4, 12)):
            with later(hours=hours):
                lab.load()
            assert (lab.listed(), api.count("clips")) == (listed, clips)


def test_a_clip_list_that_fails_on_a_second_look_is_a_failure_that_heals(tmp_path: Path) -> None:
    """It began with the failure, and the looks go on after it."""
    study = clipped(n=1)
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["clips"])
        lab.load()
        api.faults.status["clips", study.sessions[0].session_id] = 500
        with later(days=1, minutes=1):
            assert lab.load().exit_code == 3
        assert lab.issues() == [("clips", study.sessions[0].session_id, "failed", 1, False)]
        api.faults.clear()
        with later(days=1, minutes=10):
            assert lab.load().exit_code == 0
        assert lab.issues() == [("clips", study.sessions[0].session_id, "resolved", 1, True)]
        before = api.count("clips")
        with later(days=3):
            lab.load()
        assert api.count("clips") == before + 1


def test_three_sessions_without_clips_are_looked_at_twice_before_a_test_has_none(tmp_path: Path) -> None:
    """Where a session without clips answers 404, as one of a test without videos does."""
    study = clipped(n=6, newest=ago(days=20), product_type=None, kind="THINK_OUT_LOUD")
    barren = simple_study(n=6, newest=ago(days=20), seed=9)
    with SampleApi([study, barren], rate_limit=None, no_clips_status=404) as api:
        lab = Lab(api, tmp_path, resources=["clips"])
        for session in study.sessions:
            api.change_session(session.session_id, clips_from=ago(hours=-5))
        assert lab.load().exit_code == 0
        assert api.count("clips") == 6
        with later(hours=25):
            summary = lab.load()
        assert set(all_ids(api)) - set(lab.asked("clips")) <= {session.session_id for session in barren.sessions}
        assert lab.query("select count(*) > 0 from clips") == [(True,)]
        assert (summary.exit_code, +summary.tally.given_up) == (0, Counter())
        assert [barren.test_id in line for line in summary.tally.warnings] == [True]
        with later(days=60):
            lab.load()
        assert sum(session_id in lab.asked("clips") for session_id in (s.session_id for s in barren.sessions)) == 3


def test_highlight_reels_are_asked_for_once_a_day(tmp_path: Path) -> None:
    """They are made whenever somebody has time, without news of a session."""
    study = clipped()
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"], resources=["highlight_reels"])
        lab.load()
        before = lab.query("select count(*) from highlight_reels")
        for hours, asked in ((1, 1), (22, 1), (24, 2), (25, 2)):
            if hours == 24:
                api.add_study(_with_more_reels(study))
            with later(hours=hours):
                lab.load()
            assert api.count("reels") == asked
        assert lab.query("select count(*) from highlight_reels") > before


def _with_more_reels(study: Study) -> Study:
    """The same test, once somebody has made another reel."""
    made = len(reels(study)["reels"])
    return next(other for seed in range(99) if len(reels(other := replace(study, seed=seed))["reels"]) > made)
