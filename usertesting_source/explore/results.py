"""What the warehouse holds of one test, read for a report with few queries; large tests are added up where they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = dict[str, Any]

POINTS = 40
"""Up to so many people each of their times is shown."""

QUOTED = 20
"""Of so many people in trouble at a task, the newest, the words are looked up."""

TALKERS = 2_000
"""Of so many people, the newest, words are compared."""


class Rows(Protocol):
    """What `reading.Data` offers here."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query, by column name."""


@dataclass(frozen=True)
class Results:
    """
    One test.

    Attributes:
        kpis: its row of `test_kpis`; None where no session is here.
        test: its row of `tests`; empty where that is not loaded.
        status: its row of `load_status`.
        tasks: rows of `task_kpis`, in the order of the test plan.
        people: demographic answers: code, label, value, sessions.
        span: first and last finish, participants.
        boxes: per task the quantiles of its times.
        points: single times, of tasks that few people met.
        minutes: lengths of sessions.
        numbers: how often each rating and each NPS answer was given, per task.
        spreads: mean and deviation of the ratings, as shares of their scale.
        options: rows of `answer_options`.
        scores: rows of `qx_scores`, oldest first.
        troubled: the tasks of sessions that went badly, with their participants.
        said, written: what these participants said and wrote, by session.
        words: everything that each of the newest sessions wrote and said.

    """

    test_id: str
    kpis: Row | None
    test: Row
    status: Row
    tasks: list[Row]
    people: list[Row]
    span: Row
    boxes: list[Row]
    points: list[Row]
    minutes: list[float]
    numbers: list[Row]
    spreads: Row
    options: list[Row]
    scores: list[Row]
    troubled: list[Row]
    said: dict[str, list[Row]] = field(default_factory=dict)
    written: dict[str, list[Row]] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the test is called."""
        return str(self.status.get("test_title") or self.test.get("title") or self.test_id)


_PEOPLE = """
select g.demographic_code as code, max(g.label) as label, g.value, count(distinct g.session_id) as sessions
from demographics as g join session_details as d using (session_id)
where d.test_id = ? and g.value is not null
group by g.demographic_code, g.value order by code, sessions desc, g.value
"""
_SPAN = """
select min(o.finish_time) as first, max(o.finish_time) as last, count(distinct o.participant_id) as participants,
       count(distinct o.audience_id) as audiences, count_if(o.has_transcript) as transcripts,
       count_if(o.has_video) as videos
from session_overview as o where o.test_id = ?
"""
_BOXES = """
select t.task_uuid, count(t.task_seconds) as n, min(t.task_seconds) as least,
       quantile_cont(t.task_seconds, 0.1) as p10, quantile_cont(t.task_seconds, 0.25) as p25,
       median(t.task_seconds) as p50, quantile_cont(t.task_seconds, 0.75) as p75,
       quantile_cont(t.task_seconds, 0.9) as p90, max(t.task_seconds) as most
from tasks as t where t.test_id = ? and t.task_seconds is not null group by t.task_uuid
"""
_POINTS = """
select t.task_uuid, t.task_seconds as seconds from tasks as t where t.test_id = ? and t.task_seconds is not null
qualify count(*) over (partition by t.task_uuid) <= ?
"""
_NUMBERS = """
select t.task_uuid, t.answer_kind as kind, t.answer_number as number, count(*) as answers
from tasks as t
where t.test_id = ? and t.answered and t.answer_kind in ('rating_scale', 'nps') and t.answer_number is not null
group by all order by number
"""
_SPREADS = """
select avg(r.share) as mean, stddev_samp(r.share) as deviation, count(*) as n
from (
    select t.answer_number / t.answer_scale_max as share from tasks as t
    where t.test_id = ? and t.answered and t.answer_kind = 'rating_scale' and t.answer_scale_max > 0
) as r where r.share is not null
"""
_TROUBLED = """
select t.session_id, t.participant_id, t.test_id, t.finish_time, t.task_uuid, t.task_position, t.task_text,
       t.start_time_ms, t.end_time_ms, t.outcome, t.answer_kind, t.answer_number, t.answer_scale_max
