"""
The views that ship with the data: read from `views.sql`, rendered for the destination, created when needed.

A view refers to tables only: the other views that it uses are written into it, so that each can be replaced or
dropped alone. A table (or a column) that is not loaded is written as an empty one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import dlt
import sqlglot
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.job_client_impl import SqlJobClientBase
from sqlglot import exp

from ..errors import DestinationError
from ..tables.schema import TABLES, Column

_STATE_KEY = "usertesting_views"
_TYPES = {
    "text": "text",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamptz",
}

Present = Mapping[str, Collection[str]]
"""What is in the destination: the columns of each table or view, by its name."""


@dataclass(frozen=True)
class View:
    """A view of `views.sql`: the tables of which one has to exist, and its query in DuckDB's dialect."""

    name: str
    needs: frozenset[str]
    query: exp.Query

    @property
    def columns(self) -> list[str]:
        return self.query.named_selects


@dataclass(frozen=True)
class Target:
    """How a destination writes names: its sqlglot dialect, and its path of a table, unquoted."""

    dialect: str
    path: Callable[[str], list[str]]
    casefold: Callable[[str], str] = str

    def table(self, name: str) -> exp.Table:
        parts = [exp.to_identifier(part, quoted=True) for part in reversed(self.path(name))]
        return exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))

    def sql(self, expression: exp.Expr) -> str:
        return _adapted(expression, self.dialect).sql(dialect=self.dialect, comments=False)


@lru_cache(maxsize=1)
def views() -> dict[str, View]:
    """The views of `views.sql`, in its order: a view comes after those that it uses."""
    script = files(__package__).joinpath("views.sql").read_text(encoding="utf-8")
    parsed = [_view(statement) for statement in sqlglot.parse(script, read="duckdb") if statement]
    return {view.name: view for view in parsed}


def _view(statement: exp.Expr) -> View:
    needs = [line.partition("needs:")[2] for line in statement.comments or [] if "needs:" in line][-1]
    names = frozenset(name.strip() for name in needs.split(","))
    return View(statement.this.name, names, statement.expression)


def create_views(pipeline: dlt.Pipeline) -> list[str]:
    """
    Create the views whose tables exist in the pipeline's dataset, where they are missing or have changed.

    Asks the destination once what is there; when nothing has changed, that is all. What was created is noted in
    the pipeline's local state, so on a machine without it the views are created anew, which changes nothing.
    Destinations without SQL views (files) are left alone.

    Returns:
        The names of the views that were created or replaced.

    Raises:
        DestinationError: the destination refuses a view, or cannot be reached; what was loaded stays loaded.

    """
    with _connected(pipeline) as client:
        if client is None:
            return []
        made, refused = _brought_up_to_date(client, _noted(pipeline))
    if made:
        pipeline.set_local_state_val(_STATE_KEY, _noted(pipeline) | made)
    if refused:
        raise refused[0]
    return list(made)


def _brought_up_to_date(
    client: SqlJobClientBase, noted: Mapping[str, str]
) -> tuple[dict[str, str], list[DestinationError]]:
    """Create what is missing or changed: the marks of the views made, and the errors of those refused."""
    made: dict[str, str] = {}
    refused: list[DestinationError] = []
    present = _present(client)
    for name, query in rendered(present, _target(client)).items():
        mark = hashlib.sha256(query.encode()).hexdigest()
        if noted.get(name) == mark and set(present.get(name, ())) == set(views()[name].columns):
            continue
        try:
            _create(client, name, query)
            made[name] = mark
        except DestinationError as error:
            refused.append(error)
    return made, refused


def drop_views(pipeline: dlt.Pipeline) -> list[str]:
    """
    Drop the views, as Postgres and Redshift want it before dlt's `refresh` can drop their tables.

    Returns:
        The names of the views that were there.

    Raises:
        DestinationError: the destination refuses, say because a view of somebody else uses one of these.

    """
    with _connected(pipeline) as client:
        if client is None:
            return []
        found = [name for name, columns in _present(client).items() if name in views() and columns]
        for name in found:
            _execute(client, name, _drop_statement(_target(client), name))
    pipeline.set_local_state_val(_STATE_KEY, {})
    return found


def rendered(present: Present, target: Target) -> dict[str, str]:
    """The queries of the views that can be made of what is `present`, in the target's dialect."""
    resolved = {name: _resolved(view.query.copy(), present, target) for name, view in views().items()}
    for query in resolved.values():
        for table in list(query.find_all(exp.Table)):
            if not table.db and table.name in resolved:
                table.replace(exp.Subquery(this=resolved[table.name].copy(), alias=table.args.get("alias")))
    able = [view.name for view in views().values() if any(present.get(name) for name in view.needs)]
    return {name: target.sql(resolved[name].transform(_quoted, target.casefold)) for name in able}


