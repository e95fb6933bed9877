"""The views as their files define them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from importlib.resources import files

import sqlglot
from sqlglot import exp

_FIELD = re.compile(r"^-- (\w+):(.*(?:\n--  .*)*)\n", re.MULTILINE)


@dataclass(frozen=True)
class View:
    """
    A view, with what the head of its file says.

    Attributes:
        name: the file's.
        grain: what a row is.
        key: the columns that tell its rows apart.
        units: what each computed column holds, in which unit.
        caveats: what a reader may trip over.
        needs: the tables of which one has to exist before the view is made.
        query: in DuckDB's dialect.

    """

    name: str
    grain: str
    key: tuple[str, ...]
    units: Mapping[str, str]
    caveats: str
    needs: frozenset[str]
    query: exp.Query

    @property
    def columns(self) -> list[str]:
        """The names of its columns, in order."""
        return self.query.named_selects


@lru_cache(maxsize=1)
def views() -> dict[str, View]:
    """All views by name, each after those that its query uses."""
    package = files(__package__)
    names = sorted(file.name for file in package.iterdir() if file.name.endswith(".sql"))
    return in_order(read_view(name[:-4], package.joinpath(name).read_text(encoding="utf-8")) for name in names)


@lru_cache(maxsize=1)
def as_written() -> str:
    """A mark of the views' files, and of the code that makes SQL of them."""
    there = sorted((file.name, file.read_bytes()) for file in files(__package__).iterdir() if file.is_file())
    return hashlib.sha256(repr(there).encode()).hexdigest()


def in_order(views: Iterable[View]) -> dict[str, View]:
    """`views` by name, each after those that its query uses."""
    found = {view.name: view for view in views}
    order: TopologicalSorter[str] = TopologicalSorter()
    for view in found.values():
        order.add(view.name, *(table.name for table in tables_in(view.query) if table.name in found))
    return {name: found[name] for name in order.static_order()}


def read_view(name: str, text: str) -> View:
    """The view `name` of a file that holds `text`."""
    head = {field: block.replace("\n--", "\n") for field, block in _FIELD.findall(text)}
    query = sqlglot.parse_one(_FIELD.sub("", text), read="duckdb")
    assert isinstance(query, exp.Query)
    return View(
        name,
        grain=_prose(head["grain"]),
        key=_names(head["key"]),
        units=dict(_units(head["units"])),
        caveats=_prose(head["caveats"]),
        needs=frozenset(_names(head["needs"])),
        query=query,
    )


def tables_in(query: exp.Query) -> list[exp.Table]:
    """Where a query names a table or a view, its own WITH left out."""
    own = {part.alias for part in query.find_all(exp.CTE)}
    return [table for table in query.find_all(exp.Table) if table.name not in own]


def _prose(block: str) -> str:
    return " ".join(block.split())


def _names(block: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in block.split(","))


def _units(block: str) -> list[tuple[str, str]]:
    lines = [line.strip().partition(": ") for line in block.splitlines() if ": " in line]
    return [(column, unit) for columns, _, unit in lines for column in _names(columns)]
