"""The same promises on a real Postgres server, which comes with the test extra and is started here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import dlt
import pytest
from pytest_httpserver import HTTPServer

from tests.support.fake_slack import FakeSlack
from tests.support.odd import ANY_JSON, odd_answers, odd_sessions
from tests.support.postgres import server
from usertesting_source import drop_views, load
from usertesting_source.alerts.config import read_settings
from usertesting_source.alerts.ledger import PIPELINE
from usertesting_source.alerts.tell import tell
from usertesting_source.errors import ConfigurationError, DestinationError
from usertesting_source.explore.reading import opened, readable_file
from usertesting_source.explore.search import search
from usertesting_source.sample_api import SampleApi, every_task_study, shop_studies, simple_study
from usertesting_source.tables.schema import TABLES
from usertesting_source.warehouse.connection import Warehouse
from usertesting_source.warehouse.forget import alone_with, forget, sessions_of
from usertesting_source.warehouse.trial import try_out
from usertesting_source.warehouse.views.definitions import views


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A connection string of a server that lives as long as these tests."""
    with server(tmp_path_factory.mktemp("pg")) as address:
        yield address


@pytest.fixture
def postgres(address: str, tmp_path: Path) -> Any:
    """A pipeline into Postgres; the same folder gives the same pipeline again."""

    def make(dataset: str, folder: str = "pipelines", name: str = "usertesting") -> dlt.Pipeline:
        destination = dlt.destinations.postgres(credentials=address)
        return dlt.pipeline(name, destination=destination, dataset_name=dataset, pipelines_dir=str(tmp_path / folder))

    return make


def test_a_load_is_complete_once_and_resumes_on_a_bare_machine(source_of: Any, postgres: Any, query: Any) -> None:
    """Every session with its children, in several packages; a machine without state fetches nothing again."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        pipeline = postgres("complete")
        assert load(pipeline, source_of(api, workspace_ids=["*"]), chunk=4).exit_code == 0
        assert query(pipeline, "select count(*), count(distinct session_id) from session_details") == [(20, 20)]
        spent = api.count("details")
        bare = postgres("complete", folder="elsewhere")
        load(bare, source_of(api, workspace_ids=["*"]))
        load(bare, source_of(api, workspace_ids=["*"]), full=True)
        assert api.count("details") == spent + 20
        assert query(bare, "select count(*), count(distinct session_id) from session_details") == [(20, 20)]
        strays = "select count(*) from session_details__tasks t left join session_details s using (session_id)"
        assert query(bare, f"{strays} where s.session_id is null") == [(0,)]
        told = query(bare, "select outcome, rows_loaded > 20, ended_at > started_at from load_runs order by ended_at")
        assert told[0] == told[-1] == ("loaded", True, True)


def test_a_trial_leaves_nothing_behind(source_of: Any, postgres: Any, query: Any) -> None:
    """Neither a dataset that was not there nor a table; one that may not be written is named with its section."""
    pipeline = postgres("tried")
    schemas = "select count(*) from information_schema.schemata where schema_name = 'tried'"
    try_out(pipeline)
    assert query(pipeline, schemas) == [(0,)]
    with SampleApi([every_task_study()], rate_limit=None) as api:
        load(pipeline, source_of(api))
    try_out(pipeline)
    tables = "select count(*) from information_schema.tables where table_name like 'usertesting_check%%'"
    assert query(pipeline, tables) == [(0,)]
    nobody = dlt.destinations.postgres(credentials="postgresql://nobody:none@127.0.0.1:1/nothing")
    closed = dlt.pipeline("closed", destination=nobody, dataset_name="tried")
    with pytest.raises(DestinationError, match=r"Connection refused.*\[destination\.postgres\.credentials\]"):
        try_out(closed)


def test_all_views_answer_on_postgres(source_of: Any, postgres: Any, query: Any) -> None:
    """They are created, hold rows, and can be dropped so that dlt may refresh the tables below them."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        pipeline = postgres("viewed")
        load(pipeline, source_of(api, workspace_ids=["*"]))
        for view in views():
            assert query(pipeline, f"select count(*) > 0 from {view}") == [(True,)], view
        assert set(drop_views(pipeline)) == set(views())
        pipeline.run(source_of(api, workspace_ids=["*"]), refresh="drop_sources")
        assert query(pipeline, "select count(*) from session_details") == [(20,)]


