"""The data dictionary: python -m usertesting_source.tables.dictionary > docs/tables.md"""

from __future__ import annotations

from .schema import TABLES, Table

HEADER = """\
# Data dictionary

Every table and column that the source declares, with its unit and the endpoint it comes from. This page is
generated: `python -m usertesting_source.tables.dictionary > docs/tables.md`. Times are UTC. Columns that
begin with `_dlt_` are dlt's own; a field that the API adds one day appears as a further
column under its own name, in snake case.
"""


def render() -> str:
    """The whole page, as Markdown."""
    return HEADER + "".join(_table(table) for table in TABLES.values())


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [
        f"\n## {table.name}\n",
        f"A row is {table.description}. From `{table.endpoint}`." + (f" Key: {key}." if key else ""),
        "\n| column | type | what it holds |",
        "| --- | --- | --- |",
        *(f"| `{column.name}` | {column.data_type} | {column.description} |" for column in table.columns),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - it is a command
