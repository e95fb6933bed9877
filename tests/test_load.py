"""The main job: sessions, answers and transcripts in DuckDB, each request spent once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from usertesting_source import load
from usertesting_source.config import DEFAULT_RESOURCES
from usertesting_source.errors import ConfigurationError
from usertesting_source.sample_api import SampleApi, every_task_study, shop_studies, simple_study
from usertesting_source.sample_api.studies import TASK_TYPES
from usertesting_source.tables.schema import columns

NEW = "0f0e0d0c-0000-4000-8000-000000000001"


def test_a_load_brings_every_session_once(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """Every listed session is in sessions and session_details, once, with a transcript where there is one."""
    with SampleApi(shop_studies(sessions=30), rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, workspace_ids=["*"]))
        assert summary.exit_code == 0
        assert query(pipeline, "select count(*), count(distinct session_id) from sessions") == [(30, 30)]
        assert query(pipeline, "select count(*), count(distinct session_id) from session_details") == [(30, 30)]
        think_out_loud = (
            "select count(*) from sessions join tests using (test_id) where product_type = 'THINK_OUT_LOUD'"
        )
        assert query(pipeline, "select count(*) from transcripts") == query(pipeline, think_out_loud)


def test_a_load_costs_the_least_number_of_requests(source_of: Any, pipeline_of: Any) -> None:
    """Workspaces, a listing per test, one request per session and resource that has it, and nothing else."""
    with SampleApi(shop_studies(sessions=30), rate_limit=None) as api:
        load(pipeline_of(), source_of(api, workspace_ids=["*"]))
        counts = {name: api.count(name) for name in ("workspaces", "workspace", "list", "details", "transcript")}
        assert counts == {"workspaces": 1, "workspace": 4, "list": 3, "details": 30, "transcript": 9}
        assert api.count() == sum(counts.values()) + api.count("qx_scores") == 48


def test_a_second_run_of_an_unchanged_test_costs_one_request(source_of: Any, pipeline_of: Any) -> None:
    """Also when the test has more sessions than fit on a page."""
    study = simple_study(n=1200, product_type="SURVEY", newest=datetime.now(timezone.utc), every=timedelta(minutes=10))
    with SampleApi([study], rate_limit=None) as api:
        load(pipeline_of(), source_of(api, resources=["sessions"]))
        before = api.count()
        load(pipeline_of(), source_of(api, resources=["sessions"]))
        assert api.count() - before == 1


def test_child_rows_carry_the_ids_of_their_session(source_of: Any, pipeline_of: Any, query: Any) -> None:
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


@pytest.mark.parametrize("shapes", ["object", "scalar", "list", "null", "unknown", "mixed"])
def test_answers_of_any_shape_land_as_they_came(source_of: Any, pipeline_of: Any, query: Any, shapes: Any) -> None:
    """All kinds of task, in every shape an answer might have: answer_json holds what came, the load never fails."""
    with SampleApi([every_task_study(n=6, shapes=shapes)], rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, resources=["session_details"]))
        assert summary.exit_code == 0
        kinds = query(pipeline, "select distinct task_type from session_details__tasks")
        assert {kind for (kind,) in kinds} == set(TASK_TYPES)
        client = requests.get
        headers = {"Authorization": f"Bearer {api.access_token()}"}
        for session_id, number, landed in query(
            pipeline, "select session_id, task_number, answer_json::text from session_details__tasks"
        ):
            details = client(f"{api.base_url}/api/v3/sessionResults/{session_id}", headers=headers, timeout=9).json()
            response = details["tasks"][number - 1]["response"] or {}
            assert (None if landed is None else json.loads(landed)) == response.get("answer")


def test_what_the_api_adds_tomorrow_lands_without_a_code_change(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """A new field of sessions, details and tasks becomes a column; a new task type is a row like any other."""
    task = {"uuid": NEW, "text": "Sort the cards", "type": "CARD_SORT", "response": None, "difficulty": "hard"}
    with SampleApi([simple_study(n=2)], rate_limit=None) as api:
        api.add_session(
            api.test_ids[0],
            finished=datetime.now(timezone.utc),
            details={"tasks": [task], "sessionMood": "curious"},
        )
        pipeline = pipeline_of()
        load(pipeline, source_of(api))
        assert query(pipeline, "select count(*) from session_details where session_mood = 'curious'") == [(1,)]
        landed = query(
            pipeline, "select task_text, difficulty from session_details__tasks where task_type = 'CARD_SORT'"
        )
        assert landed == [("Sort the cards", "hard")]


def test_a_table_has_all_its_columns_from_the_first_row(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """Also those that were only ever null, and with the declared types: views do not break on small accounts."""
    with SampleApi([simple_study(n=1, product_type="THINK_OUT_LOUD")], rate_limit=None) as api:
        pipeline = pipeline_of()
        load(pipeline, source_of(api))
        for table in ("tests", "sessions", "session_details", "session_details__tasks", "transcripts__cues"):
            sql = f"select column_name from information_schema.columns where table_name = '{table}'"
            assert {name for (name,) in query(pipeline, sql)} >= set(columns(table))


def test_it_is_a_dlt_source_like_any_other(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """with_resources, add_limit and pipeline.run work; a second run of the same object sees what is new."""
    with SampleApi([simple_study(n=5, product_type="SURVEY")], rate_limit=None) as api:
        pipeline, source = pipeline_of(), source_of(api, quiet_test_days=0)
        pipeline.run(source.with_resources("sessions"))
        assert query(pipeline, "select count(*) from sessions") == [(5,)]
        pipeline.run(source.with_resources("session_details").add_limit(2))
        assert query(pipeline, "select count(*) from session_details") == [(2,)]
        pipeline.run(source)
        api.add_session(api.test_ids[0], finished=datetime.now(timezone.utc))
        pipeline.run(source)
        assert query(pipeline, "select count(*), count(distinct session_id) from session_details") == [(6, 6)]
        assert query(pipeline, "select count(*) from sessions") == [(6,)]


def test_building_the_source_sends_no_request(source_of: Any, monkeypatch: Any) -> None:
    """A scheduler may build it every few seconds."""
    with SampleApi([simple_study(n=1)], rate_limit=None) as api:
        source = source_of(api, rate_limit=10, workspace_ids=["*"])
        assert set(source.selected_resources) == set(DEFAULT_RESOURCES)
        assert api.log == []


def test_issues_have_their_own_columns_whichever_resource_writes_them(
    source_of: Any, pipeline_of: Any, query: Any
) -> None:
    """load_issues holds what the dictionary says, and nothing of the table whose load failed."""
    with SampleApi([simple_study(n=2, product_type="NON_THINK_OUT_LOUD")], rate_limit=None) as api:
        api.faults.status = {("qx_scores", api.test_ids[0]): 500}
        api.faults.cut.add(api.state.listing(api.test_ids[0])[0].session_id)
        pipeline = pipeline_of()
        load(pipeline, source_of(api))
        assert query(pipeline, "select count(*) >= 2 from load_issues") == [(True,)]
        landed = query(pipeline, "select column_name from information_schema.columns where table_name = 'load_issues'")
        assert {name for (name,) in landed if not name.startswith("_dlt")} == set(columns("load_issues"))


def test_a_duckdb_file_called_like_its_dataset_is_refused_before_the_first_request(
    source_of: Any, pipeline_of: Any
) -> None:
    """DuckDB cannot tell catalog and schema apart then; the message says what to rename."""
    with SampleApi([simple_study(n=1)], rate_limit=None) as api:
        with pytest.raises(ConfigurationError, match=r"usertesting_data\.duckdb"):
            load(pipeline_of(database="usertesting.duckdb"), source_of(api))
        assert api.log == []
