"""
API payload -> rows. What the rows mean, column by column, is in `schema`.

Pure: no clock (times come in), no request. A payload may hold less than the API promises, or more: what is
missing becomes null, what is new is kept all the same (see `new_fields`). All rows that go to one warehouse share their
`NewFields`: which fields have columns there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..times import parse_time
from . import transcripts
from .answers import Answer, read_answer
from .new_fields import NewFields, Path
from .payloads import as_count, as_flag, as_json, as_number, as_text, epoch_ms, items, mapping, snake, storable
from .schema import EXTRA, TABLES

Row = dict[str, Any]
Unread = tuple[str, tuple[str, ...]]
"""An answer that came but could not be read: the task's type, and the names of keys. Fit for a log."""


class Detail(NamedTuple):
    """A row of `session_details` with its children, and what could not be read of its answers."""

    row: Row
    unread: list[Unread]


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": as_text,
    "bigint": as_count,
    "double": as_number,
    "bool": as_flag,
    "timestamp": parse_time,
    "json": as_json,
}


def _row(table: str, item: Row, given: Row, fields: NewFields | None, known: tuple[str, ...] = ()) -> Row:
    """
    A row of `table`: what is `given`, the other declared columns read from `item`, and what else is in `item`.

    `known` fields are read elsewhere, or left out on purpose. What a declared column cannot hold counts as new.
    """
    row = dict(given)
    read: set[Path] = {(field,) for field in known}
    for column in TABLES[table].columns:
        if column.name not in given and column.name != EXTRA:
            value = _at(item, column.path)
            row[column.name] = _READERS[column.data_type](value)
            if value is None or row[column.name] is not None:
                read.add(column.path)
    objects = {column.path[0] for column in TABLES[table].columns if len(column.path) > 1}
    rest = {path: value for path, value in _paths(item, objects) if path not in read}
    return row | (fields or NewFields()).placed(table, rest, {*row, *map(snake, objects)})


def _at(item: Row, path: Path) -> Any:
    for name in path[:-1]:
        item = mapping(item.get(name))
    return item.get(path[-1])


def _paths(item: Row, objects: Collection[str]) -> Iterator[tuple[Path, Any]]:
    """The fields of an item, and of the `objects` in it."""
    for key, value in item.items():
        if key in objects and isinstance(value, dict):
            yield from (((key, name), inner) for name, inner in value.items())
        else:
            yield (key,), value


def test_row(
    test_id: str,
    study: Mapping[str, Any] | None,
    *,
    workspace_id: str | None,
    session_count: int | None,
    last_finish_time: datetime | None,
    fields: NewFields | None = None,  # noqa: PT028 - it is no test, but the row of one
) -> Row:
    """A row of `tests`; `study` is the test as its workspace lists it (v1), if a workspace was listed."""
    given = {
        "test_id": test_id,
        "workspace_id": workspace_id,
        "session_count": session_count,
        "last_finish_time": last_finish_time,
    }
    # orderedBy holds the name and address of a member of staff
    return _row("tests", storable(dict(study or {})), given, fields, known=("uuid", "cursor", "orderedBy"))


def session_row(
    test_id: str,
    summary: Mapping[str, Any],
    removed_at: datetime | None = None,
    fields: NewFields | None = None,
    listing_mark: str | None = None,
) -> Row:
    """A row of `sessions` from an item of the listing; the item itself does not name its test."""
    given = {"test_id": test_id, "removed_at": removed_at, "listing_mark": listing_mark}
    return _row("sessions", storable(dict(summary)), given, fields)


def detail_row(
    test_id: str,
    summary: Mapping[str, Any],
    payload: object,
    extracted_at: datetime,
    fields: NewFields | None = None,
    listing_mark: str | None = None,
) -> Detail:
    """
    A row of `session_details` with its children `demographics`, `task_groups` and `tasks`.

    `summary` is the session's item in the listing: the details name neither their test nor any time, and may
    even leave out the session's id.

    Raises:
        ValueError: when `payload` is no JSON object, or nested too deeply to be stored.

    """
    if not isinstance(payload, dict):
        raise ValueError(  # noqa: TRY004 - the payload is a value that came, not an argument of the wrong type
            f"session details should be a JSON object, not {type(payload).__name__}"
        )
    body = storable(payload)
    participant = body.get("sessionParticipant")
    demographics = mapping(participant).get("demographicsInfo")
    tasks = list(_tasks(body.get("tasks"), fields))
    given: Row = {
        "session_id": as_text(summary.get("sessionId")),
        "test_id": test_id,
        "start_time": parse_time(summary.get("startTime")),
        "finish_time": parse_time(summary.get("finishTime")),
        "listing_mark": listing_mark,
        "extracted_at": extracted_at,
        "demographics": [_child("demographics", item, {}, fields) for item in items(demographics)],
        "task_groups": [_task_group(item, fields) for item in items(body.get("taskGroups"))],
        "tasks": [row for row, _ in tasks],
    }
    if isinstance(participant, dict):
        participant = participant | {"demographicsInfo": _strays(demographics)}
    lists = {name: _strays(body.get(name)) for name in ("taskGroups", "tasks")}
    item = body | {"sessionParticipant": participant} | lists
    row = _row("session_details", item, given, fields, known=("sessionId",))
    return Detail(row, [unread for _, unread in tasks if unread])


