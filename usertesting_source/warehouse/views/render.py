"""
From the views' queries to SQL for a destination, for what is there.

A rendered view refers to tables only: the other views that it uses are written into it, so that each can be replaced
or dropped alone. A table (or a column) that is not loaded is written as an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlglot import exp

from ...tables.schema import TABLES, Column
from .definitions import tables_in, views

SQL_TYPES = {
    "text": "text",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
    "json": "json",
}
"""What DuckDB calls dlt's data types."""

Present = Mapping[str, Collection[str]]
"""What is in the destination: the columns of each table or view, all by the names that they have here."""


@dataclass(frozen=True)
class Target:
    """
    How a destination writes.

    Attributes:
        dialect: sqlglot's name of its SQL.
        path: where it keeps a table or view of ours: catalog, dataset and name, as far as it has them, unquoted.
        identifier: what it calls a column of ours, unquoted.

    """

    dialect: str
    path: Callable[[str], list[str]]
    identifier: Callable[[str], str] = str

    def table(self, name: str) -> exp.Table:
        """A table or view of ours, where the destination keeps it."""
        parts = [exp.to_identifier(part, quoted=True) for part in reversed(self.path(name))]
        return exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))

    def sql(self, expression: exp.Expr) -> str:
        """SQL in its dialect."""
        return _adapted(expression, self.dialect).sql(dialect=self.dialect, comments=False)


def rendered(present: Present, target: Target) -> dict[str, str]:
    """The queries of the views that can be made of what is `present`, in the target's dialect."""
    filled: dict[str, exp.Query] = {}
    for view in views().values():
        filled[view.name] = _filled(view.query, filled, present, target)
    able = [view.name for view in views().values() if any(present.get(name) for name in view.needs)]
    return {name: target.sql(filled[name].transform(_quoted, target.identifier)) for name in able}


def _filled(query: exp.Query, made: Mapping[str, exp.Query], present: Present, target: Target) -> exp.Query:
    """A copy of `query` that refers to tables of the destination only."""
    filled = query.copy()
    for table in tables_in(filled):
        if table.name in made:
            table.replace(made[table.name].copy().subquery(table.alias))
        else:
            asked = {column.name for column in query.find_all(exp.Column) if column.table == table.alias}
            table.replace(_found(table, asked, present.get(table.name, ()), target))
    return filled


def _found(table: exp.Table, asked: Collection[str], there: Collection[str], target: Target) -> exp.Expr:
    """The `table` in the destination, or what stands for it where something that is asked for is not there."""
    columns = [column for column in TABLES[table.name].columns if column.name in asked]
    source = target.table(table.name)
    if all(column.name in there for column in columns):
        return exp.alias_(source, table.alias, table=True)
    return _stand_in(columns, there, source).subquery(table.alias)


def _stand_in(columns: list[Column], there: Collection[str], source: exp.Table) -> exp.Select:
    """The `columns` of a table, those that are not there as null; no row at all when the table is not there."""
    select = exp.select(*(_null_unless(column, there) for column in columns))
    return select.from_(source) if there else select.limit(0)


def _null_unless(column: Column, there: Collection[str]) -> exp.Expr:
    if column.name in there:
        return exp.column(column.name)
    return exp.alias_(exp.cast(exp.null(), SQL_TYPES[column.data_type], dialect="duckdb"), column.name)


def _quoted(node: exp.Expr, identifier: Callable[[str], str]) -> exp.Expr:
    """Every name in quotes, as the destination calls it; those in quotes are its own already."""
    if isinstance(node, exp.Identifier) and not node.args.get("quoted"):
        return exp.to_identifier(identifier(node.name), quoted=True)
    return node


def _adapted(expression: exp.Expr, dialect: str) -> exp.Expr:
    """What sqlglot does not translate by itself."""
    if dialect == "bigquery":
        return expression.transform(_timestamp_diff).transform(_monday, exp.WeekStart(this=exp.var("MONDAY")))
    if dialect == "tsql":
        return expression.transform(_monday, exp.var("ISO_WEEK"))
    return expression.transform(_within_group) if dialect == "redshift" else expression


def _timestamp_diff(node: exp.Expr) -> exp.Expr:
    return exp.TimestampDiff(**node.args) if isinstance(node, exp.DateDiff) else node


def _monday(node: exp.Expr, week: exp.Expr) -> exp.Expr:
    """Weeks begin on a Monday, also where a plain WEEK begins on a Sunday, or on whatever the server is set to."""
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc) and node.text("unit").upper() == "WEEK":
        node.set("unit", week.copy())
    return node


def _within_group(node: exp.Expr) -> exp.Expr:
    if not (isinstance(node, exp.GroupConcat) and isinstance(node.this, exp.Order)):
        return node
    order = exp.Order(expressions=[exp.Ordered(this=part.this) for part in node.this.expressions])
    joined = exp.GroupConcat(this=node.this.this, separator=node.args["separator"])
    return exp.WithinGroup(this=joined, expression=order)
