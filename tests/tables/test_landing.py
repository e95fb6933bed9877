"""What lands in a real DuckDB when the API answers what no document describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids
from tests.support.odd import ANY_JSON, odd_answers, odd_sessions
from usertesting_source.api.client import ResultsApi
from usertesting_source.sample_api import SampleApi, payloads, simple_study
from usertesting_source.sample_api.studies import Session
from usertesting_source.tables.payloads import storable
from usertesting_source.tables.schema import TABLES, columns


def columns_of(lab: Lab, table: str) -> set[str]:
    sql = f"select column_name from information_schema.columns where table_name = '{table}'"
    return {name for (name,) in lab.query(sql)}


def as_json(landed: str | None) -> Any:
    return None if landed is None else json.loads(landed)


@pytest.mark.parametrize("again", [False, True])
def test_json_columns_hold_what_came(tmp_path: Path, again: bool) -> None:
    """Texts, numbers and booleans too, in the column itself, and the text "123" is still a text."""
    with SampleApi([simple_study(n=1, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        if again:
            lab.load()
        odd = api.add_session(api.test_ids[0], details=odd_answers())
        assert lab.load().exit_code == 0
        for table, column, order in (
            ("tasks", "answer_json", "task_number"),
            ("task_groups", "task_group_response", "_dlt_list_idx"),
        ):
            sql = f"select {column}::text from session_details__{table} where session_id = '{odd}' order by {order}"
            assert [as_json(landed) for (landed,) in lab.query(sql)] == ANY_JSON
            assert not [name for name in columns_of(lab, f"session_details__{table}") if "__v_" in name]


def test_odd_sessions_are_loaded_beside_good_ones(tmp_path: Path) -> None:
    """What a session holds that no column is for is kept in extra_json: nothing fails, nothing is lost."""
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        odd = {api.add_session(study.test_id, details=details): details for details in odd_sessions().values()}
        summary = lab.load()
        assert (summary.exit_code, summary.tally.failed) == (0, [])
        assert lab.ids("session_details") == all_ids(api)
        for session_id, details in odd.items():
            landed = everything_about(lab, session_id)
            assert not [text for text in texts(details) if text not in landed]


def everything_about(lab: Lab, session_id: str) -> str:
    """Every value that the warehouse has of a session, as one text."""
    tables = ("", "__demographics", "__task_groups", "__tasks", "__tasks__answer_options")
    present = [f"session_details{name}" for name in tables if columns_of(lab, f"session_details{name}")]
    rows = [lab.query(f"select * from {table} where session_id = '{session_id}'") for table in present]
    return str(rows).lower()


def texts(details: Any) -> Iterator[str]:
    """Every value in the details of a session, as it is written in a warehouse."""
    if isinstance(details, dict):
        for value in details.values():
            yield from texts(value)
    elif isinstance(details, list):
        for value in details:
            yield from texts(value)
    elif details is not None:
        yield str(storable(details)).lower()


def test_new_fields_are_columns_up_to_a_number(tmp_path: Path) -> None:
    """However many names sessions invent, run after run, a table gets no more than forty columns for them."""
    study = simple_study(n=1, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load()
        first = api.add_session(study.test_id, details={"sessionMood": "curious"})
        lab.load()
        for about in ("one", "two", "three"):
            for details in odd_sessions(about).values():
                api.add_session(study.test_id, details=details)
            assert lab.load().exit_code == 0
        for table in (name for name in TABLES if name.startswith("session_details")):
            new = columns_of(lab, table) - set(columns(table))
            assert len({name for name in new if not name.startswith("_dlt")}) <= 40
        assert not lab.query("select table_name from information_schema.tables where table_name like '%kkkk%'")
        again = api.add_session(study.test_id, details={"sessionMood": "bored"})
        lab.load()
        sql = f"select session_mood from session_details where session_id in ('{first}', '{again}') order by 1"
        assert lab.query(sql) == [("bored",), ("curious",)]


def test_what_cannot_be_stored_at_all_is_an_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It concerns its session alone: that is asked for again later, and the others are loaded."""
    study = simple_study(n=4, newest=ago(days=1))
    endless: list[Any] = []
    for _ in range(100_000):
        endless = [endless]
    bad, asked = study.sessions[2].session_id, ResultsApi.session_details

    def session_details(api: ResultsApi, session_id: str) -> dict[str, Any]:
        return asked(api, session_id) | ({"more": endless} if session_id == bad else {})

    monkeypatch.setattr(ResultsApi, "session_details", session_details)
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        summary = lab.load()
        assert summary.exit_code == 3
        assert "nested too deeply" in summary.tally.failed[0]
        assert lab.ids("session_details") == sorted(set(all_ids(api)) - {bad})
        assert lab.issues() == [("session_details", bad, "failed", 1, False)]


def test_an_odd_line_of_a_listing_is_loaded_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a listing holds beyond its fields is kept too, and neither a row nor the state is too deep to be stored."""
    study = simple_study(n=12, newest=ago(days=1))
    odd = iter(odd_sessions().values())
    lines = {session.session_id: next(odd, {}) for session in study.sessions}
    plain = payloads.summary

    def summary(session: Session, *args: Any) -> dict[str, Any]:
        return {**lines[session.session_id], **plain(session, *args)}

    monkeypatch.setattr(payloads, "summary", summary)
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        for _ in range(2):
            assert lab.load().exit_code == 0
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)
        for session_id, line in lines.items():
            [row] = lab.query(f"select * from sessions where session_id = '{session_id}'")
            landed = " ".join(f"{v:%Y-%m-%dT%H:%M:%SZ}" if isinstance(v, datetime) else str(v) for v in row).lower()
            assert not [text for text in texts(line) if text not in landed]
        gone = study.sessions[2].session_id
        assert "nest" in lines[gone]
        api.remove_session(gone)
        assert lab.load().exit_code == 0
        assert lab.ids("sessions", "removed_at is not null and extra_json::text like '%innermost%'") == [gone]