def _task_group(item: Row, fields: NewFields | None) -> Row:
    response = mapping(item.get("response"))
    given = {"score": as_number(response.get("score")), "sequence": as_text(response.get("sequence"))}
    return _child("task_groups", item, given, fields)


def _strays(value: object) -> list[Any] | None:
    """What is not as promised in a `value` that should be a list of objects."""
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if item is not None and not (listed is value and isinstance(item, dict))] or None


def _child(table: str, item: Row, given: Row, fields: NewFields | None) -> Row:
    """A row of a child table of `session_details`; dlt copies the ids of session and participant into it."""
    ids = {"session_id": None, "participant_id": None}
    row = _row(f"session_details__{table}", item, given | ids, fields)
    return {name: value for name, value in row.items() if name not in ids}


def _tasks(listed: object, fields: NewFields | None) -> Iterator[tuple[Row, Unread | None]]:
    """The rows of the tasks, each with what of its answer could not be read."""
    for position, item in enumerate(listed if isinstance(listed, list) else [], start=1):
        if isinstance(item, dict):
            yield _task(item, position, fields)


def _task(item: Row, position: int, fields: NewFields | None) -> tuple[Row, Unread | None]:
    response, task_type = item.get("response"), as_text(item.get("type"))
    if not isinstance(response, dict):
        item = item | {"response": {"answer": response}}  # no document says so, but then it can only be the answer
    answer = read_answer(task_type, item["response"])
    given: Row = {"task_number": position, **_derived(answer, as_text(item.get("uuid")))}
    if task_type == "SKIPPED":  # v2 said by the type what v3 says by a flag
        given["skipped"] = True
    row = _child("tasks", item, given, fields)
    return row, None if answer.understood else (task_type or "no type", answer.shape)


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
        "offered_options": [
            {"task_uuid": task_uuid, "position": position, "label": label}
            for position, label in enumerate(answer.offered, start=1)
        ],
    }


def transcript_row(
    test_id: str,
    session_id: str,
    vtt: str,
    extracted_at: datetime,
    chunk_chars: int = 0,
    finish_time: datetime | None = None,
) -> Row:
    """
    A row of `transcripts` with its `cues`; with `chunks` of at most `chunk_chars` characters if that is > 0.

    Raises:
        ValueError: when `vtt` is no WebVTT.

    """
    vtt = storable(vtt)
    transcript = transcripts.parse(vtt)
    row: Row = {
        "session_id": session_id,
        "test_id": test_id,
        "finish_time": finish_time,
        "transcript_vtt": vtt,
        "transcript_plain_text": storable(transcript.plain_text),
        "cue_count": len(transcript.cues),
        "dropped_cues": transcript.dropped,
        "extracted_at": extracted_at,
        "cues": [storable(cue._asdict()) for cue in transcript.cues],
    }
    if chunk_chars > 0:
        row["chunks"] = [storable(chunk._asdict()) for chunk in transcripts.chunks(transcript.cues, chunk_chars)]
    return row


def qx_score_rows(test_id: str, payload: object, extracted_at: datetime, fields: NewFields | None = None) -> list[Row]:
    """Rows of `qx_scores`, one per task group; scores are on a scale of 0 to 100, and any may be null."""
    body = storable(mapping(payload))
    given = {
        "test_id": test_id,
        "completes": as_count(mapping(body.get("meta")).get("completes")),
        "extracted_at": extracted_at,
    }
    return [_score(item, given, fields) for item in items(body.get("qxScores"))]


def _score(item: Row, given: Row, fields: NewFields | None) -> Row:
    group = {"task_group_id": as_text(item.get("taskGroupId")) or ""}
    return _row("qx_scores", item, given | group, fields, known=("taskGroupId",))


def clip_rows(
    test_id: str,
    session_id: str,
    payload: object,
    fields: NewFields | None = None,
    finish_time: datetime | None = None,
) -> list[Row]:
    """Rows of `clips`; clips without an id cannot be told apart and are left out."""
    given = {"test_id": test_id, "session_id": session_id, "finish_time": finish_time}
    listed = items(mapping(storable(payload)).get("clips"))
    return [_row("clips", item, given, fields) for item in listed if item.get("uuid")]


def highlight_reel_rows(test_id: str, payload: object, fields: NewFields | None = None) -> list[Row]:
    """Rows of `highlight_reels`; reels without an id cannot be told apart and are left out."""
    listed = items(mapping(storable(payload)).get("reels"))
    return [_reel(test_id, item, fields) for item in listed if item.get("uuid")]


def _reel(test_id: str, item: Row, fields: NewFields | None) -> Row:
    given = {"test_id": test_id, "last_updated_at": epoch_ms(item.get("lastUpdatedAtMs"))}
    return _row("highlight_reels", item, given, fields, known=("lastUpdatedAtMs",))


def video_row(
    test_id: str,
    session_id: str,
    *,
    video_storage_path: str,
    size_bytes: int,
    sha256: str,
    content_type: str | None,
    downloaded_at: datetime,
    finish_time: datetime | None = None,
) -> Row:
    """A row of `session_videos`: where a video was stored, never where it came from."""
    return {
        "session_id": session_id,
        "test_id": test_id,
        "finish_time": finish_time,
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
