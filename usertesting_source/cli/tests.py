"""The command `tests`: what the credentials see, to read, to pick from, or for other programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import EVERY_WORKSPACE
from ..errors import ConfigurationError
from ..source import UserTestingSource, usertesting_source
from ..sync.studies import Test
from .command import complain, exit_code, plural
from .invented import demo_source
from .main import CONTEXT
from .picked import chosen, put_into

CONFIG = Path(".dlt/config.toml")
FIELDS = ("id", "title", "type", "product_type", "ordered_at", "workspace_id", "workspace", "served")


@click.command(context_settings=CONTEXT)
@click.argument("words", nargs=-1)
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Only tests of it. Repeatable.")
@click.option("--pick", is_flag=True, help="Choose tests, and put their ids into .dlt/config.toml.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of objects.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header.")
@click.option("--demo", is_flag=True, help="Those of the invented shop.")
@click.option("--verbose", is_flag=True, help="Show traces of errors.")
def main(verbose: bool, **options: Any) -> None:
    """
    List the tests that the credentials see, newest first; WORDS: those whose titles have them all.

    In a pipe it is one line a test, with tabs between id, title, type, product type, date, workspace id, workspace and
    "yes" or "no": whether the API serves it (classic tests are not served).
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(
    console: Console,
    words: Sequence[str] = (),
    workspace_ids: Sequence[str] = (),
    *,
    pick: bool = False,
    as_json: bool = False,
    as_csv: bool = False,
    demo: bool = False,
) -> int:
    """Does what the options ask for; returns the exit code."""
    if demo:
        with demo_source() as source:
            found = listed(source, words)
    else:
        every = list(workspace_ids) or [EVERY_WORKSPACE]
        source = usertesting_source(workspace_ids=every, test_ids=[], test_titles=[], exclude_test_ids=[])
        found = listed(source, words)
    for line in dict.fromkeys(source.poll.tally.failed):
        complain(ConfigurationError(line))
    rows = [_facts(test, source.poll.workspaces) for test in found]
    if pick:
        return pick_from(rows, console)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))  # noqa: T201 - for another program, as it is
    elif as_csv or not console.is_terminal:
        _write(rows, as_csv)
    else:
        console.print(table(rows))
        console.print(f"\n{plural(len(rows), 'test')}. `usertesting tests --pick` chooses from them.", style="dim")
    return 1 if source.poll.tally.failed else 0


def listed(source: UserTestingSource, words: Sequence[str]) -> list[Test]:
    """The tests of a source whose titles have all the words, newest first."""
    source.poll.begin()
    tests = [test for test in source.poll.tests() if all(word.casefold() in test.title.casefold() for word in words)]
    return sorted(tests, key=lambda test: str(test.study.get("orderedAt") or ""), reverse=True)


def pick_from(rows: Sequence[dict[str, str]], console: Console) -> int:
    """Lets the user choose, and writes the ids into the configuration."""
    rows = [row for row in rows if row["served"] == "yes"]
    if not rows:
        console.print("There is nothing to choose from.")
        return 1
    console.print(table(rows, numbered=True))
    numbers: list[int] = click.prompt(
        "\nWhich ones (such as 1,3-5, or all)", value_proc=lambda text: chosen(text, len(rows))
    )
    picked = [rows[number - 1] for number in numbers]
    added = put_into(CONFIG, {row["id"]: row["title"] for row in picked})
    console.print(
        f"{plural(len(picked), 'test')} chosen, {added} new in test_ids of {CONFIG.absolute()}.", soft_wrap=True
    )
    return 0


def table(rows: Sequence[dict[str, str]], numbered: bool = False) -> Table:
    """The tests for a terminal: ids whole however narrow it is, with what is known of each below its title."""
    shown = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    if numbered:
        shown.add_column(justify="right", style="bold", no_wrap=True)
    shown.add_column(no_wrap=True, min_width=36)
    shown.add_column(ratio=1, overflow="fold")
    for number, row in enumerate(rows, start=1):
        kind = row["product_type"] or row["type"]
        classic = "" if row["served"] == "yes" else "classic, not served"
        facts = " · ".join(filter(None, (classic, kind, row["ordered_at"][:10], row["workspace"])))
        about = Text.assemble((row["title"], "bold"), "\n", (facts, "dim"))
        shown.add_row(*([str(number)] if numbered else []), row["id"], about)
    return shown


def _facts(test: Test, workspaces: dict[str, str]) -> dict[str, str]:
    study, workspace_id = test.study, test.workspace_id or ""
    values = (
        test.test_id,
        test.title,
        str(study.get("type") or ""),
        str(study.get("productType") or ""),
        str(study.get("orderedAt") or ""),
        workspace_id,
        workspaces.get(workspace_id, ""),
        "no" if test.is_classic else "yes",
    )
    return dict(zip(FIELDS, values, strict=True))


def _write(rows: Sequence[dict[str, str]], as_csv: bool) -> None:
    if as_csv:
        writer = csv.DictWriter(sys.stdout, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    for row in rows:
        print("\t".join(" ".join(value.split()) for value in row.values()))  # noqa: T201 - as above
