"""The command that counts the themes of the codebook."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigurationError
from ..explore.search import named_tests
from ..explore.themes import SECTION, add_themes, codebook
from .command import exit_code
from .main import CONTEXT
from .reading import reading, reading_options

EXAMPLE = {
    "price": ("price", "cost*", "expensive"),
    "delivery": ("deliver*", "arrive*"),
    "doubt": ("not sure", "confus*"),
}
"""The codebook of the demo."""

_ROWS = """
from themes where ?::text[] is null or test_id in (select unnest(?::text[]))
order by theme, people desc, test_title, task_number
"""


@click.command(context_settings=CONTEXT)
@click.option("--test", metavar="TEST", help="Only this test: its id, its title or a part of it.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows of the view as JSON.")
@reading_options
def main(verbose: bool, **options: Any) -> None:
    """
    Count how many people speak of each theme of your codebook, by test and task, with quotes.

    The codebook is the section explore.themes of .dlt/config.toml: a line a theme, with its words.
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(console: Console, test: str | None, as_json: bool, **where: Any) -> int:
    """Counts and shows; returns the exit code."""
    themes = codebook() or (EXAMPLE if where["demo"] else {})
    if not themes:
        raise ConfigurationError(
            f"There is no codebook: add a section [{SECTION}] to .dlt/config.toml, with a line for each theme, such as"
            ' price = ["price", "cost*"].'
        )
    with reading(**where) as data:
        add_themes(data, themes)
        tests = named_tests(data, test) if test else None
        rows = data.rows(_ROWS, tests, tests)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("theme", "people", "test and task", "in their words"):
        table.add_column(column, overflow="fold" if column == "in their words" else "ellipsis")
    for row in rows:
        task = f" · task {row['task_number']}" if row["task_number"] else ""
        people = f"{row['people']} of {row['of_people']}"
        table.add_row(*map(Text, (row["theme"], people, row["test_title"] + task, row["quotes"][-1])))
    console.print(table if rows else "Nobody speaks of any of the themes.")
    return 0
