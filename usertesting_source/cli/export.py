"""The command that hands the data on as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..explore.export import FORMATS, PER, export
from ..explore.search import named_tests
from .command import exit_code, say
from .main import CONTEXT
from .reading import reading, reading_options

SUFFIXES = {"csv": "", "markdown": ""}


@click.command(context_settings=CONTEXT)
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="Kind of file.")
@click.option("--out", type=click.Path(path_type=Path), help="The file; for csv and markdown the folder.")
@click.option("--test", metavar="TEST", help="Only this test: its id, its title or a part of it.")
@click.option("--per", type=click.Choice(PER), help="jsonl, parquet: session or passage; markdown: session or test.")
@reading_options
def main(verbose: bool, **options: Any) -> None:
    """
    Write sessions as files for other tools.

    jsonl and parquet (language models, vector stores), csv and xlsx (spreadsheets), markdown (research repositories),
    qdpx (NVivo, MAXQDA, ATLAS.ti, QualCoder). With --redact before it leaves the house: see docs/reading.md.
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(console: Console, form: str, out: Path | None, test: str | None, per: str | None, **where: Any) -> int:
    """Writes and says what; returns the exit code."""
    target = out or Path(f"usertesting_export{SUFFIXES.get(form, f'.{form}')}")
    with reading(**where) as data:
        written = export(data, form, target, named_tests(data, test) if test else None, per)
    redacted = ", redacted" if where["redact"] else ""
    size = sum(path.stat().st_size for path in written)
    what = str(written[0]) if len(written) == 1 else f"{len(written)} files in {target}"
    say(console, f"Wrote {what} ({size / 1024:,.0f} kB{redacted}).")
    return 0
