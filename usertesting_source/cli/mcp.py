"""The command that an assistant starts: a server over stdin and stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from ..explore.mcp import Latest, server
from ..explore.reading import readable_file
from .command import errors, exit_code
from .main import CONTEXT
from .reading import reading_options, reading_pipeline, redaction


@click.command(context_settings=CONTEXT)
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where you load: work there."
)
@reading_options
def main(verbose: bool, **options: Any) -> None:
    """
    Let an assistant read the data: a server of the Model Context Protocol over stdin and stdout.

    It reads what is loaded, sends nothing anywhere and asks the API nothing. An assistant's program starts it; how to
    tell it so is in docs/reading.md.
    """
    sys.exit(exit_code(lambda: run(**options), errors, verbose))


def run(folder: Path | None, demo: bool, redact: bool, destination: str, dataset: str) -> int:
    """Serves until the assistant goes away; returns the exit code."""
    if folder is not None:
        os.chdir(folder)
    pipeline = reading_pipeline(demo, destination, dataset)
    latest = Latest(lambda: readable_file(pipeline), dataset, redaction(demo, redact))
    made = server(latest)
    readable_file(pipeline)  # what is wrong is said at once
    try:
        made.run("stdio")
    finally:
        latest.close()
    return 0
