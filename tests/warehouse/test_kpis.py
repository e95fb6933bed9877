"""The numbers of the views, recomputed in Python from the rows that the tables hold, on DuckDB and on Postgres."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from functools import partial
from statistics import NormalDist, mean, median
from typing import Any

import dlt
import pytest

from tests.support import lab
from tests.support.postgres import server
from usertesting_source import load
from usertesting_source.sample_api import SampleApi, every_task_study, shop_studies
from usertesting_source.tables.schema import TABLES

Z = NormalDist().inv_cdf(0.975)
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def ask(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Rows by column name, of three studies of a shop, one with every kind of task, and a session that was removed."""
    folder = tmp_path_factory.mktemp("kpis")
    with pytest.MonkeyPatch.context() as patch, SampleApi(_studies(), rate_limit=None) as api:
        for key, value in lab.machine(folder).items():
            patch.setenv(key, value)
        if request.param == "postgres":
            with server(folder / "pg") as address:
                target = dlt.destinations.postgres(credentials=address)
                yield _loaded(api, lab.pipeline_in(folder, destination=target))
        else:
            yield _loaded(api, lab.pipeline_in(folder))


def _studies() -> list[Any]:
    return [*shop_studies(sessions=40), every_task_study(n=9)]


def _loaded(api: SampleApi, pipeline: dlt.Pipeline) -> Ask:
    load(pipeline, lab.source_of(api, workspace_ids=["*"]))
    api.remove_session(lab.all_ids(api)[0])
    load(pipeline, lab.source_of(api, workspace_ids=["*"]))
    return partial(_ask, pipeline)


def _ask(pipeline: dlt.Pipeline, sql: str) -> list[Row]:
    with pipeline.sql_client() as client, client.execute_query(sql) as cursor:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def there(ask: Ask) -> list[Row]:
    """The tasks of the sessions that are still listed, with their test; one session is not."""
    tasks = ask(
        "select t.*, d.test_id, d.start_time, d.finish_time from session_details__tasks t"
        " join session_details d on d.session_id = t.session_id"
        " join sessions s on s.session_id = t.session_id where s.removed_at is null"
    )
    (removed,) = ask("select count(*) as n from sessions where removed_at is not null")
    assert removed["n"] == 1
    return tasks


def _outcome(task: Row) -> str:
    if task["start_time_ms"] is None and task["skipped"] is None:
        return "not_reached"
    if task["skipped"]:
        return "skipped"
    return "failed" if task["answer_success"] is False else "completed"


def _numbers(tasks: list[Row]) -> Row:
    """What the views say of some tasks."""
    outcomes = Counter(map(_outcome, tasks))
    answered = [task for task in tasks if task["answered"]]
    ratings = [task for task in answered if task["answer_kind"] == "rating_scale" and task["answer_number"] is not None]
    scores = [task["answer_number"] for task in answered if task["answer_kind"] == "nps"]
    scores = [score for score in scores if score is not None]
    verdicts = [task["answer_success"] for task in answered if task["answer_success"] is not None]
    promoters, detractors = sum(s >= 9 for s in scores), sum(s <= 6 for s in scores)
    scales = {task["answer_scale_max"] for task in ratings} - {None}
    shares = [t["answer_number"] / t["answer_scale_max"] for t in ratings if t["answer_scale_max"]]
    return {
        "shown": len(tasks),
        "reached": len(tasks) - outcomes["not_reached"],
        "skipped": outcomes["skipped"],
        "failed": outcomes["failed"],
        "completed": outcomes["completed"],
        "answered": len(answered),
        "rating_n": len(ratings),
        "mean_rating": mean(t["answer_number"] for t in ratings) if ratings and len(scales) < 2 else None,
        "scale_max": scales.pop() if len(scales) == 1 else None,
        "rating_share": mean(shares) if shares else None,
        "nps_n": len(scores),
        "promoters": promoters,
        "passives": len(scores) - promoters - detractors,
        "detractors": detractors,
        "nps": 100 * (promoters - detractors) / len(scores) if scores else None,
        **dict(zip(("nps_low", "nps_high"), _nps_bounds(promoters, detractors, len(scores)), strict=True)),
        "successes": sum(verdicts),
        "success_n": len(verdicts),
        "success_rate": sum(verdicts) / len(verdicts) if verdicts else None,
        **dict(zip(("success_low", "success_high"), _wilson(sum(verdicts), len(verdicts)), strict=True)),
    }