def _resolved(query: exp.Query, present: Present, target: Target) -> exp.Query:
    """`query` with its tables found, or replaced where they lack something that is asked for."""
    for table in [table for table in query.find_all(exp.Table) if table.name in TABLES]:
        asked = {column.name for column in query.find_all(exp.Column) if column.table == table.alias}
        columns = [column for column in TABLES[table.name].columns if column.name in asked]
        there = present.get(table.name, ())
        source = target.table(table.name)
        if all(column.name in there for column in columns):
            table.replace(exp.alias_(source, table.alias, table=True))
        else:
            table.replace(_stand_in(columns, there, source).subquery(table.alias))
    return query


def _stand_in(columns: list[Column], there: Collection[str], source: exp.Table) -> exp.Select:
    """The `columns` of a table, those that are not there as null; no row at all when the table is not there."""
    select = exp.select(*(_null_unless(column, there) for column in columns))
    return select.from_(source) if there else select.limit(0)


def _null_unless(column: Column, there: Collection[str]) -> exp.Expr:
    if column.name in there:
        return exp.column(column.name)
    return exp.alias_(exp.cast(exp.null(), _TYPES.get(column.data_type, "json"), dialect="duckdb"), column.name)


def _quoted(node: exp.Expr, casefold: Callable[[str], str]) -> exp.Expr:
    """Every name in quotes, in the case in which dlt creates names; those in quotes already are dlt's own."""
    if isinstance(node, exp.Identifier) and not node.args.get("quoted"):
        return exp.to_identifier(casefold(node.name), quoted=True)
    return node


def _adapted(expression: exp.Expr, dialect: str) -> exp.Expr:
    """What sqlglot does not translate by itself."""
    if dialect == "bigquery":
        return expression.transform(_timestamp_diff)
    return expression.transform(_within_group) if dialect == "redshift" else expression


def _timestamp_diff(node: exp.Expr) -> exp.Expr:
    return exp.TimestampDiff(**node.args) if isinstance(node, exp.DateDiff) else node


def _within_group(node: exp.Expr) -> exp.Expr:
    if not (isinstance(node, exp.GroupConcat) and isinstance(node.this, exp.Order)):
        return node
    order = exp.Order(expressions=[exp.Ordered(this=part.this) for part in node.this.expressions])
    joined = exp.GroupConcat(this=node.this.this, separator=node.args["separator"])
    return exp.WithinGroup(this=joined, expression=order)


@contextmanager
def _connected(pipeline: dlt.Pipeline) -> Iterator[SqlJobClientBase | None]:
    """The pipeline's client, if its destination knows SQL views."""
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        yield None
        return
    try:
        with client:
            yield client
    except DestinationException as error:
        raise DestinationError(f"The views could not be checked: {_cause(error)}.") from error


def _target(client: SqlJobClientBase) -> Target:
    capabilities = client.capabilities
    return Target(
        dialect=str(capabilities.sqlglot_dialect or ""),
        path=lambda name: client.sql_client.make_qualified_table_name_path(name, quote=False),
        casefold=capabilities.casefold_identifier,
    )


def _present(client: SqlJobClientBase) -> dict[str, set[str]]:
    """The columns of our tables and views in the destination, as they are named here."""
    casefold = client.capabilities.casefold_identifier
    ours = {casefold(name): name for name in _all_columns()}
    stored = client.get_storage_tables([*TABLES, *views()])
    return {table: {ours.get(name, name) for name in columns} for table, columns in stored}


def _all_columns() -> set[str]:
    declared = {column.name for table in TABLES.values() for column in table.columns}
    return declared.union(*(view.columns for view in views().values()))


def _noted(pipeline: dlt.Pipeline) -> dict[str, str]:
    """What the views looked like when this machine created them."""
    try:
        noted: dict[str, str] = pipeline.get_local_state_val(_STATE_KEY)
    except KeyError:
        return {}
    return noted


def _create(client: SqlJobClientBase, name: str, query: str) -> None:
    """Replace the view in place, which keeps what others built on it; where that is refused, drop it first."""
    target = _target(client)
    view = target.sql(target.table(name))
    create = f"CREATE OR REPLACE VIEW {view} AS {query}"
    try:
        client.sql_client.execute_sql(create)
    except DestinationException:
        with client.sql_client.begin_transaction():
            _execute(client, name, _drop_statement(target, name))
            _execute(client, name, create)


def _drop_statement(target: Target, name: str) -> str:
    return f"DROP VIEW IF EXISTS {target.sql(target.table(name))}"


def _execute(client: SqlJobClientBase, name: str, statement: str) -> None:
    try:
        client.sql_client.execute_sql(statement)
    except DestinationException as error:
        raise DestinationError(
            f"The view {name!r} could not be brought up to date: {_cause(error)}. If something of yours has this "
            "name, rename it; if something is built on the view, drop that first. The data itself is loaded."
        ) from error


def _cause(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


__all__ = ["Present", "Target", "View", "create_views", "drop_views", "rendered", "views"]
