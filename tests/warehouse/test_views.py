"""The views that ship with the data: what they say, and when they are created."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest
import sqlglot
from dlt.sources import DltResource
from sqlglot import exp

from usertesting_source import create_views, drop_views
from usertesting_source import load as load_all
from usertesting_source.errors import ConfigurationError, DestinationError
from usertesting_source.sample_api import SampleApi, shop_studies
from usertesting_source.tables import rows as tables
from usertesting_source.tables.schema import TABLES, hints, propagation
from usertesting_source.warehouse.views.columns import columns
from usertesting_source.warehouse.views.definitions import in_order, read_view, views
from usertesting_source.warehouse.views.render import Target, rendered

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
TEST = "7a0c2a52-0000-4000-8000-000000000001"
EVERYTHING = {name: {column.name for column in table.columns} for name, table in TABLES.items()}
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Where is it?\n\n00:04.000 --> 00:06.000\n<v Ann>There &amp; then.\n"


def summary(number: int) -> dict[str, Any]:
    return {
        "sessionId": f"s{number}",
        "status": "COMPLETE",
        "startTime": "2026-02-01T10:00:00.000Z",
        "finishTime": f"2026-02-01T10:{10 * number:02}:00.000Z",
    }


def task(uuid: str, kind: str, span: tuple[int, int], answer: object, skipped: bool = False) -> dict[str, Any]:
    response = {"startTimeMs": span[0], "endTimeMs": span[1], "skipped": skipped, "answer": answer}
    return {"uuid": uuid, "text": f"Task {uuid}", "type": kind, "response": response}


def picked(number: int) -> dict[str, Any]:
    return {"selectedOptions": ["Tea"] if number % 2 else ["Milk", "Tea"], "options": ["Tea", "Milk", "Water"]}


def details(number: int, extra: Mapping[str, object] | None = None) -> dict[str, Any]:
    return {
        "sessionParticipant": {
            "participantId": f"p{number}",
            "demographicsInfo": [{"code": "AGE", "value": "30"}],
        },
        "taskGroups": [{"uuid": "g", "type": "QX_SCORE", "response": {"score": 70}}],
        "tasks": [
            task("rate", "RATING_SCALE", (0, 1000 * number), {"ratingScale": {"value": number}}),
            task("nps", "NPS", (5000, 9000), {"nps": {"score": (10, 8, 3, 0)[number - 1]}}, skipped=number == 2),
            task("find", "URL", (9000, 12000), {"url": {"success": number == 1}}),
            task("pick", "MULTIPLE_CHOICE", (12000, 13000), {"multipleChoice": picked(number)}),
            task("say", "WRITTEN", (13000, 15000), {"written": {"text": f"Words {number}"}}),
        ],
        **(extra or {}),
    }


def sessions(numbers: Collection[int], removed: Collection[int]) -> list[dict[str, Any]]:
    return [tables.session_row(TEST, summary(n), NOW if n in removed else None) for n in numbers]


def scores() -> list[dict[str, Any]]:
    old, new = (
        {"qxScores": [{"taskGroupId": group, "qxScore": score, "values": {"trust": score}} for group, score in found]}
        for found in ([("a", 10), ("b", 20)], [("a", 60), ("b", 80)])
    )
    return tables.qx_score_rows(TEST, old, NOW) + tables.qx_score_rows(TEST, new, NOW + timedelta(days=1))


@dlt.source(name="views")
def source(
    numbers: Collection[int] = (1, 2, 3, 4),
    only: Collection[str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Iterator[DltResource]:
    """Four sessions of one test, of which the fourth was removed."""
    schema = dlt.current.source_schema()
    schema.data_item_normalizer.update_normalizer_config(schema, propagation())
    rows = {
        "tests": [
            tables.test_row(TEST, {"title": "Checkout"}, workspace_id="w", session_count=4, last_finish_time=NOW)
        ],
        "sessions": sessions(numbers, removed=(4,)),
        "session_details": [tables.detail_row(TEST, summary(n), details(n, extra), NOW).row for n in numbers],
        "transcripts": [tables.transcript_row(TEST, f"s{n}", VTT, NOW) for n in numbers if n in (1, 4)],
        "qx_scores": scores(),
        "load_issues": [
            tables.issue_row("transcripts", TEST, "s2", status="waiting"),
            tables.issue_row("transcripts", TEST, "s3", status="given_up"),
            tables.issue_row("sessions", TEST, status="resolved"),
        ],
    }
    for name in only or rows:
        yield dlt.resource(rows[name], name=name, write_disposition="append", **hints(name))


def new_pipeline(folder: Path, database: Path | None = None) -> dlt.Pipeline:
    return dlt.pipeline(
        "views",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(database or folder / "db.duckdb")),
        dataset_name="ut",
    )


def load(pipeline: dlt.Pipeline, **what: Any) -> None:
    pipeline.run(source(**what), loader_file_format="parquet")


def select(pipeline: dlt.Pipeline, query: str) -> list[Any]:
    with pipeline.sql_client() as client:
        return list(client.execute_sql(query) or [])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dlt.Pipeline:
    """A dataset with everything in it, and its views."""
    pipeline = new_pipeline(tmp_path_factory.mktemp("loaded"))
    load(pipeline)
    assert create_views(pipeline) == list(views())
    return pipeline


def test_nothing_is_done_when_nothing_has_changed(loaded: dlt.Pipeline) -> None:
    """A second call creates nothing."""
    assert create_views(loaded) == []


def test_the_vendor_s_tables_are_there_without_removed_sessions(loaded: dlt.Pipeline) -> None:
    """The views with the tutorial's names hold the rows of the sessions that are still listed."""
    for view, rows in {"tasks": 15, "task_groups": 3, "demographics": 3}.items():
        found = select(loaded, f"select session_id, participant_id from {view}")
        assert len(found) == rows
        assert set(found) == {("s1", "p1"), ("s2", "p2"), ("s3", "p3")}


