"""The data dictionary: python -m usertesting_source.warehouse.dictionary > docs/tables.md"""

from __future__ import annotations

from collections.abc import Iterable

from ..tables.schema import TABLES, WRITTEN, Column, Table
from .views.columns import ViewColumn, columns
from .views.definitions import View, views

HEADER = """\
# Data dictionary

Every table, view and column that the source declares, with its unit and the endpoint it comes from. This page is
generated: `python -m usertesting_source.warehouse.dictionary > docs/tables.md`. Times are UTC.

# Tables

Columns that begin with `_dlt_` are dlt's own; a field that the API adds one day appears as a further column under its
own name, in snake case. After the first load all of these tables exist, those that nothing came for empty.
"""

BESIDE = """
# Beside the load

`usertesting alert` keeps a ledger in the same dataset, from its first run on.
"""

VIEWS = """
# Views

`load` makes them and keeps them up to date; after a plain `pipeline.run` it is `create_views(pipeline)`. A view is
made once there is one of the tables that it needs; any other table that is not loaded counts as empty. An n stands
beside each number; bounds are those of the number of everybody like these participants, with 95 % confidence, so that a
difference between two numbers whose bounds overlap is not taken for news.
"""

ABSENT = """
# What the API cannot give

No table or view can hold it, whatever is configured:

- screener questions and answers, and who was screened out;
- sessions that were not completed, or are still running;
- the inside of card sorts and tree tests (`answer_json` holds what comes, which may be nothing), and of kinds of task
  that are newer than the API's own list (`UNRECOGNIZED`);
- why a task was skipped, by the participant or by the test's logic, and whether a task without a response was not
  reached or branched past;
- what was offered in a choice, unless the answer happens to say so (`session_details__tasks__offered_options`);
- the order of a test plan apart from the order in which the API lists tasks;
- which task each of the behavioural values of a QXscore belongs to, and the spread behind a score;
- notes, tags and who made a clip; changes of a participant's profile after the session.
"""


def render() -> str:
    """The whole page, as Markdown."""
    tables, beside = ("".join(map(_table, found.values())) for found in (TABLES, WRITTEN))
    of_views = "".join(_view(view) for _, view in sorted(views().items()))
    return HEADER + tables + BESIDE + beside + VIEWS + of_views + ABSENT


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
