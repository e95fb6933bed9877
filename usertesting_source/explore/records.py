"""Sessions as records that can be handed on: a person, the tasks with their answers, and what was said, in pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from .links import clock, results_page
from .passages import SAID, Passage, passages
from .reading import Data, Row

_BATCH = 200
_SESSIONS = """
select d.session_id, d.test_id, coalesce(n.title, d.test_id) as test_title, d.participant_id, d.start_time,
       d.finish_time
from session_details as d
left join sessions as s on s.session_id = d.session_id
left join tests as n on n.test_id = d.test_id
where s.removed_at is null and (?::text[] is null or d.test_id in (select unnest(?::text[])))
order by d.test_id, d.finish_time, d.session_id
"""
_TASKS = """
select t.session_id, t.task_number, t.task_uuid, t.task_text, t.task_type, t.start_time_ms, t.end_time_ms,
       coalesce(t.skipped, false) as skipped, coalesce(t.answered, false) as answered, t.answer_kind, t.answer_number,
       t.answer_scale_max, t.answer_success, t.answer_text
from session_details__tasks as t where t.session_id in (select unnest(?::text[]))
order by t.session_id, t.task_number
"""
_DEMOGRAPHICS = """
select g.session_id, coalesce(g.label, g.demographic_code) as label, string_agg(g.value, ', ') as value
from demographics as g where g.session_id in (select unnest(?::text[])) and g.value is not null
group by all order by 1, 2
"""


def session_records(data: Data, tests: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """
    The sessions of these tests (None: of all), removed ones left out; times in ISO's form, UTC.

    Each has `answers` (one for each of its tasks, in order), `chunks` (what was said, in pieces of some 500 characters)
    and `demographics` (question and answer).
    """
    wanted = None if tests is None else list(tests)
    sessions = data.rows(_SESSIONS, wanted, wanted)
    for start in range(0, len(sessions), _BATCH):
        batch = sessions[start : start + _BATCH]
        ids = [row["session_id"] for row in batch]
        tasks, said, people = (
            _by_session(data.rows(_TASKS, ids)),
            _said(data, ids),
            _by_session(data.rows(_DEMOGRAPHICS, ids)),
        )
        for row in batch:
            one = row["session_id"]
            yield {
                **{name: _iso(value) for name, value in row.items()},
                "link": results_page(row["test_id"], one),
                "demographics": {answer["label"]: answer["value"] for answer in people[one]},
                "answers": [_answer(task) for task in tasks[one]],
                "chunks": said[one],
            }


def passage_records(data: Data, tests: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """
    All that was said and written in these tests (None: in all), a piece each, with what a vector store wants beside it.

    `id` is the same in every export, as long as the session is not loaded anew with other words.
    """
    for session in session_records(data, tests):
        told = {name: session[name] for name in _TOLD}
        written = ({**answer, "kind": "written", "text": answer["answer_text"]} for answer in session["answers"])
        texts = [one for one in written if one["text"] and one["answer_kind"] not in _CHOSEN]
        for number, piece in enumerate([*texts, *session["chunks"]], start=1):
            yield {"id": f"{session['session_id']}/{number}", **{name: piece.get(name) for name in _PIECE}, **told}


_TOLD = ("session_id", "test_id", "test_title", "participant_id", "finish_time", "link")
_PIECE = ("kind", "text", "task_number", "task_text", "start_ms", "at")
_CHOSEN = ("multiple_choice", "rank_order", "matrix")


def _said(data: Data, ids: Sequence[str]) -> defaultdict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for passage in passages(data, ids):
        if passage.kind == SAID:
            found[passage.session_id].append(_chunk(passage))
    return found


def _chunk(passage: Passage) -> dict[str, Any]:
    start = passage.at_ms(0)
    return {
        "kind": SAID,
        "task_number": passage.task_number,
        "task_text": passage.task_text,
        "start_ms": start,
        "at": clock(start),
        "text": passage.text,
    }


def _answer(task: Row) -> dict[str, Any]:
    start, end = task["start_time_ms"], task["end_time_ms"]
    seconds = None if start is None or end is None or task["skipped"] else (end - start) / 1000
    told = {name: value for name, value in task.items() if name not in ("session_id", "start_time_ms", "end_time_ms")}
    return {**told, "start_ms": start, "at": clock(start), "seconds": seconds}


def _by_session(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["session_id"]].append(row)
    return found


def _iso(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
