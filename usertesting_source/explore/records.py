"""Sessions as records that can be handed on: a person, the tasks with their answers, and what was said, in pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from .links import clock, results_page
from .passages import SAID, Passage, passages
from .reading import Data, Row

_BATCH = 1000
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
from session_details__tasks as t where t.session_id in (select unnest(string_split(?, ' ')))
order by t.session_id, t.task_number
"""
_DEMOGRAPHICS = """
select g.session_id, coalesce(g.label, g.demographic_code) as label, string_agg(g.value, ', ') as value
from demographics as g where g.session_id in (select unnest(string_split(?, ' '))) and g.value is not null
group by all order by 1, 2
"""


def session_records(data: Data, tests: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """
    The sessions of these tests (None: of all), removed ones left out; times in ISO's form, UTC.

    Each has `answers` (one for each of its tasks, in order), `chunks` (what was said, in pieces of some 500 characters)
    and `demographics` (question and answer).
    """
    for batch in _sessions(data, tests):
        ids = " ".join(session["session_id"] for session in batch)
        tasks, people = _by_session(data.rows(_TASKS, ids)), _by_session(data.rows(_DEMOGRAPHICS, ids))
        pieces = _passages(data, batch)
        for session in batch:
            one = session["session_id"]
            yield {
                **session,
                "link": results_page(session["test_id"], one),
                "demographics": {answer["label"]: answer["value"] for answer in people[one]},
                "answers": [_answer(task) for task in tasks[one]],
                "chunks": [_piece(piece) for piece in pieces[one] if piece.kind == SAID],
            }


def passage_records(data: Data, tests: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """
    All that was said and written in these tests (None: in all), a piece each, with what a vector store wants beside it.

    `id` is the same in every export, as long as the session is not loaded anew with other words.
    """
    for batch in _sessions(data, tests):
        pieces = _passages(data, batch)
        for session in batch:
            told = {**session, "link": results_page(session["test_id"], session["session_id"])}
            for number, piece in enumerate(pieces[session["session_id"]], start=1):
                names = ("session_id", "test_id", "test_title", "participant_id", "finish_time", "link")
                yield {
                    "id": f"{session['session_id']}/{number}",
                    **_piece(piece),
                    **{name: told[name] for name in names},
                }


def _sessions(data: Data, tests: Sequence[str] | None) -> Iterator[list[Row]]:
    wanted = None if tests is None else list(tests)
    rows = [{name: _iso(value) for name, value in row.items()} for row in data.rows(_SESSIONS, wanted, wanted)]
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def _passages(data: Data, sessions: Sequence[Row]) -> defaultdict[str, list[Passage]]:
    found: defaultdict[str, list[Passage]] = defaultdict(list)
    for passage in passages(data, [session["session_id"] for session in sessions]):
        found[passage.session_id].append(passage)
    return found


def _piece(passage: Passage) -> dict[str, Any]:
    start = passage.at_ms(0)
    return {
        "kind": passage.kind,
        "text": passage.text,
        "task_number": passage.task_number,
        "task_text": passage.task_text,
        "start_ms": start,
        "at": clock(start),
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
