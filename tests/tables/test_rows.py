"""API payloads as rows: what the API promises, what it leaves out, and what it adds one day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.sources import DltResource
from hypothesis import given, settings
from hypothesis import strategies as st

from usertesting_source.tables import rows as tables
from usertesting_source.tables.payloads import as_json, storable
from usertesting_source.tables.schema import TABLES, hints, nested_hints, propagation

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
TEST = "7a0c2a52-0000-4000-8000-000000000001"
SESSION = "7a0c2a52-0000-4000-8000-000000000002"
SUMMARY = {
    "sessionId": SESSION,
    "audienceId": None,
    "status": "COMPLETE",
    "startTime": "2026-02-28T09:00:00.500Z",
    "finishTime": "2026-02-28T09:12:30Z",
}
DETAILS = {
    "sessionId": None,
    "audienceId": "a-1",
    "testPlanId": "p-1",
    "sessionParticipant": {
        "participantId": "who",
        "demographicsInfo": [
            {"id": "d-1", "code": "INCOME", "label": "Income?", "value": "$60,000 - $79,999", "type": None}
        ],
    },
    "taskGroups": [{"uuid": "g-1", "type": "QX_SCORE", "response": {"score": 85}}],
    "tasks": [
        {"uuid": "t-1", "text": "Not reached", "type": "BLANK", "response": None},
        {
            "uuid": "t-2",
            "text": "Pick",
            "type": "MULTIPLE_CHOICE",
            "response": {
                "startTimeMs": 15000,
                "endTimeMs": 20000.0,
                "skipped": False,
                "answer": {"multipleChoice": {"selectedOptions": ["Tea", "Milk"]}},
            },
        },
    ],
}


def detail(payload: object = DETAILS) -> dict[str, Any]:
    return tables.detail_row(TEST, SUMMARY, payload, NOW).row


def test_a_session_is_a_row_with_real_times() -> None:
    """A summary becomes a row that names its test, with times in UTC and nothing removed."""
    assert tables.session_row(TEST, SUMMARY) == {
        "session_id": SESSION,
        "test_id": TEST,
        "status": "COMPLETE",
        "start_time": datetime(2026, 2, 28, 9, 0, 0, 500_000, tzinfo=timezone.utc),
        "finish_time": datetime(2026, 2, 28, 9, 12, 30, tzinfo=timezone.utc),
        "audience_id": None,
        "removed_at": None,
        "listing_mark": None,
    }


def test_a_new_field_of_a_summary_is_passed_on() -> None:
    """A field that the API adds lands under its own name; one that would take a column's place is kept beside."""
    row = tables.session_row(TEST, {**SUMMARY, "device": "PHONE", "test_id": "other", "_dlt_id": "x"})
    assert row["device"] == "PHONE"
    assert row["test_id"] == TEST
    assert row["extra_json"] == {"test_id": "other", "_dlt_id": "x"}
    assert "_dlt_id" not in row


def test_details_take_ids_and_times_from_the_summary() -> None:
    """The session's id, test and times are not in the body: they come from the listing."""
    row = detail()
    assert (row["session_id"], row["test_id"], row["participant_id"]) == (SESSION, TEST, "who")
    assert (row["audience_id"], row["test_plan_id"], row["extracted_at"]) == ("a-1", "p-1", NOW)
    assert row["finish_time"] == datetime(2026, 2, 28, 9, 12, 30, tzinfo=timezone.utc)


def test_children_hold_what_the_vendor_recommends() -> None:
    """Demographics and task groups are child rows; a group's response stays one JSON value, beside what is read."""
    row = detail()
    assert row["demographics"] == [
        {
            "demographic_id": "d-1",
            "demographic_code": "INCOME",
            "label": "Income?",
            "value": "$60,000 - $79,999",
            "type": None,
        }
    ]
    assert row["task_groups"] == [
        {
            "task_group_uuid": "g-1",
            "task_group_type": "QX_SCORE",
            "task_group_response": {"score": 85},
            "score": 85.0,
            "sequence": None,
        }
    ]