def _wilson(successes: int, n: int) -> tuple[float | None, float | None]:
    """The shares from which what was seen is Z standard errors away: the roots of a quadratic."""
    if not n:
        return None, None
    share = successes / n
    a, b, c = 1 + Z**2 / n, -2 * share - Z**2 / n, share**2
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def _nps_bounds(promoters: int, detractors: int, n: int) -> tuple[float | None, float | None]:
    if not n:
        return None, None
    p, d = (promoters + 0.75) / (n + 3), (detractors + 0.75) / (n + 3)
    reach = Z * math.sqrt((p + d - (p - d) ** 2) / (n + 3))
    return max(-100.0, 100 * (p - d - reach)), min(100.0, 100 * (p - d + reach))


def _agree(found: Row, expected: Row) -> None:
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-9)), (name, found)


def test_task_kpis_are_what_the_rows_say(ask: Ask, there: list[Row]) -> None:
    """Each number of each task with its n and its bounds."""
    by_task = defaultdict(list)
    for task in there:
        by_task[task["test_id"], task["task_uuid"]].append(task)
    rows = ask("select * from task_kpis")
    assert {(row["test_id"], row["task_uuid"]) for row in rows} == set(by_task)
    for row in rows:
        tasks = by_task[row["test_id"], row["task_uuid"]]
        _agree(row, _numbers(tasks))
        timed = [t for t in tasks if _outcome(t) != "skipped" and t["end_time_ms"] is not None]
        assert row["seconds_n"] == len(timed)
        spans = [(t["end_time_ms"] - t["start_time_ms"]) / 1000 for t in timed]
        _agree(row, {"median_seconds": median(spans) if spans else None})
        assert row["task_position"] == min(t["task_number"] for t in tasks)


def test_tasks_that_ask_for_nothing_are_completed(ask: Ask) -> None:
    """A blank task or an image has no answer, and all who reached it completed it."""
    rows = ask("select * from task_kpis where task_type in ('BLANK', 'IMAGE') and skipped = 0")
    assert rows
    for row in rows:
        assert row["completed"] == row["reached"] > 0
        assert row["answered"] == 0


def test_test_kpis_are_what_the_rows_say(ask: Ask, there: list[Row]) -> None:
    """Over all tasks of a test; sessions and their length are counted once each."""
    for row in ask("select * from test_kpis"):
        tasks = [task for task in there if task["test_id"] == row["test_id"]]
        _agree(row, _numbers(tasks))
        lengths = {t["session_id"]: (t["finish_time"] - t["start_time"]) / timedelta(minutes=1) for t in tasks}
        assert row["sessions"] == row["minutes_n"] == len(lengths)
        _agree(row, {"median_minutes": median(lengths.values())})
        (names,) = ask(f"select title from tests where test_id = '{row['test_id']}'")
        assert row["test_title"] == names["title"]


def test_days_and_weeks_add_up(ask: Ask, there: list[Row]) -> None:
    """Each period has the numbers of its sessions, by the clock of UTC; a week begins on a Monday."""
    rows = ask("select * from test_days")
    for period in ("day", "week"):
        grouped = defaultdict(list)
        for task in there:
            day = task["finish_time"].astimezone(timezone.utc).date()
            start = day if period == "day" else day - timedelta(days=day.weekday())
            grouped[task["test_id"], start].append(task)
        found = {(row["test_id"], row["starts_on"]): row for row in rows if row["period"] == period}
        assert set(found) == set(grouped)
        for key, tasks in grouped.items():
            assert found[key]["sessions"] == len({task["session_id"] for task in tasks})
            numbers = _numbers(tasks)
            _agree(found[key], {name: numbers[name] for name in ("answered", "failed", "nps", "nps_n", "success_rate")})
            _agree(found[key], {name: numbers[name] for name in ("success_n", "rating_share")})


