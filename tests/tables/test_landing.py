"""What lands in a real DuckDB when the API answers what no document describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import DETAILS, Lab, ago
from tests.support.odd import ANY_JSON, odd_answers
from usertesting_source.sample_api import SampleApi, simple_study


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