def test_a_task_row_holds_the_answer_and_what_was_read_of_it() -> None:
    """The answer stays as it came beside the derived columns; options are rows that name their task."""
    answer = DETAILS["tasks"][1]["response"]["answer"]  # type: ignore[index] # a literal of mixed types
    assert detail()["tasks"][1] == {
        "task_number": 2,
        "task_uuid": "t-2",
        "task_text": "Pick",
        "task_type": "MULTIPLE_CHOICE",
        "start_time_ms": 15000,
        "end_time_ms": 20000,
        "skipped": False,
        "answer_json": answer,
        "answered": True,
        "answer_kind": "multiple_choice",
        "answer_number": None,
        "answer_scale_max": None,
        "answer_success": None,
        "answer_text": "Tea; Milk",
        "answer_options": [
            {"task_uuid": "t-2", "position": 1, "label": "Tea", "value": None},
            {"task_uuid": "t-2", "position": 2, "label": "Milk", "value": None},
        ],
        "offered_options": [],
    }


def test_a_task_without_a_response_is_a_row_of_nulls() -> None:
    """A task that was not reached is there, unanswered, and whether it was skipped is not known."""
    task = detail()["tasks"][0]
    assert (task["task_number"], task["answered"], task["skipped"], task["answer_json"]) == (
        1,
        False,
        None,
        None,
    )


@pytest.mark.parametrize("response", ["said", ["a", "b"], 5])
def test_a_response_that_is_no_object_is_the_answer(response: object) -> None:
    """It can be nothing else, and is kept, and counts as answered."""
    [task] = detail({"tasks": [{"type": "WRITTEN", "response": response}]})["tasks"]
    assert task["answer_json"] == as_json(response)
    assert task["answered"]


def test_what_is_not_as_promised_is_kept() -> None:
    """A value that its column cannot hold, and what is no object in a list of objects, are in extra_json."""
    row = detail(
        {
            "sessionParticipant": {"participantId": "who", "demographicsInfo": "none"},
            "taskGroups": {"g": 1},
            "tasks": ["t", {"response": {"startTimeMs": "soon", "endTimeMs": 9, "skipped": "no"}}],
        }
    )
    assert row["extra_json"] == {
        "sessionParticipant": {"demographicsInfo": ["none"]},
        "taskGroups": [{"g": 1}],
        "tasks": ["t"],
    }
    [task] = row["tasks"]
    assert (task["start_time_ms"], task["end_time_ms"], task["skipped"]) == (None, 9, None)
    assert task["extra_json"] == {"response": {"startTimeMs": "soon", "skipped": "no"}}


def test_new_parts_of_a_score_are_kept() -> None:
    """A component that QXscores get one day is a column."""
    item = {"components": {"behavioral": 1, "emotional": 2}, "values": {"trust": 3, "joy": [4]}}
    [row] = tables.qx_score_rows(TEST, {"qxScores": [item]}, NOW)
    assert (row["behavioral"], row["components__emotional"], row["trust"]) == (1.0, 2, 3.0)
    assert row["extra_json"] == {"values": {"joy": [4]}}


@pytest.mark.parametrize("task", [{"type": "SKIPPED"}, {"type": "NPS", "response": {"skipped": True}}])
def test_skipped_tasks_of_both_generations_are_skipped(task: dict[str, Any]) -> None:
    """A task is skipped by its flag, or by the type of the older API."""
    assert detail({"tasks": [task]})["tasks"][0]["skipped"] is True


def test_fields_that_the_api_adds_land_everywhere() -> None:
    """New fields of the session, the participant, a group, a task and a response are passed on."""
    row = detail(
        {
            "device": "PHONE",
            "sessionParticipant": {"participantId": "who", "country": "NO"},
            "taskGroups": [{"uuid": "g", "weight": 2}],
            "tasks": [{"uuid": "t", "optional": True, "response": {"pace": 3, "answer": None}}],
        }
    )
    assert (row["device"], row["session_participant__country"]) == ("PHONE", "NO")
    assert row["task_groups"][0]["weight"] == 2
    assert (row["tasks"][0]["optional"], row["tasks"][0]["pace"]) == (True, 3)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"sessionParticipant": None, "taskGroups": None, "tasks": None},
        {
            "sessionParticipant": {"participantId": None, "demographicsInfo": None},
            "taskGroups": {},
            "tasks": "no",
        },
        {"sessionParticipant": [], "taskGroups": [None, 1], "tasks": [None, "x", 3]},
    ],
)
def test_missing_parts_are_empty(payload: dict[str, Any]) -> None:
    """Parts that are null, missing or of another type leave a row without children."""
    row = detail(payload)
    assert (row["demographics"], row["task_groups"], row["tasks"]) == ([], [], [])
    assert row["session_id"] == SESSION