def test_options_have_shares_of_those_who_answered(ask: Ask, there: list[Row]) -> None:
    """Choices, ranks and cells of matrices with their denominators; what was offered and never taken is a zero."""
    kinds = {(task["session_id"], task["task_uuid"]): task for task in there if task["answered"]}
    taken: defaultdict[tuple[str, str, str, str | None], set[str]] = defaultdict(set)
    asked: defaultdict[tuple[str, str, str | None], set[str]] = defaultdict(set)
    ranks: defaultdict[tuple[str, str, str, str | None], list[int]] = defaultdict(list)
    for option in ask("select * from session_details__tasks__answer_options"):
        task = kinds.get((option["session_id"], option["task_uuid"]))
        if task is None:
            continue
        matrix, label = task["answer_kind"] == "matrix", option["label"] or option["value"]
        key = (task["test_id"], task["task_uuid"], label, option["value"] if matrix else None)
        taken[key].add(task["session_id"])
        asked[task["test_id"], task["task_uuid"], label if matrix else None].add(task["session_id"])
        ranks[key].append(option["position"])
    rows = {
        (row["test_id"], row["task_uuid"], row["label"], row["value"]): row
        for row in ask("select * from answer_options")
    }
    assert set(taken) <= set(rows)
    for key, row in rows.items():
        denominator = len(asked[key[0], key[1], key[2] if key[3] else None])
        _agree(row, {"chosen": len(taken[key]), "respondents": denominator, "share": len(taken[key]) / denominator})
        is_ranked = row["task_type"] == "RANK_ORDER"
        _agree(row, {"mean_rank": mean(ranks[key]) if is_ranked else None})
        _agree(row, {"first_ranks": ranks[key].count(1) if is_ranked else None})
    offered = {option["label"] for option in ask("select label from session_details__tasks__offered_options")}
    assert "Invoice, after delivery" in offered
    assert offered <= {key[2] for key in rows}


def test_sessions_are_told_on_one_line(ask: Ask, there: list[Row]) -> None:
    """Minutes, answers, scores and what is there, per session."""
    spoken = {row["session_id"] for row in ask("select session_id from transcripts")}
    people = ask("select * from session_details__demographics where demographic_code = 'GENDER'")
    gender = {row["session_id"]: row["value"] for row in people}
    scores = {row["session_id"]: row for row in ask("select * from session_details__task_groups") if row["score"]}
    rows = ask("select * from session_overview")
    assert {row["session_id"] for row in rows} == {task["session_id"] for task in there}
    for row in rows:
        tasks = [task for task in there if task["session_id"] == row["session_id"]]
        numbers = _numbers(tasks)
        _agree(row, {name: numbers[name] for name in ("answered", "completed", "skipped", "failed", "mean_rating")})
        assert row["tasks"] == len(tasks)
        assert row["has_transcript"] == (row["session_id"] in spoken)
        assert row["has_video"] is False
        assert row["gender"] == gender.get(row["session_id"])
        assert row["gender"] is None or f"GENDER: {row['gender']}" in row["demographics"]
        if row["session_id"] in scores and row["qx_score"] is not None:
            assert row["qx_score"] == scores[row["session_id"]]["score"]


def test_the_participants_sequence_is_there(ask: Ask) -> None:
    """Who saw A first, and whose score it is."""
    rows = ask("select * from session_scores")
    assert {row["sequence"] for row in rows} >= {"AB", "BA"}
    assert all(0 <= row["qx_score"] <= 100 for row in rows if row["qx_score"] is not None)


def test_verbatims_are_the_participants_own_words(ask: Ask, there: list[Row]) -> None:
    """Everything written or said as an answer, and no label of a choice or a scale."""
    own = {"written", "verbal"}
    expected = {
        (task["session_id"], task["task_uuid"]): task["answer_text"]
        for task in there
        if task["answered"] and task["answer_kind"] in own and task["answer_text"]
    }
    rows = ask("select * from verbatims")
    found = {(row["session_id"], row["task_uuid"]): row["words"] for row in rows}
    assert expected.items() <= found.items()
    assert {row["task_type"] for row in rows}.isdisjoint({"MULTIPLE_CHOICE", "RATING_SCALE", "NPS", "MATRIX"})
    assert {row["source"] for row in rows} == {"said", "written"}


def test_every_declared_table_is_there(ask: Ask) -> None:
    """Empty where nothing came: a dashboard may name any of them."""
    for name in TABLES:
        assert ask(f"select * from {name} limit 1") is not None


def test_a_schedule_that_lives_can_be_told(ask: Ask) -> None:
    """When a run last came to its end, beside each test."""
    (newest,) = ask("select max(ended_at) as at from load_runs where outcome <> 'error'")
    assert {row["last_checked_at"] for row in ask("select last_checked_at from load_status")} == {newest["at"]}
