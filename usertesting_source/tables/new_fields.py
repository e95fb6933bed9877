"""
Fields that no table declares: what the API may add one day, and what an odd answer may hold.

A simple value under a plain name becomes a column, so that a field that the API adds lands without a change here.
Everything else is kept as JSON in the column `extra_json`: objects and lists, names that are rather ids, names whose
column is taken, values of another type than their column, and whatever a table has no room for, as every warehouse has
a limit. So dlt never has to make a child table, or a column beside a column, of what nobody has seen before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from ..times import parse_time
from .payloads import snake
from .schema import EXTRA, TABLES

MOST = 40
"""How many columns of a table new fields get, however many rows come."""

Path = tuple[str, ...]
"""Where a field is: its name, after that of the object it is in."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")
_LONGEST = 60  # Postgres cuts names at 63 characters
_MOST_DIGITS = 3  # more of them make an id
_OPEN = ("response",)  # its fields are columns of the task itself
_NOT_NEW = re.compile("_dlt_.*|.*__v_[a-z]+")  # dlt's own columns, and those that it makes when a type changes
_NEARLY_A_TIME = re.compile(r"\d{4}[-/:\dW]*(?:[T ]\d|:)")  # dlt might take such a text for a time


class NewFields:
    """Which new fields became columns, and of which type; one for all rows that go to a warehouse."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, str]] = {name: {} for name in TABLES}

    def know(self, table: str, columns: Mapping[str, str | None]) -> None:
        """The warehouse has `columns` in a table, of these types; None: dlt does not know the type yet."""
        declared = {column.name for column in TABLES[table].columns}
        for name, kind in columns.items():
            if kind and name not in declared and not _NOT_NEW.fullmatch(name):
                self._columns[table][name] = kind

    def placed(self, table: str, found: Mapping[Path, Any], taken: Collection[str]) -> dict[str, Any]:
        """
        The `found` fields, each as a column or inside `extra_json`.

        Args:
            table: where the row goes.
            found: by path, what came; nulls are left out.
            taken: columns, and child tables, that the row has already.

        """
        row: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for path, value in found.items():
            column = _column(path)
            held = None if column is None or column in {EXTRA, *taken, *row} else self._held(table, column, value)
            if column is not None and held is not None:
                row[column] = held
            elif value is not None:
                _put(extra, path, value)
        return {**row, EXTRA: extra} if extra else row

    def _held(self, table: str, column: str, value: object) -> str | float | bool | datetime | None:
        """The value as its column holds it; None when there is no room for it."""
        columns = self._columns[table]
        kind, held = _typed(value, columns.get(column))
        if column not in columns and kind is not None and len(columns) < MOST:
            columns[column] = kind
        return held if column in columns and columns[column] == kind else None


def _typed(value: object, kind: str | None) -> tuple[str | None, str | float | bool | datetime | None]:
    """Type and value of a column for `value`, which has the type `kind` by now; no type when none is certain."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int) and kind == "bigint":
        return kind, value
    if isinstance(value, (int, float)):
        return ("double", float(value)) if float(value) == value else (None, None)
    if not isinstance(value, str):
        return None, None
    if moment := parse_time(value):
        return "timestamp", moment
    return (None, None) if _NEARLY_A_TIME.match(value) else ("text", value)


def _column(path: Path) -> str | None:
    """The name of the column of a field; None when it is not named as a field is."""
    column = "__".join(snake(name) for name in (path[1:] if path[0] in _OPEN else path))
    if not all(_NAME.fullmatch(name) for name in path) or len(column) > _LONGEST:
        return None
    return None if sum(letter.isdigit() for letter in column) > _MOST_DIGITS else column


def _put(extra: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        extra = extra.setdefault(name, {})
    extra[path[-1]] = value
