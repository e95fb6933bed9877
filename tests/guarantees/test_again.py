"""Everything again, only what is new, only some sessions: what the options of a load mean."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, later
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.stop import Stop


def test_full_replaces_everything(tmp_path: Path) -> None:
    """Rows and their children: none is doubled, and children that are no more go."""
    studies = [
        simple_study(n=3, newest=ago(days=1), product_type=kind) for kind in ("NON_THINK_OUT_LOUD", "THINK_OUT_LOUD")
    ]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, workspace_ids=["*"])
        lab.load()
        tables = [
            name for (name,) in lab.query("select table_name from duckdb_tables() where schema_name='usertesting'")
        ]
        tables = [name for name in tables if not name.startswith("_dlt")]
        before = {table: lab.query(f"select count(*) from {table}") for table in tables}
        assert {"qx_scores", "session_details__tasks", "transcripts__cues"} <= set(tables)
        changed = studies[1].sessions[0].session_id
        api.change_session(changed, details={"tasks": []})
        spent = api.count()
        assert lab.load(full=True).exit_code == 0
        assert api.count() - spent == spent
        after = {table: lab.query(f"select count(*) from {table}") for table in tables}
        tasks = lab.query("select count(*) from session_details__tasks")
        assert tasks == [(15,)]
        assert lab.ids("session_details__tasks", f"session_id = '{changed}'") == []
        other = {"session_details__tasks", "session_details__tasks__answer_options", "load_runs"}
        assert {name for name in tables if after[name] != before[name]} <= other


def test_full_that_is_stopped_goes_on_with_the_next_run(tmp_path: Path) -> None:
    """Also for tests that it had not come to."""
    studies = [simple_study(n=10, newest=ago(days=1), seed=seed) for seed in (1, 2, 3)]
    with SampleApi(studies, rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=CHEAP), Stop()
        lab.load()
        api.faults.on_request = lambda _: stop.ask() if api.count("details") == 35 else None
        assert lab.load(full=True, stop=stop).exit_code == 4
        api.faults.on_request = None
        assert lab.load().exit_code == 0
        assert sorted(lab.asked("details")) == sorted(all_ids(api) * 2)
        assert lab.ids("session_details") == lab.ids("sessions") == all_ids(api)


def test_full_closes_the_issues_that_it_heals(tmp_path: Path) -> None:
    """A session that failed is asked for at once, and its row in load_issues is resolved."""
    study = simple_study(n=2, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        api.faults.status["details", study.sessions[0].session_id] = 404
        lab.load()
        api.faults.clear()
        lab.load(full=True)
        assert lab.ids("session_details") == all_ids(api)
        assert [issue[2] for issue in lab.issues()] == ["resolved"]


def test_since_without_a_cursor_leaves_the_older_ones_due(tmp_path: Path) -> None:
    """They are loaded by the next run without it."""
    study = simple_study(n=10, newest=ago(hours=1), every=timedelta(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        assert lab.load(since=ago(days=3, hours=12)).exit_code == 0
        newest = sorted(session.session_id for session in study.sessions[:4])
        assert lab.ids("session_details") == lab.ids("sessions") == newest
        lab.load()
        assert lab.ids("session_details") == lab.ids("sessions") == sorted(lab.asked("details")) == all_ids(api)


def test_since_later_than_the_cursor_leaves_what_came_between_due(tmp_path: Path) -> None:
    """The cursor does not pass over it."""
    study = simple_study(n=3, newest=ago(days=20))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS, quiet_test_days=0)
        lab.load()
        between, after = (api.add_session(study.test_id, finished=ago(days=days)) for days in (10, 1))
        lab.load(since=ago(days=5))
        assert set(lab.ids("session_details")) == set(all_ids(api)) - {between}
        assert after in lab.ids("session_details")
        with later(days=40):
            api.add_session(study.test_id)
            lab.load()
        assert between in lab.ids("session_details")


def test_since_earlier_than_the_cursor_fetches_nothing_again(tmp_path: Path) -> None:
    """What is loaded stays loaded: --full is for that."""
    study = simple_study(n=10, newest=ago(hours=1), every=timedelta(days=10))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load()
        lab.load(since=ago(days=95))
        assert sorted(lab.asked("details")) == all_ids(api)


def test_since_before_start_date_reaches_further_back_once(tmp_path: Path) -> None:
    """Sessions older than start_date are loaded as far back as asked, and none twice when start_date moves."""
    study = simple_study(n=10, newest=ago(hours=1), every=timedelta(days=10))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS, start_date=ago(days=25))
        lab.load()
        assert len(lab.ids("session_details")) == 3
        lab.load(since=ago(days=55))
        assert len(lab.ids("session_details")) == 6
        lab.load(settings={"start_date": ago(days=75)})
        assert len(lab.ids("session_details")) == 8
        lab.load(settings={"start_date": None})
        assert sorted(lab.asked("details")) == lab.ids("session_details") == all_ids(api)


def test_one_session_anew(tmp_path: Path) -> None:
    """It is asked for again with all that belongs to it, and the others are not; an unknown id is named."""
    study = simple_study(n=8, newest=ago(days=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions", *DETAILS, "transcripts"])
        lab.load()
        chosen = study.sessions[5].session_id
        api.change_session(chosen, details={"testPlanId": "changed"})
        before = len(lab.asked("details")), len(lab.asked("transcript"))
        assert lab.load(session_ids=[chosen.upper()]).exit_code == 0
        assert lab.asked("details")[before[0] :] == lab.asked("transcript")[before[1] :] == [chosen]
        assert lab.ids("session_details", "test_plan_id = 'changed'") == [chosen]
        unknown = "00000000-0000-4000-8000-000000000000"
        summary = lab.load(session_ids=[unknown], settings={"resources": ["sessions"]})
        assert summary.exit_code == 3
        assert unknown in summary.tally.failed[0]
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == lab.ids("transcripts") == all_ids(api)


def test_since_reads_no_further_back_and_hides_nothing(tmp_path: Path) -> None:
    """Pages behind the date are left to the next run without it, also for removed sessions."""
    study = simple_study(n=1_700, newest=ago(hours=1), every=timedelta(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        lab.load(since=ago(days=2, minutes=30))
        assert len(lab.ids("sessions")) == 48
        assert lab.listed() <= 2
        lab.load(since=ago(days=30))
        assert 700 <= len(lab.ids("sessions")) <= 721
        lab.load()
        assert lab.ids("sessions") == all_ids(api)
        assert lab.ids("sessions", "removed_at is not null") == []
