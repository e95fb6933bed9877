"""Sessions that are gone are marked, and only when a listing proves it; rows are never deleted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.lab import CHEAP, Lab, ago, later
from usertesting_source.sample_api import SampleApi, simple_study

GONE = "removed_at is not null"


def test_a_removed_session_is_marked_and_comes_back(tmp_path: Path) -> None:
    """removed_at is set once, the other columns stay, and it is cleared when the session is listed again."""
    study = simple_study(n=6, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        session_id = study.sessions[2].session_id
        columns = "select * exclude (removed_at, _dlt_load_id, _dlt_id) from sessions"
        before = lab.query(f"{columns} where session_id = '{session_id}'")
        api.remove_session(session_id)
        lab.load()
        assert lab.ids("sessions", GONE) == [session_id]
        assert lab.query(f"{columns} where session_id = '{session_id}'") == before
        marked = lab.query("select max(removed_at) from sessions")
        with later(days=1, hours=1):
            lab.load()
        assert lab.query("select max(removed_at) from sessions") == marked
        api.restore_session(session_id)
        lab.load()
        assert lab.ids("sessions", GONE) == []
        assert lab.query(f"{columns} where session_id = '{session_id}'") == before
        assert len(lab.ids("session_details")) == len(lab.asked("details")) == 6


def test_only_a_clean_listing_proves_that_a_session_is_gone(tmp_path: Path) -> None:
    """Not a 404 of the test, not a lost workspace, not an empty list, not one that does not fit its own count."""
    study = simple_study(n=6, newest=ago(days=1), product_type="SURVEY")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"], workspace_ids=[study.workspace_id])
        lab.load()
        api.hide_test(study.workspace_id)
        assert lab.load().exit_code == 3
        api.show_test(study.workspace_id)
        api.hide_test(study.test_id)
        lab.load(settings={"workspace_ids": [], "test_ids": [study.test_id]})
        api.show_test(study.test_id)
        with later(hours=2):
            for session in study.sessions:
                api.remove_session(session.session_id)
            lab.load()
            for session in study.sessions[3:]:
                api.restore_session(session.session_id)
            api.faults.total_count = 6
            lab.load()
            assert lab.ids("sessions", GONE) == []
            api.faults.total_count = None
            lab.load()
            assert len(lab.ids("sessions", GONE)) == 3


def test_a_session_that_answers_404_is_not_gone(tmp_path: Path) -> None:
    """It is listed: a failure of its details, nothing more."""
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        session_id = study.sessions[1].session_id
        api.faults.status["details", session_id] = 404
        lab = Lab(api, tmp_path, resources=CHEAP)
        assert lab.load().exit_code == 3
        assert lab.ids("sessions", GONE) == []
        assert lab.issues() == [("session_details", session_id, "failed", 1, False)]


def test_sessions_behind_the_overlap_are_not_looked_for(tmp_path: Path) -> None:
    """A listing is read back to the overlap's border alone, and what lies behind keeps its row as it is."""
    study = simple_study(n=1_300, newest=ago(days=1), every=timedelta(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"], overlap_days=5)
        lab.load()
        inside, behind = study.sessions[50].session_id, study.sessions[400].session_id
        api.remove_session(inside)
        api.remove_session(behind)
        before = lab.listed()
        lab.load()
        assert lab.ids("sessions", GONE) == [inside]
        assert lab.listed() - before == 2


def test_a_test_that_lost_all_its_sessions_is_believed_a_day_later(tmp_path: Path) -> None:
    """One empty answer may be a slip; two, a day apart, are not."""
    study = simple_study(n=4, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        for session in study.sessions:
            api.remove_session(session.session_id)
        with later(hours=1):
            assert lab.load().exit_code == 0
            assert lab.ids("sessions", "removed_at is not null") == []
        with later(hours=26):
            summary = lab.load()
            assert summary.exit_code == 0, summary.tally.failed
            assert len(lab.ids("sessions", "removed_at is not null")) == 4


def test_a_removal_of_any_age_is_noticed_where_all_is_listed(tmp_path: Path) -> None:
    """Most tests fit on one page: also a session of last year, with its whole row."""
    study = simple_study(n=8, newest=ago(hours=1), every=timedelta(days=60))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        old = study.sessions[-1].session_id
        before = lab.query(
            f"select * exclude (removed_at, _dlt_id, _dlt_load_id) from sessions where session_id = '{old}'"
        )
        api.remove_session(old)
        assert lab.load().exit_code == 0
        assert lab.ids("sessions", "removed_at is not null") == [old]
        after = lab.query(
            f"select * exclude (removed_at, _dlt_id, _dlt_load_id) from sessions where session_id = '{old}'"
        )
        assert after == before
        packages = [lab.load().packages for _ in range(3)]
        assert packages[1:] == [0, 0]
        api.restore_session(old)
        lab.load()
        assert lab.ids("sessions", "removed_at is not null") == []