@pytest.mark.parametrize("name", ["more", "tasks", "sessionParticipant"])
def test_what_is_nested_without_end_is_refused(name: str) -> None:
    """An array a hundred thousand levels deep raises a ValueError, and nothing else, in any row."""
    endless: list[Any] = []
    for _ in range(100_000):
        endless = [endless]
    for make in (
        lambda: detail({name: endless}),
        lambda: detail({"tasks": [{"response": {"answer": {"written": endless}}}]}),
        lambda: tables.session_row(TEST, {**SUMMARY, name: endless}),
        lambda: tables.clip_rows(TEST, SESSION, {"clips": [{"uuid": "c", name: endless}]}),
        lambda: tables.qx_score_rows(TEST, {"qxScores": [{name: endless}]}, NOW),
        lambda: tables.highlight_reel_rows(TEST, {"reels": [{"uuid": "r", name: endless}]}),
    ):
        with pytest.raises(ValueError, match="nested too deeply"):
            make()


@pytest.mark.parametrize("payload", [None, [], "text", 3])
def test_details_that_are_no_object_are_refused(payload: object) -> None:
    """A body that is no JSON object raises, so that it is not taken for an empty session."""
    with pytest.raises(ValueError, match="should be a JSON object"):
        detail(payload)


def test_task_numbers_are_places_in_the_api_s_list() -> None:
    """An item that is no task leaves a gap in the numbers rather than moving the others."""
    assert [task["task_number"] for task in detail({"tasks": [{}, None, {}]})["tasks"]] == [1, 3]


def test_answers_that_could_not_be_read_are_told_by_name_only() -> None:
    """Unread answers are reported with their type and key names, never with what was answered."""
    odd = {"type": "NPS", "response": {"answer": {"nps": {"verdict": "my secret"}}}}
    payload = {"tasks": [*DETAILS["tasks"], odd]}  # type: ignore[misc] # a literal of mixed types
    assert tables.detail_row(TEST, SUMMARY, payload, NOW).unread == [("NPS", ("nps", "nps.verdict"))]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("nul \x00", "nul \N{REPLACEMENT CHARACTER}"),
        ("whole \U0001f600 ü", "whole \U0001f600 ü"),
        (
            "see https://s3.example/a.png?X-Amz-Expires=9&X-Amz-Signature=abc now",
            "see https://s3.example/a.png now",
        ),
        ("https://cdn.example/v?Expires=1&Signature=abc&Key-Pair-Id=K", "https://cdn.example/v"),
        ("https://shop.example/?q=signature", "https://shop.example/?q=signature"),
    ],
)
def test_what_no_warehouse_takes_is_put_right(text: str, stored: str) -> None:
    """Half characters and NUL are replaced, and a signed URL loses its signature, wherever it stands."""
    row = detail({"tasks": [{"text": text, "response": {"answer": {"written": {"text": [text]}}}}], "new": text})
    assert row["tasks"][0]["task_text"] == stored
    assert row["tasks"][0]["answer_json"] == {"written": {"text": [stored]}}
    assert row["new"] == stored


def test_numbers_that_no_warehouse_takes_are_put_right() -> None:
    """Infinity and NaN become null, and numbers beyond 64 bits strings."""
    assert storable([float("nan"), float("inf"), 2**63, 2**63 - 1, 0.5, True]) == [
        None,
        None,
        str(2**63),
        2**63 - 1,
        0.5,
        True,
    ]


