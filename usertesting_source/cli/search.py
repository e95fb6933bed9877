"""The command that searches: its options, and how hits look on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ..explore.links import clock
from ..explore.passages import SAID, WRITTEN
from ..explore.search import CLOSE, OPEN, Hit, named_tests, search, snippet
from .command import exit_code
from .main import CONTEXT
from .reading import reading, reading_options

FOUND = "bold yellow"


@click.command(context_settings=CONTEXT)
@click.argument("words", nargs=-1, required=True)
@click.option("--test", metavar="TEST", help="Only in this test: its id, its title or a part of it.")
@click.option("--kind", type=click.Choice((SAID, WRITTEN)), help="Only what was said, or what was written.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1), help="Show so many hits at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the hits as JSON.")
@reading_options
def main(words: tuple[str, ...], verbose: bool, **options: Any) -> None:
    """
    Find what was said and written, best hits first, with person, task, minute and a link.

    All words must be there. "A phrase" in quotes (within your shell's own: '"free shipping"'), the beginning of a word
    with *, OR, NOT and parentheses: 'ship* (free OR cheap) NOT return'. Accents and case make no difference.
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, " ".join(words), **options), console, verbose))


def run(
    console: Console, words: str, test: str | None, kind: str | None, limit: int, as_json: bool, **where: Any
) -> int:
    """Searches and shows; returns the exit code."""
    with reading(**where) as data:
        tests = named_tests(data, test) if test else None
        hits = search(data, words, tests, kind, limit + 1)
    if as_json:
        click.echo(json.dumps([as_data(hit) for hit in hits[:limit]], ensure_ascii=False, indent=2))
    else:
        _show(console, words, hits, limit)
    return 0


def as_data(hit: Hit) -> dict[str, Any]:
    """A hit as JSON has it: the passage, and the part around what was found with `**` around that."""
    told = asdict(hit)
    marked = told.pop("marked")
    quote = snippet(marked).replace(OPEN, "**").replace(CLOSE, "**")
    return {**told, "at": clock(hit.at_ms), "quote": quote, "text": hit.text}


def _show(console: Console, words: str, hits: Sequence[Hit], limit: int) -> None:
    if not hits:
        console.print(Text(f"Nothing was said or written about {words}. A * finds words that begin so: {words}*"))
    for hit in hits[:limit]:
        console.print(_headline(hit))
        console.print(Padding(_quote(hit), (0, 0, 0, 2)))
        console.print(Text(f"  {hit.link}", style="dim"), soft_wrap=True)
        console.print()
    if len(hits) > limit:
        console.print(f"There are more; --limit {2 * limit} shows them.", style="dim")


def _headline(hit: Hit) -> Text:
    task = f"task {hit.task_number}" if hit.task_number else "between tasks"
    where = [hit.test_title, task, f"{hit.kind} at {clock(hit.at_ms)}" if hit.at_ms is not None else hit.kind]
    person = f"participant {(hit.participant_id or 'unknown')[:9]}"
    return Text(" · ".join([*where, person]), style="bold")


def _quote(hit: Hit) -> Text:
    quote = Text()
    for part in snippet(hit.marked).split(OPEN):
        found, _, rest = part.partition(CLOSE) if CLOSE in part else ("", "", part)
        quote.append(found, style=FOUND)
        quote.append(rest)
    return quote