def test_answers_are_typed_rows_with_their_test(loaded: dlt.Pipeline) -> None:
    """An answer comes with its test's title and its participant; skipped tasks have none."""
    query = (
        "select test_title, participant_id, answer_number, answer_scale_max, task_seconds from answers "
        "where task_uuid = 'nps'"
    )
    assert sorted(select(loaded, query)) == [
        ("Checkout", "p1", 10.0, 10.0, 4.0),
        ("Checkout", "p3", 3.0, 10.0, 4.0),
    ]


def test_a_task_has_its_place_in_the_plan_and_the_one_at_which_it_was_met(tmp_path: Path) -> None:
    """Variants are met in another order than they are listed in; what was not reached has no number, but a place."""
    pipeline = new_pipeline(tmp_path)
    tasks = [
        task("intro", "BLANK", (0, 1000), {"blank": {}}),
        task("page B", "URL", (6000, 9000), {"url": {"success": False}}),
        task("page A", "URL", (1000, 6000), {"url": {"success": True}}),
        task("survey", "WRITTEN", (9000, 9500), None, skipped=True),
        {"uuid": "end", "text": "End", "type": "WRITTEN", "response": None},
    ]
    load(pipeline, numbers=(1,), only=["session_details"], extra={"tasks": tasks})
    create_views(pipeline)
    found = select(pipeline, "select task_uuid, task_position, task_number, outcome from tasks order by task_position")
    assert found == [
        ("intro", 1, 1, "completed"),
        ("page B", 2, 3, "failed"),
        ("page A", 3, 2, "completed"),
        ("survey", 4, 4, "skipped"),
        ("end", 5, None, "not_reached"),
    ]
    counts = "select task_uuid, shown, reached, completed, answered, success_n from task_kpis where task_uuid in "
    assert sorted(select(pipeline, f"{counts} ('intro', 'end', 'survey')")) == [
        ("end", 1, 0, 0, 0, 0),
        ("intro", 1, 1, 1, 0, 0),
        ("survey", 1, 1, 0, 0, 0),
    ]