@pytest.mark.parametrize("odd", ["great", "123", 5, True, False])
def test_a_scalar_in_a_json_column_is_json(odd: object) -> None:
    """Of a text in a JSON column dlt reads the JSON once; what is left is the JSON of the value, not the value."""
    [clip] = tables.clip_rows(TEST, SESSION, {"clips": [{"uuid": "c", "layout": odd}]})
    [score] = tables.qx_score_rows(TEST, {"qxScores": [{"values": {"behavioral": odd}}]}, NOW)
    for held in (clip["layout"], score["behavioral_values"]):
        assert json.loads(json.loads(held)) == odd


def test_a_test_row_leaves_the_staff_out() -> None:
    """A test has its title and kind; who ordered it is personal data and stays out."""
    study = {
        "uuid": TEST,
        "title": "Checkout",
        "type": "STUDYV2",
        "productType": "THINK_OUT_LOUD",
        "orderedAt": "2026-01-05T08:00:00Z",
        "orderedBy": {"email": "someone@example.com", "name": "Some One"},
        "cursor": "MQ",
    }
    row = tables.test_row(TEST, study, workspace_id="w-1", session_count=7, last_finish_time=NOW)
    assert row == {
        "test_id": TEST,
        "title": "Checkout",
        "type": "STUDYV2",
        "product_type": "THINK_OUT_LOUD",
        "workspace_id": "w-1",
        "ordered_at": datetime(2026, 1, 5, 8, tzinfo=timezone.utc),
        "session_count": 7,
        "last_finish_time": NOW,
    }


def test_qx_scores_are_a_row_per_task_group() -> None:
    """Scores and components are numbers or null, and the behavioural values stay a list."""
    group = {
        "taskGroupId": "g-1",
        "label": "QXscore 1",
        "qxScore": 38,
        "components": {"behavioral": None, "attitudinal": 50},
        "values": {"behavioral": [50, None], "usability": 50.5, "trust": "50", "appearance": None},
    }
    rows = tables.qx_score_rows(TEST, {"qxScores": [group, None], "meta": {"completes": 2}}, NOW)
    assert rows == [
        {
            "test_id": TEST,
            "task_group_id": "g-1",
            "label": "QXscore 1",
            "qx_score": 38.0,
            "behavioral": None,
            "attitudinal": 50.0,
            "usability": 50.5,
            "trust": 50.0,
            "appearance": None,
            "loyalty": None,
            "behavioral_values": [50, None],
            "completes": 2,
            "extracted_at": NOW,
        }
    ]


def test_clips_and_reels_are_rows_without_media() -> None:
    """Clips and reels keep what describes them; a reel's time is read from epoch milliseconds."""
    clip = {
        "uuid": "c-1",
        "name": "Lost",
        "timeStartMs": 5,
        "timeEndMs": 9.0,
        "hasAudio": True,
        "layout": {"a": 1},
    }
    reel = {"uuid": "r-1", "name": "Best", "durationMs": 7, "lastUpdatedAtMs": 1767225600000, "numClips": 2}
    [clip_row] = tables.clip_rows(TEST, SESSION, {"clips": [clip, {"name": "no id"}]})
    [reel_row] = tables.highlight_reel_rows(TEST, {"reels": [reel]})
    assert (clip_row["clip_uuid"], clip_row["session_id"], clip_row["time_end_ms"]) == ("c-1", SESSION, 9)
    assert (clip_row["has_audio"], clip_row["has_camera"], clip_row["layout"]) == (True, None, {"a": 1})
    assert reel_row["last_updated_at"] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert (reel_row["reel_uuid"], reel_row["num_clips"]) == ("r-1", 2)


@pytest.mark.parametrize("payload", [None, [], {}, {"clips": None, "reels": None, "qxScores": None}, "x"])
def test_no_clips_reels_or_scores_are_no_rows(payload: object) -> None:
    """Whatever says that there is nothing gives no rows."""
    assert tables.clip_rows(TEST, SESSION, payload) == []
    assert tables.highlight_reel_rows(TEST, payload) == []
    assert tables.qx_score_rows(TEST, payload, NOW) == []


