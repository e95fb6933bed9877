"""The data dictionary: python -m usertesting_source.warehouse.dictionary > docs/tables.md"""

from __future__ import annotations

from collections.abc import Iterable

from ..tables.schema import TABLES, Column, Table
from .views.columns import ViewColumn, columns
from .views.definitions import View, views

HEADER = """\
# Data dictionary

Every table, view and column that the source declares, with its unit and the endpoint it comes from. This page is
generated: `python -m usertesting_source.warehouse.dictionary > docs/tables.md`. Times are UTC.

# Tables

Columns that begin with `_dlt_` are dlt's own; a field that the API adds one day appears as a further column under its
own name, in snake case.
"""

VIEWS = """
# Views

`load` makes them and keeps them up to date; after a plain `pipeline.run` it is `create_views(pipeline)`. A view is
made once there is one of the tables that it needs; any other table that is not loaded counts as empty.
"""


def render() -> str:
    """The whole page, as Markdown."""
    tables = "".join(map(_table, TABLES.values()))
    return HEADER + tables + VIEWS + "".join(_view(view) for _, view in sorted(views().items()))


def _table(table: Table) -> str:
    key = f" Key: {_code(table.key)}." if table.key else ""
    opening = f"A row is {table.description}. From `{table.endpoint}`.{key}"
    return _section(table.name, opening, table.columns)


def _view(view: View) -> str:
    needs = " or ".join(f"`{name}`" for name in TABLES if name in view.needs)
    opening = f"A row is {view.grain}. Key: {_code(view.key)}. Needs {needs}.\n\n{view.caveats}"
    return _section(view.name, opening, columns(view))


def _section(name: str, opening: str, of: Iterable[Column | ViewColumn]) -> str:
    lines = [
        f"\n## {name}\n",
        opening,
        "\n| column | type | what it holds |",
        "| --- | --- | --- |",
        *(f"| `{column.name}` | {column.data_type} | {column.description} |" for column in of),
    ]
    return "\n".join(lines) + "\n"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - it is a command