def test_ratings_on_two_scales_are_never_one_mean(tmp_path: Path) -> None:
    """A 5-point and a 7-point task share no mean rating, but the share of the scale that they reached."""
    pipeline = new_pipeline(tmp_path)
    tasks = [
        task("five", "RATING_SCALE", (0, 1000), {"ratingScale": {"value": 4, "scale": 5}}),
        task("seven", "RATING_SCALE", (1000, 2000), {"ratingScale": {"value": 7, "scale": 7}}),
    ]
    load(pipeline, numbers=(1,), only=["session_details"], extra={"tasks": tasks})
    create_views(pipeline)
    query = "select mean_rating, scale_max, rating_share, rating_n from"
    assert select(pipeline, f"{query} test_kpis") == [(None, None, pytest.approx(0.9), 2)]
    assert sorted(select(pipeline, f"{query} task_kpis")) == [(4, 5, pytest.approx(0.8), 1), (7, 7, 1.0, 1)]


def test_test_kpis_are_the_numbers_of_a_report(loaded: dlt.Pipeline) -> None:
    """Sessions, NPS, rating, success and minutes count listed sessions only; the newest QXscores are averaged."""
    query = (
        "select test_title, sessions, nps, mean_rating, success_rate, median_minutes, qx_score, trust from test_kpis"
    )
    [found] = select(loaded, query)
    assert found == ("Checkout", 3, 0.0, 2.0, pytest.approx(1 / 3), 20.0, 70.0, 70.0)


def test_task_kpis_tell_how_each_task_went(loaded: dlt.Pipeline) -> None:
    """Each task has its answers, skips, seconds and the mean that fits its kind."""
    query = (
        "select task_uuid, answered, skipped, median_seconds, mean_rating, nps, success_rate "
        "from task_kpis order by task_number"
    )
    assert select(loaded, query) == [
        ("rate", 3, 0, 2.0, 2.0, None, None),
        ("nps", 2, 1, 4.0, None, 0.0, None),
        ("find", 3, 0, 3.0, None, None, pytest.approx(1 / 3)),
        ("pick", 3, 0, 1.0, None, None, None),
        ("say", 3, 0, 2.0, None, None, None),
    ]


def test_task_transcripts_join_what_was_said_during_a_task(loaded: dlt.Pipeline) -> None:
    """Cues that overlap a task are joined in order; a cue across a border is in both tasks."""
    query = "select session_id, task_uuid, cues, said from task_transcripts order by task_number"
    assert select(loaded, query) == [("s1", "nps", 1, "There & then.")]


def test_load_status_tells_what_is_here_and_what_is_not(loaded: dlt.Pipeline) -> None:
    """Per test what the API counts, and the fetched and awaited sessions, without the removed and the resolved."""
    query = "select listed, removed, detailed, transcribed, waiting, open_issues, newest_session from load_status"
    newest = datetime(2026, 2, 1, 10, 30, tzinfo=timezone.utc)
    assert select(loaded, query) == [(4, 1, 3, 1, 1, 1, newest)]