def test_a_transcript_row_has_cues_and_chunks_when_wanted() -> None:
    """The file stays as it came beside its words; chunks come only when a length is given."""
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hi\n\n00:02.000 --> 00:03.000\n<v Ann>there\n"
    row = tables.transcript_row(TEST, SESSION, vtt, NOW)
    assert (row["transcript_vtt"], row["transcript_plain_text"], row["cue_count"]) == (
        vtt,
        "Ann: Hi\nthere",
        2,
    )
    assert row["cues"][0] == {"start_ms": 1000, "end_ms": 2000, "speaker": "Ann", "text": "Hi"}
    assert row["dropped_cues"] == 0
    assert tables.transcript_row(TEST, SESSION, f"{vtt}\n00:xx --> 00:05\nWell", NOW)["dropped_cues"] == 1
    assert "chunks" not in row
    assert tables.transcript_row(TEST, SESSION, vtt, NOW, 100)["chunks"] == [
        {"start_ms": 1000, "end_ms": 3000, "text": "Ann: Hi\nthere"}
    ]


def test_issues_are_named_after_what_they_are_about() -> None:
    """An issue's key names resource, test and session, with a star for a whole test."""
    assert (
        tables.issue_row("transcripts", TEST, SESSION, status="waiting")["issue_id"] == f"transcripts/{TEST}/{SESSION}"
    )
    assert tables.issue_row("sessions", TEST, status="failed")["issue_id"] == f"sessions/{TEST}/*"


def test_every_row_has_exactly_the_declared_columns() -> None:
    """Rows and declarations agree: what is declared is filled, and nothing else comes from a plain payload."""
    row = detail()
    made = {
        "sessions": tables.session_row(TEST, SUMMARY),
        "session_details": row,
        "session_details__demographics": row["demographics"][0],
        "session_details__task_groups": row["task_groups"][0],
        "session_details__tasks": row["tasks"][1],
        "session_details__tasks__answer_options": row["tasks"][1]["answer_options"][0],
        "tests": tables.test_row(TEST, {}, workspace_id=None, session_count=None, last_finish_time=None),
        "qx_scores": tables.qx_score_rows(TEST, {"qxScores": [{}]}, NOW)[0],
        "clips": tables.clip_rows(TEST, SESSION, {"clips": [{"uuid": "c"}]})[0],
        "highlight_reels": tables.highlight_reel_rows(TEST, {"reels": [{"uuid": "r"}]})[0],
        "load_issues": tables.issue_row("sessions", TEST, status="failed"),
        "session_videos": tables.video_row(
            TEST,
            SESSION,
            video_storage_path="p",
            size_bytes=1,
            sha256="f",
            content_type=None,
            downloaded_at=NOW,
        ),
        "transcripts": tables.transcript_row(TEST, SESSION, "WEBVTT", NOW),
    }
    children = {"demographics", "task_groups", "tasks", "answer_options", "offered_options", "cues"}
    inherited = {"session_id", "participant_id"}
    for name, found in made.items():
        declared = {column.name for column in TABLES[name].columns}
        assert found.keys() - children == declared - {"extra_json"} - (inherited if "__" in name else set())


def test_every_column_is_described_once() -> None:
    """A table says where its rows come from, and each of its columns, once, what it holds."""
    for table in TABLES.values():
        assert table.endpoint
        assert table.description
        assert len({column.name for column in table.columns}) == len(table.columns)
        assert all(column.data_type and column.description for column in table.columns)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_TASKS = st.lists(
    _JSON | st.fixed_dictionaries({"type": _JSON, "uuid": _JSON, "text": _JSON, "response": _JSON}),
    max_size=3,
)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {
            "sessionParticipant": _JSON,
            "taskGroups": st.lists(_JSON, max_size=2) | _JSON,
            "tasks": _TASKS,
            "more": _JSON,
        }
    )
)
def test_any_object_is_a_row_that_can_be_stored(payload: dict[str, Any]) -> None:
    """Details of any shape give a row of the declared types, free of what no JSON encoder takes."""
    row = detail(payload)
    json.dumps(row, default=str, allow_nan=False, ensure_ascii=False).encode()
    for task in row["tasks"]:
        assert isinstance(task["task_number"], int)
        assert all(task[name] is None or isinstance(task[name], str) for name in ("task_uuid", "task_text"))


