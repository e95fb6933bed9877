"""The main job: sessions, answers and transcripts in DuckDB, each request spent once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from usertesting_source import load
from usertesting_source.sample_api import SampleApi, shop_studies, simple_study


def test_a_load_brings_every_session_once(source_of, pipeline_of, query) -> None:
    """Every listed session is in sessions and session_details, once, with a transcript where there is one."""
    with SampleApi(shop_studies(sessions=30), rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, workspace_ids=["*"]))
        assert summary.exit_code == 0
        assert query(pipeline, "select count(*), count(distinct session_id) from sessions") == [(30, 30)]
        assert query(pipeline, "select count(*), count(distinct session_id) from session_details") == [(30, 30)]
        think_out_loud = "select count(*) from sessions join tests using (test_id) where product_type = 'THINK_OUT_LOUD'"
        assert query(pipeline, "select count(*) from transcripts") == query(pipeline, think_out_loud)


def test_a_load_costs_the_least_number_of_requests(source_of, pipeline_of) -> None:
    """Workspaces, a listing per test, one request per session and resource that has it, and nothing else."""
    with SampleApi(shop_studies(sessions=30), rate_limit=None) as api:
        load(pipeline_of(), source_of(api, workspace_ids=["*"]))
        counts = {name: api.count(name) for name in ("workspaces", "workspace", "list", "details", "transcript")}
        assert counts == {"workspaces": 1, "workspace": 2, "list": 3, "details": 30, "transcript": 9}
        assert api.count() == sum(counts.values()) + api.count("qx_scores") == 46


def test_a_second_run_of_an_unchanged_test_costs_one_request(source_of, pipeline_of) -> None:
    """Also when the test has more sessions than fit on a page."""
    study = simple_study(n=1200, product_type="SURVEY", newest=datetime.now(timezone.utc), every=timedelta(minutes=10))
    with SampleApi([study], rate_limit=None) as api:
        load(pipeline_of(), source_of(api, resources=["sessions"]))
        before = api.count()
        load(pipeline_of(), source_of(api, resources=["sessions"]))
        assert api.count() - before == 1


def test_child_rows_carry_the_ids_of_their_session(source_of, pipeline_of, query) -> None:
    """Every child and grandchild of session_details names its session and participant."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        pipeline = pipeline_of()
        load(pipeline, source_of(api))
        for table in ("demographics", "task_groups", "tasks", "tasks__answer_options"):
            strays = f"""
                select count(*) from session_details__{table} c
                left join session_details s using (session_id, participant_id) where s.session_id is null
            """
            assert query(pipeline, strays) == [(0,)], table
            assert query(pipeline, f"select count(*) > 0 from session_details__{table}") == [(True,)], table