def test_every_view_has_its_declared_columns_and_plain_types(loaded: dlt.Pipeline) -> None:
    """What a view selects is what the destination shows, in types that every tool reads."""
    query = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'ut'"
    found: dict[str, dict[str, str]] = {}
    for view, column, data_type in select(loaded, query):
        found.setdefault(view, {})[column] = data_type
    plain = {"VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "JSON", "TIMESTAMP WITH TIME ZONE", "DATE"}
    for view in views().values():
        assert list(found[view.name]) == view.columns
        assert set(found[view.name].values()) <= plain


def test_a_key_tells_the_rows_of_a_view_apart(loaded: dlt.Pipeline) -> None:
    """No two rows of a view have the same key, and the key is made of columns that the view has."""
    for view in views().values():
        assert set(view.key) <= set(view.columns)
        query = f"select count(*), count(distinct ({', '.join(view.key)})) from {view.name}"
        [(rows, keys)] = select(loaded, query)
        assert rows == keys > 0, view.name


def test_every_column_says_what_it_holds(loaded: dlt.Pipeline) -> None:
    """Each column of a view has a meaning of its own or a table's, and the type that it has in the destination."""
    names = {"VARCHAR": "text", "BOOLEAN": "bool", "TIMESTAMP WITH TIME ZONE": "timestamp"}
    for view in views().values():
        assert view.grain
        assert view.caveats
        assert set(view.units) <= set(view.columns)
        described = columns(view)
        assert [column.name for column in described] == view.columns
        assert all(column.description for column in described), view.name
        stored = select(loaded, f"select column_name, column_type from (describe {view.name})")
        assert [(column.name, column.data_type) for column in described] == [
            (name, names.get(data_type, data_type.lower())) for name, data_type in stored
        ]


def test_views_wait_for_their_tables(tmp_path: Path) -> None:
    """A view is made once a table that it needs is there, and works without the others."""
    pipeline = new_pipeline(tmp_path)
    load(pipeline, only=["qx_scores"])
    assert create_views(pipeline) == []
    load(pipeline, only=["sessions"])
    assert create_views(pipeline) == ["load_status"]
    assert select(pipeline, "select listed, detailed, waiting from load_status") == [(3, 0, 0)]


def test_a_table_that_arrives_later_is_taken_in(tmp_path: Path) -> None:
    """Views that did without a table are replaced once it is loaded: removed sessions disappear."""
    pipeline = new_pipeline(tmp_path)
    load(pipeline, only=["session_details"])
    create_views(pipeline)
    assert select(pipeline, "select sessions, test_title from test_kpis") == [(4, TEST)]
    assert select(pipeline, "select listed, detailed from load_status") == [(0, 4)]
    load(pipeline, only=["sessions", "tests"], extra={"device": "PHONE"})
    assert "test_kpis" in create_views(pipeline)
    assert select(pipeline, "select sessions, test_title from test_kpis") == [(3, "Checkout")]


def test_views_survive_new_columns_and_refresh(tmp_path: Path) -> None:
    """A new field of the API changes no view; dropped views are there again after the next load."""
    pipeline = new_pipeline(tmp_path)
    load(pipeline, only=["session_details"])
    created = create_views(pipeline)
    load(pipeline, only=["session_details"], extra={"device": "PHONE"})
    assert create_views(pipeline) == []
    assert sorted(drop_views(pipeline)) == sorted(created)
    assert drop_views(pipeline) == []
    again = source((1,), only=["session_details"])
    pipeline.run(again, loader_file_format="parquet", refresh="drop_sources")
    assert create_views(pipeline) == created
    assert select(pipeline, "select sessions from test_kpis") == [(1,)]


def test_a_machine_without_memory_creates_the_views_anew(tmp_path: Path, loaded: dlt.Pipeline) -> None:
    """What was created is noted on this machine only; elsewhere the views are made again, to the same effect."""
    with loaded.sql_client() as client:
        database = Path(client.native_connection.execute("select path from duckdb_databases()").fetchall()[0][0])
    elsewhere = new_pipeline(tmp_path, database)
    elsewhere.sync_destination()
    assert create_views(elsewhere) == list(views())
    assert create_views(elsewhere) == []


def test_a_view_that_was_replaced_is_put_back(loaded: dlt.Pipeline) -> None:
    """A view with other columns than ours is stale, and is replaced."""
    select(loaded, "create or replace view tasks as select 1 as x")
    assert create_views(loaded) == ["tasks"]


def test_a_refused_view_is_named_and_the_others_are_made(tmp_path: Path) -> None:
    """Where something else has a view's name, the error says so, after the other views were made."""
    pipeline = new_pipeline(tmp_path)
    load(pipeline, only=["session_details"])
    select(pipeline, "create table answers (x integer)")
    with pytest.raises(DestinationError, match="view 'answers' could not be brought up to date"):
        create_views(pipeline)
    assert select(pipeline, "select sessions from test_kpis") == [(4,)]


def test_destinations_without_views_are_left_alone(tmp_path: Path) -> None:
    """On a destination of files there is nothing to create or to drop."""
    pipeline = dlt.pipeline(
        "files",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.filesystem(tmp_path.as_uri()),
        dataset_name="ut",
    )
    load(pipeline, only=["sessions"])
    assert (create_views(pipeline), drop_views(pipeline)) == ([], [])


def target(dialect: str) -> Target:
    upper = str.upper if dialect == "snowflake" else str
    return Target(dialect, lambda name: ["project", "ut", upper(name)], upper)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake", "bigquery", "redshift", "databricks"])
@pytest.mark.parametrize("present", [EVERYTHING, {"session_details__tasks": EVERYTHING["session_details__tasks"]}])
def test_views_render_in_the_dialect_of_each_warehouse(dialect: str, present: dict[str, set[str]]) -> None:
    """Each rendered view is valid in its dialect and selects the same columns, whatever is missing."""
    for name, query in rendered(present, target(dialect)).items():
        [parsed] = sqlglot.parse(f"CREATE OR REPLACE VIEW v AS {query}", read=dialect)
        assert isinstance(parsed, exp.Create)
        assert [column.lower() for column in parsed.expression.named_selects] == views()[name].columns
        assert not parsed.find(exp.Star) or "COUNT(*)" in query


def test_what_sqlglot_does_not_translate_is_adapted() -> None:
    """Times are subtracted and texts joined in words that BigQuery and Redshift know."""
    bigquery = rendered(EVERYTHING, target("bigquery"))
    redshift = rendered(EVERYTHING, target("redshift"))
    assert "TIMESTAMP_DIFF(`d`.`finish_time`, `d`.`start_time`, MILLISECOND)" in bigquery["test_kpis"]
    assert "WEEK(MONDAY)" in bigquery["test_days"]
    assert "ISO_WEEK" in rendered(EVERYTHING, target("tsql"))["test_days"]
    assert """LISTAGG("c"."text", ' ') WITHIN GROUP (ORDER BY "c"."start_ms")""" in redshift["task_transcripts"]


def test_a_missing_column_counts_as_null() -> None:
    """A column that a table does not have yet is null in its views, and they are made all the same."""
    present = {**EVERYTHING, "sessions": {"session_id", "test_id", "finish_time"}}
    assert 'CAST(NULL AS TIMESTAMPTZ) AS "removed_at"' in rendered(present, target("duckdb"))["tasks"]


def test_every_column_in_the_files_exists() -> None:
    """Every column in the views' files is written with an alias, and a table's columns are declared."""
    for view in views().values():
        aliases = {
            table.alias: table.name for table in view.query.find_all(exp.Table) if table.name in {*TABLES, *views()}
        }
        for column in view.query.find_all(exp.Column):
            assert column.table, f"{view.name}: {column.name}"
        for table in view.query.find_all(exp.Table):
            assert table.alias, f"{view.name}: {table.name}"
        assert view.needs <= set(TABLES)
        assert aliases


def test_a_view_comes_after_those_that_it_uses() -> None:
    """The order is that of the queries, whatever the files are called."""
    head = "-- grain: a test\n-- key: test_id\n-- units: none\n-- caveats: none\n-- needs: tests\n"
    uses = {"first": "third", "second": "tests", "third": "second"}
    made = in_order(read_view(name, f"{head}select t.test_id from {other} as t\n") for name, other in uses.items())
    assert list(made) == ["second", "third", "first"]


ALL = set(views())


@pytest.fixture
def api() -> Iterator[SampleApi]:
    """Three studies, of which the first to be loaded has neither transcripts nor task groups."""
    with SampleApi(shop_studies(sessions=12), rate_limit=None) as running:
        yield running


def views_in(pipeline: dlt.Pipeline, dataset: str = "usertesting") -> set[str]:
    query = "select table_name from information_schema.tables where table_type = 'VIEW' and lower(table_schema) = "
    return {name.lower() for (name,) in select(pipeline, f"{query}'{dataset}'")}


def test_views_can_be_made_after_a_plain_run(api: SampleApi, source_of: Any, pipeline_of: Any) -> None:
    """The pipeline's own `run` makes none; `create_views` makes them all."""
    pipeline = pipeline_of()
    pipeline.run(source_of(api))
    assert views_in(pipeline) == set()
    assert set(create_views(pipeline)) == views_in(pipeline) == ALL


@pytest.mark.parametrize("naming", ["direct", "duck_case", "sql_cs_v1", "tests.support.capitals"])
def test_a_naming_convention_is_followed(
    naming: str, api: SampleApi, source_of: Any, pipeline_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the pipeline calls its tables and columns, every view is made, and holds rows."""
    monkeypatch.setenv("SCHEMA__NAMING", naming)
    pipeline = pipeline_of()
    load_all(pipeline, source_of(api))
    assert views_in(pipeline) == ALL
    for view in ALL:
        assert select(pipeline, f"select count(*) > 0 from usertesting.{view}") == [(True,)], view
    assert create_views(pipeline) == []
    assert set(drop_views(pipeline)) == ALL
    assert views_in(pipeline) == set()


def test_a_naming_convention_that_cannot_be_served_is_named(
    api: SampleApi, source_of: Any, pipeline_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a table has a view's name no view is made, the load says why, and the data is there."""
    monkeypatch.setenv("SCHEMA__NAMING", "tests.support.last_names")
    pipeline = pipeline_of()
    summary = load_all(pipeline, source_of(api))
    cause = "'tests.support.last_names' gives 'session_details__tasks' and 'tasks' one name"
    assert [failure for failure in summary.tally.failed if cause in failure]
    assert select(pipeline, "select count(*) from session_details") == [(12,)]
    assert views_in(pipeline) == set()
    with pytest.raises(DestinationError, match=cause):
        create_views(pipeline)


def begun_by_another_source(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    pipeline.run([{"order_id": 1}], table_name="orders", schema=dlt.Schema("shop"))
    return pipeline


def test_a_pipeline_that_another_source_began_misses_no_view(api: SampleApi, source_of: Any, pipeline_of: Any) -> None:
    """Views whose tables come with a later package are made with it, though the pipeline's first schema stays."""
    pipeline = begun_by_another_source(pipeline_of())
    load_all(pipeline, source_of(api), chunk=4)
    assert views_in(pipeline) == ALL
    assert create_views(pipeline) == []


def test_views_are_where_their_tables_are(api: SampleApi, source_of: Any, pipeline_of: Any) -> None:
    """A pipeline with a dataset for each source has the views in that of ours, also of a renamed source."""
    pipeline = pipeline_of()
    pipeline.config.use_single_dataset = False
    begun_by_another_source(pipeline)
    load_all(pipeline, source_of(api))
    load_all(pipeline, source_of(api).clone(with_name="europe"))
    assert views_in(pipeline, "usertesting_usertesting") == views_in(pipeline, "usertesting_europe") == ALL
    assert views_in(pipeline) == set()
    assert set(drop_views(pipeline, "europe")) == ALL
    assert set(create_views(pipeline, "europe")) == ALL


def test_a_schema_that_is_not_there_is_named(pipeline_of: Any) -> None:
    """The error tells what the pipeline has loaded instead."""
    pipeline = begun_by_another_source(pipeline_of())
    with pytest.raises(ConfigurationError, match=r"'europe'.* but shop"):
        create_views(pipeline, "europe")
