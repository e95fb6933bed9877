"""
API payload -> rows. What the rows mean, column by column, is in `columns`.

Pure: no clock (times come in), no request. A payload may hold less than the API promises, or more: what is
missing becomes null, what is new is passed on under the API's own name, for dlt to make a column of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..times import parse_time
from . import transcripts
from .answers import Answer, read_answer
from .payloads import count, epoch_ms, extras, flag, items, mapping, number, storable
from .payloads import text as as_text
from .schema import TABLES, columns, dictionary, hints, propagation

__all__ = [
    "TABLES",
    "clip_rows",
    "columns",
    "detail_row",
    "dictionary",
    "highlight_reel_rows",
    "hints",
    "issue_id",
    "issue_row",
    "propagation",
    "qx_score_rows",
    "session_row",
    "test_row",
    "transcript_row",
    "unread_answers",
    "video_row",
]

Row = dict[str, Any]

_READERS: dict[str, Callable[[Any], Any]] = {
    "text": as_text,
    "bigint": count,
    "double": number,
    "bool": flag,
    "timestamp": parse_time,
    "json": lambda value: value,
}


def _row(table: str, item: Row, given: Row, known: tuple[str, ...] = ()) -> Row:
    """
    A row of `table`: what is `given`, the other declared columns read from `item`, and what is new in `item`.

    `known` fields are read elsewhere, or left out on purpose.
    """
    row, read = dict(given), set(known)
    for column in TABLES[table].columns:
        if column.name not in given:
            row[column.name] = _READERS[column.data_type](item.get(column.field))
            read.add(column.field)
    return row | extras(item, read, row)


def test_row(
    test_id: str,
    study: Mapping[str, Any] | None,
    *,
    workspace_id: str | None,
    session_count: int | None,
    last_finish_time: datetime | None,
) -> Row:
    """A row of `tests`; `study` is the test as its workspace lists it (v1), if a workspace was listed."""
    given = {
        "test_id": test_id,
        "workspace_id": workspace_id,
        "session_count": session_count,
        "last_finish_time": last_finish_time,
    }
    # orderedBy holds the name and address of a member of staff
    return _row("tests", storable(dict(study or {})), given, known=("uuid", "cursor", "orderedBy"))


def session_row(test_id: str, summary: Mapping[str, Any], removed_at: datetime | None = None) -> Row:
    """A row of `sessions` from an item of the listing; the item itself does not name its test."""
    return _row("sessions", storable(dict(summary)), {"test_id": test_id, "removed_at": removed_at})


def detail_row(test_id: str, summary: Mapping[str, Any], payload: object, extracted_at: datetime) -> Row:
    """
    A row of `session_details` with its children `demographics`, `task_groups` and `tasks`.

    `summary` is the session's item in the listing: the details name neither their test nor any time, and may
    even leave out the session's id.

    Raises:
        ValueError: when `payload` is no JSON object.

    """
    if not isinstance(payload, dict):
        raise ValueError(  # noqa: TRY004 - the payload is a value that came, not an argument of the wrong type
            f"session details should be a JSON object, not {type(payload).__name__}"
        )
    body = storable(payload)
    participant = mapping(body.get("sessionParticipant"))
    given: Row = {
        "session_id": as_text(summary.get("sessionId")),
        "test_id": test_id,
        "participant_id": as_text(participant.get("participantId")),
        "start_time": parse_time(summary.get("startTime")),
        "finish_time": parse_time(summary.get("finishTime")),
        "extracted_at": extracted_at,
        "demographics": [_child("demographics", item) for item in items(participant.get("demographicsInfo"))],
        "task_groups": [_child("task_groups", item) for item in items(body.get("taskGroups"))],
        "tasks": list(_tasks(body.get("tasks"))),
    }
    if new := extras(participant, ("participantId", "demographicsInfo"), ()):
        given["session_participant"] = new
    return _row("session_details", body, given, known=("sessionId", "sessionParticipant", "taskGroups"))


def _child(table: str, item: Row, given: Row | None = None, known: tuple[str, ...] = ()) -> Row:
    """A row of a child table of `session_details`; dlt copies the ids of session and participant into it."""
    ids = {"session_id": None, "participant_id": None}
    row = _row(f"session_details__{table}", item, (given or {}) | ids, known)
    return {name: value for name, value in row.items() if name not in ids}


def _tasks(listed: object) -> Iterator[Row]:
    for position, item in enumerate(listed if isinstance(listed, list) else [], start=1):
        if isinstance(item, dict):
            yield _task(item, position)


def _task(item: Row, position: int) -> Row:
    response, task_type = mapping(item.get("response")), as_text(item.get("type"))
    given = {
        "task_number": position,
        "start_time_ms": count(response.get("startTimeMs")),
        "end_time_ms": count(response.get("endTimeMs")),
        # v2 said by the type what v3 says by a flag
        "skipped": True if task_type == "SKIPPED" else flag(response.get("skipped")),
        "answer_json": response.get("answer"),
        **_derived(read_answer(task_type, response), as_text(item.get("uuid"))),
    }
    row = _child("tasks", item, given, known=("response",))
    return row | extras(response, ("startTimeMs", "endTimeMs", "skipped", "answer"), row)


def _derived(answer: Answer, task_uuid: str | None) -> Row:
    return {
        "answered": answer.answered,
        "answer_kind": answer.kind,
        "answer_number": answer.number,
        "answer_scale_max": answer.scale_max,
        "answer_success": answer.success,
        "answer_text": answer.text,
        "answer_options": [
            {"task_uuid": task_uuid, "position": position, "label": label, "value": value}
            for position, label, value in answer.options
        ],
    }


def unread_answers(detail: Row) -> Iterator[tuple[str, tuple[str, ...]]]:
    """
    The answers in a row of `session_details` that came but could not be read: task type and key names.

    Names only, never what a participant answered: fit for a log.
    """
    for task in detail["tasks"]:
        response = {"skipped": task["skipped"], "answer": task["answer_json"]}
        answer = read_answer(task["task_type"], response)
        if not answer.understood:
            yield task["task_type"] or "no type", answer.shape


def transcript_row(test_id: str, session_id: str, vtt: str, extracted_at: datetime, chunk_chars: int = 0) -> Row:
    """
    A row of `transcripts` with its `cues`; with `chunks` of at most `chunk_chars` characters if that is > 0.

    Raises:
        ValueError: when `vtt` is no WebVTT.

    """
    transcript = transcripts.parse(storable(vtt))
    row: Row = {
        "session_id": session_id,
        "test_id": test_id,
        "transcript_vtt": storable(vtt),
        "transcript_plain_text": transcript.plain_text,
        "cue_count": len(transcript.cues),
        "extracted_at": extracted_at,
        "cues": [cue._asdict() for cue in transcript.cues],
    }
    if chunk_chars > 0:
        row["chunks"] = [chunk._asdict() for chunk in transcripts.chunks(transcript.cues, chunk_chars)]
    return row


def qx_score_rows(test_id: str, payload: object, extracted_at: datetime) -> list[Row]:
    """Rows of `qx_scores`, one per task group; scores are on a scale of 0 to 100, and any may be null."""
    body = storable(mapping(payload))
    given = {
        "test_id": test_id,
        "completes": count(mapping(body.get("meta")).get("completes")),
        "extracted_at": extracted_at,
    }
    return [_score(item, given) for item in items(body.get("qxScores"))]


def _score(item: Row, given: Row) -> Row:
    components, values = mapping(item.get("components")), mapping(item.get("values"))
    scores = {
        "task_group_id": as_text(item.get("taskGroupId")) or "",
        "behavioral": number(components.get("behavioral")),
        "attitudinal": number(components.get("attitudinal")),
        **{name: number(values.get(name)) for name in ("usability", "trust", "appearance", "loyalty")},
        "behavioral_values": values.get("behavioral"),
    }
    return _row("qx_scores", item, given | scores, known=("taskGroupId", "components", "values"))


def clip_rows(test_id: str, session_id: str, payload: object) -> list[Row]:
    """Rows of `clips`; clips without an id cannot be told apart and are left out."""
    given = {"test_id": test_id, "session_id": session_id}
    listed = items(mapping(storable(payload)).get("clips"))
    return [_row("clips", item, given) for item in listed if item.get("uuid")]


def highlight_reel_rows(test_id: str, payload: object) -> list[Row]:
    """Rows of `highlight_reels`; reels without an id cannot be told apart and are left out."""
    listed = items(mapping(storable(payload)).get("reels"))
    return [_reel(test_id, item) for item in listed if item.get("uuid")]


def _reel(test_id: str, item: Row) -> Row:
    given = {"test_id": test_id, "last_updated_at": epoch_ms(item.get("lastUpdatedAtMs"))}
    return _row("highlight_reels", item, given, known=("lastUpdatedAtMs",))


def video_row(
    test_id: str,
    session_id: str,
    *,
    video_storage_path: str,
    size_bytes: int,
    sha256: str,
    content_type: str | None,
    downloaded_at: datetime,
) -> Row:
    """A row of `session_videos`: where a video was stored, never where it came from."""
    return {
        "session_id": session_id,
        "test_id": test_id,
        "video_storage_path": video_storage_path,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "content_type": content_type,
        "downloaded_at": downloaded_at,
    }


def issue_id(resource: str, test_id: str, session_id: str | None = None) -> str:
    """The key of `load_issues`: one issue per resource and session, or per resource and whole test."""
    return f"{resource}/{test_id}/{session_id or '*'}"


def issue_row(
    resource: str,
    test_id: str,
    session_id: str | None = None,
    *,
    status: str,
    message: str | None = None,
    attempts: int = 0,
    first_seen_at: datetime | None = None,
    last_tried_at: datetime | None = None,
    resolved_at: datetime | None = None,
) -> Row:
    """A row of `load_issues`; `status` is waiting, failed, given_up or resolved."""
    return {
        "issue_id": issue_id(resource, test_id, session_id),
        "resource": resource,
        "test_id": test_id,
        "session_id": session_id,
        "status": status,
        "message": storable(message),
        "attempts": attempts,
        "first_seen_at": first_seen_at,
        "last_tried_at": last_tried_at,
        "resolved_at": resolved_at,
    }