_WORDS = st.text("abcdefgh", min_size=8, max_size=8)
_WORDY = st.recursive(
    st.none() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def _objects(*known: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the `known` fields, holding anything, and others."""
    return st.dictionaries(st.sampled_from(known) | st.text(max_size=9), _WORDY, max_size=6)


def _holding(known: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({known: inner | _WORDY})


_RESPONSES = _objects("startTimeMs", "endTimeMs", "skipped", "answer", "pace")
_DETAILS = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items() if key != "sessionId"},
    _objects("audienceId", "testPlanId", "testId", "extraJson", "new_field", "newField", "demographics"),
    _holding("sessionParticipant", _objects("participantId", "country", "sessionId")),
    _holding("taskGroups", st.lists(_objects("uuid", "type", "response") | _WORDY, max_size=2)),
    _holding(
        "tasks",
        st.lists(
            st.builds(lambda a, b: {**a, **b}, _objects("uuid", "type", "text"), _holding("response", _RESPONSES))
            | _WORDY,
            max_size=2,
        ),
    ),
)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _words(inner)
    elif isinstance(value, str):
        yield value


@settings(max_examples=300)
@given(_DETAILS)
def test_nothing_is_lost(payload: dict[str, Any]) -> None:
    """Whatever the details of a session hold, and wherever: each word of it is somewhere in the row."""
    landed = json.dumps(detail(payload), default=str)
    assert [word for word in _words(payload) if word not in landed] == []


@dlt.source(name="tables")
def source() -> Iterator[DltResource]:
    schema = dlt.current.source_schema()
    schema.data_item_normalizer.update_normalizer_config(schema, propagation())
    rows = {
        "session_details": [
            detail({**DETAILS, "device": "any", "sessionParticipant": {"participantId": "who", "os": "x"}})
        ],
        "transcripts": [tables.transcript_row(TEST, SESSION, "WEBVTT\n\n00:01.000 --> 00:02.000\nHi", NOW)],
    }
    for name, data in rows.items():
        yield dlt.resource(data, name=name, write_disposition="merge", **hints(name))


def test_dlt_creates_every_declared_column(tmp_path: Path) -> None:
    """In a real load all declared columns exist with their types, and children carry the ids of their session."""
    pipeline = dlt.pipeline(
        "tables",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.duckdb(str(tmp_path / "db.duckdb")),
        dataset_name="ut",
    )
    pipeline.run(source(), loader_file_format="parquet")
    pipeline.run(source(), loader_file_format="parquet")
    with pipeline.sql_client() as client:
        query = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'ut'"
        found = {(table, column): data_type for table, column, data_type in client.execute_sql(query) or ()}
        ids = client.execute_sql(
            "select session_id, participant_id, task_uuid from session_details__tasks__answer_options"
        )
        answers = client.execute_sql(
            "select session_id, participant_id, json_type(answer_json) from session_details__tasks"
        )
        cues = client.execute_sql("select session_id, text from transcripts__cues")
    types = {
        "text": "VARCHAR",
        "bigint": "BIGINT",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSON",
    }
    loaded = {table for table, _ in found}
    declared = {
        (table.name, column.name): types[column.data_type]
        for table in TABLES.values()
        for column in table.columns
        if table.name in loaded
    }
    assert declared.items() <= found.items()
    assert found["session_details", "device"] == found["session_details", "session_participant__os"] == "VARCHAR"
    assert ids == [(SESSION, "who", "t-2")] * 2
    assert sorted(answers or [], key=str) == [(SESSION, "who", "OBJECT"), (SESSION, "who", None)]
    assert cues == [(SESSION, "Hi")]


def test_child_tables_have_no_keys_of_their_own() -> None:
    """A key on a child table would cut it off its parent, so nested hints carry columns only."""
    assert set(nested_hints("session_details")) == {
        "demographics",
        "task_groups",
        "tasks",
        ("tasks", "answer_options"),
        ("tasks", "offered_options"),
    }
    assert all(hint.keys() == {"columns"} for hint in nested_hints("session_details").values())
