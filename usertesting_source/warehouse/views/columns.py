"""What the columns of a view hold and of which type they are, as its query has it."""

from __future__ import annotations

from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from ...tables.schema import TABLES
from .definitions import View, tables_in, views
from .render import SQL_TYPES, Target, rendered

_DECLARED = {table.name: {column.name: column for column in table.columns} for table in TABLES.values()}
_SCHEMA: dict[str, object] = {
    table.name: {column.name: SQL_TYPES[column.data_type] for column in table.columns} for table in TABLES.values()
}
_DATA_TYPES = {sql.upper(): data_type for data_type, sql in SQL_TYPES.items()}


class ViewColumn(NamedTuple):
    """A column of a view, with dlt's data type, and what it holds, with its unit."""

    name: str
    data_type: str
    description: str


def columns(view: View) -> list[ViewColumn]:
    """
    The columns of `view` in order.

    What a computed one holds is said in the view's file; one that is passed on holds what the column of the table, or
    of the other view, does.
    """
    query = rendered(_DECLARED, Target("duckdb", lambda name: [name]))[view.name]
    qualified = qualify(sqlglot.parse_one(query, read="duckdb"), schema=_SCHEMA, dialect="duckdb")
    scope = build_scope(annotate_types(qualified, schema=_SCHEMA, dialect="duckdb"))
    assert scope is not None
    known = {name: unit for other in [*_used(view), view] for name, unit in other.units.items()}
    return [
        ViewColumn(name, _data_type(selected), known.get(name) or _passed_on(scope, name))
        for name, selected in _selected(scope).items()
    ]


def _used(view: View) -> list[View]:
    """The views that its query uses, each after those that it uses itself."""
    used = [views()[table.name] for table in tables_in(view.query) if table.name in views()]
    return [inner for other in used for inner in [*_used(other), other]]


def _data_type(selected: exp.Expr) -> str:
    assert selected.type is not None
    return _DATA_TYPES[selected.type.sql("duckdb")]


def _passed_on(scope: Scope, name: str) -> str:
    """What the column of a table holds that a query passes on as `name`; nothing when it computes it."""
    if scope.set_operation_scopes:
        return _passed_on(scope.set_operation_scopes[0], name)
    selected = _selected(scope)[name].unalias()
    if not isinstance(selected, exp.Column):
        return ""
    source = scope.sources[selected.table]
    if isinstance(source, Scope):
        return _passed_on(source, selected.name)
    return _DECLARED[source.name][selected.name].description


def _selected(scope: Scope) -> dict[str, exp.Expr]:
    assert isinstance(scope.expression, exp.Query)
    return {column.alias_or_name: column for column in scope.expression.selects}