from tasks as t
where t.test_id = ? and (
    t.outcome = 'failed'
    or (t.answered and t.answer_kind = 'rating_scale' and t.answer_number <= 0.4 * t.answer_scale_max)
    or (t.answered and t.answer_kind = 'nps' and t.answer_number <= 6)
)
order by t.finish_time desc, t.session_id
"""
_WORDS = """
with newest as (
    select d.session_id from session_overview as d where d.test_id = ? order by d.finish_time desc limit ?
)
select v.session_id, v.words from verbatims as v where v.session_id in (from newest)
union all
select p.session_id, p.transcript_plain_text from transcripts as p where p.session_id in (from newest)
"""


def read(data: Rows, test_id: str) -> Results:
    """All that a report says of the test `test_id`."""
    troubled = data.rows(_TROUBLED, test_id)
    sessions = _newest_of_each_task(troubled)
    return Results(
        test_id=test_id,
        kpis=_first(data.rows("select * from test_kpis where test_id = ?", test_id)),
        test=_first(data.rows("select * from tests where test_id = ?", test_id)) or {},
        status=_first(data.rows("select * from load_status where test_id = ?", test_id)) or {},
        tasks=data.rows("select * from task_kpis where test_id = ? order by task_position, task_uuid", test_id),
        people=data.rows(_PEOPLE, test_id),
        span=_first(data.rows(_SPAN, test_id)) or {},
        boxes=data.rows(_BOXES, test_id),
        points=data.rows(_POINTS, test_id, POINTS),
        minutes=[row["minutes"] for row in data.rows(_MINUTES, test_id)],
        numbers=data.rows(_NUMBERS, test_id),
        spreads=_first(data.rows(_SPREADS, test_id)) or {},
        options=data.rows("select * from answer_options where test_id = ? order by task_position, label", test_id),
        scores=data.rows("select * from qx_scores where test_id = ? order by extracted_at, label", test_id),
        troubled=troubled,
        said=_by_session(data.rows(_of(_SAID, sessions), *sessions)) if sessions else {},
        written=_by_session(data.rows(_of(_WRITTEN, sessions), *sessions)) if sessions else {},
        words=_words(data.rows(_WORDS, test_id, TALKERS)),
    )


_MINUTES = "select o.minutes from session_overview as o where o.test_id = ? and o.minutes is not null"
_SAID = "select c.session_id, c.start_ms, c.end_ms, c.text from transcripts__cues as c where {} order by c.start_ms"
_WRITTEN = """
select c.session_id, c.task_uuid, c.task_position, c.source, c.words, t.start_time_ms
from verbatims as c join tasks as t on t.session_id = c.session_id and t.task_uuid = c.task_uuid
where {} order by c.task_position
"""


def _newest_of_each_task(troubled: list[Row]) -> list[str]:
    """The sessions that may be quoted; `troubled` has the newest first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in troubled:
        found[row["task_uuid"]].append(row["session_id"])
    return list(dict.fromkeys(session for task in found.values() for session in task[:QUOTED]))


def _of(sql: str, sessions: Sequence[str]) -> str:
    return sql.format(f"c.session_id in ({', '.join('?' * len(sessions))})")


def loaded_tests(data: Rows) -> list[Row]:
    """The tests of which a session is here, the newest first: test_id, test_title and the rest of `test_kpis`."""
    return data.rows(
        "select k.*, s.newest_session, s.listed from test_kpis as k left join load_status as s using (test_id)"
        " order by s.newest_session desc nulls last, k.test_title"
    )


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _by_session(rows: list[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["session_id"]].append(row)
    return dict(found)


def _words(rows: list[Row]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row["session_id"]].append(row["words"] or "")
    return dict(found)