def test_alerts_are_told_once_from_postgres(
    source_of: Any, postgres: Any, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is a table like any other."""
    slack = FakeSlack(httpserver)
    monkeypatch.setenv("ALERTS__SLACK__WEBHOOK_URL", slack.url)
    settings = read_settings(("slack",))
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        load(postgres("told"), source_of(api, workspace_ids=["*"]))
    warehouse = Warehouse(postgres("told", name=PIPELINE))
    since = datetime(2020, 1, 1, tzinfo=timezone.utc)
    told = [tell(warehouse, settings.rules, settings.channels[0], since=since) for _ in range(2)]
    assert [bool(report.told) for report in told] == [True, False]
    assert len(slack.posts) == len(told[0].told)


def test_json_columns_hold_what_came_on_postgres(source_of: Any, postgres: Any, query: Any) -> None:
    """An answer may be a text, a number or a boolean: it stands in answer_json as it came."""
    with SampleApi([simple_study(n=1)], rate_limit=None) as api:
        odd = api.add_session(api.test_ids[0], details=odd_answers())
        pipeline = postgres("anything")
        assert load(pipeline, source_of(api, resources=["session_details"])).exit_code == 0
        sql = f"select answer_json::text from session_details__tasks where session_id = '{odd}' order by task_number"
        landed = [None if text is None else json.loads(text) for (text,) in query(pipeline, sql)]
        assert landed == ANY_JSON


def test_odd_sessions_are_loaded_beside_good_ones_on_postgres(source_of: Any, postgres: Any, query: Any) -> None:
    """However many names they invent, run after run, no table comes near the 1,600 columns of Postgres."""
    with SampleApi([simple_study(n=3)], rate_limit=None) as api:
        pipeline = postgres("odd")
        for about in ("one", "two", "three"):
            for details in odd_sessions(about).values():
                api.add_session(api.test_ids[0], details=details)
            assert load(pipeline, source_of(api, resources=["session_details"])).exit_code == 0
        listed = len(list(api.state.listing(api.test_ids[0])))
        assert query(pipeline, "select count(*) from session_details") == [(listed,)]
        sql = "select table_name from information_schema.columns where table_schema = 'odd' group by 1"
        assert query(pipeline, f"{sql} having count(*) > 99") == []
        kept = "select count(*) from session_details where extra_json::text like '%innermost%'"
        assert query(pipeline, kept) == [(3,)]


def test_duckdb_and_postgres_in_turns_each_get_everything(
    source_of: Any, postgres: Any, pipeline_of: Any, query: Any
) -> None:
    """Under one pipeline name, in one folder of dlt's; and what Postgres holds is not fetched again."""
    with SampleApi([simple_study(n=5, newest=datetime.now(timezone.utc))], rate_limit=None) as api:
        pipelines = [pipeline_of, partial(postgres, "turns")]
        for _ in range(3):
            api.add_session(api.test_ids[0])
            for pipeline in pipelines:
                assert load(pipeline(), source_of(api, resources=["sessions", "session_details"])).exit_code == 0
        for pipeline in pipelines:
            for table in ("sessions", "session_details"):
                assert query(pipeline(), f"select count(*), count(distinct session_id) from {table}") == [(8, 8)]
        assert api.count("details") == 16
        states = query(postgres("turns"), "select length(state) from _dlt_pipeline_state order by version")
        assert states[-1][0] < 2_000


def test_what_people_read_is_the_same_from_here(source_of: Any, postgres: Any, pipeline_of: Any) -> None:
    """The rows of every table as from DuckDB; what was loaded since is there the next time."""
    pipeline, local = postgres("read"), pipeline_of()
    with pytest.raises(ConfigurationError, match="Nothing is loaded yet"):
        opened(pipeline)
    with SampleApi([every_task_study()], rate_limit=None) as api:
        load(pipeline, source_of(api))
        load(local, source_of(api))
        with opened(pipeline) as there, opened(local) as here:
            for table in TABLES.values():
                same = [
                    c.name for c in table.columns if c.data_type != "json" and not c.name.endswith(("_at", "run_id"))
                ]
                sql = f"select {', '.join(same)} from {table.name} order by all"
                assert there.rows(sql) == here.rows(sql), table.name
            for sql in (
                "from test_kpis select nps",
                "from tasks select answer_json ->> '$.ratingScale.rating' as rating order by 1",
            ):
                assert there.rows(sql) == here.rows(sql)
        api.add_session(api.test_ids[0])
        before = readable_file(pipeline).stat().st_ino
        assert readable_file(pipeline).stat().st_ino == before
        load(pipeline, source_of(api))
        with opened(pipeline) as there, opened(local) as here:
            count = "select count(*) as n from session_details"
            assert there.rows(count)[0]["n"] == here.rows(count)[0]["n"] + 1


def test_a_participant_is_forgotten(source_of: Any, postgres: Any, query: Any) -> None:
    """In the dataset and in dlt's staging dataset; no later load fetches them, `full` neither."""
    pipeline = postgres("forgetful")
    with SampleApi(shop_studies(sessions=6), rate_limit=None) as api:
        load(pipeline, source_of(api, workspace_ids=["*"]))
        ((person,),) = query(pipeline, "select participant_id from session_details order by 1 limit 1")
        with alone_with(pipeline) as own:
            sessions = sessions_of(own, person)
            forget(own, sessions)
        before = api.count("details")
        assert load(pipeline, source_of(api, workspace_ids=["*"]), full=True).exit_code == 0
        assert api.count("details") == before + 6 - len(sessions)
    left = "select count(*) from {0} where session_id = '{1}'"
    for table in ("session_details__tasks", "session_details__demographics", "transcripts__cues"):
        assert query(pipeline, left.format(table, sessions[0])) == [(0,)]
        assert query(pipeline, left.format(f"forgetful_staging.{table}", sessions[0])) == [(0,)]
    with opened(pipeline) as data:
        assert sessions_of(pipeline, person) == []
        assert len(data.rows("from session_details")) == 6
        assert search(data, "price OR delivery OR lamp OR easy")
