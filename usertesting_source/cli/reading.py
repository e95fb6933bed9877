"""What the reading commands share: their options, and the data that these name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import dlt
from rich.console import Console

from ..explore.reading import Data, opened
from ..explore.redact import Redaction, redaction_from_settings
from ..run import load
from ..warehouse.snapshot import duckdb_file
from .command import PIPELINE, errors, make_pipeline
from .invented import demo_source
from .show import Screen

Command = TypeVar("Command", bound=Callable[..., Any])


def reading_options(command: Command) -> Command:
    """The options of every command that reads: `demo`, `redact`, `destination`, `dataset`, `verbose`."""
    for option in (
        click.option("--verbose", is_flag=True, help="Show traces of errors."),
        click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables."),
        click.option("--destination", default="duckdb", show_default=True, help="Any SQL destination of dlt."),
        click.option("--redact", is_flag=True, help="Codes for participants; no demographics, addresses, numbers."),
        click.option("--demo", is_flag=True, help="Read the invented studies of the demo; loads them if need be."),
    ):
        command = option(command)
    return command


@contextmanager
def reading(demo: bool, redact: bool, destination: str, dataset: str) -> Iterator[Data]:
    """
    The data that the options name.

    Raises:
        ConfigurationError: nothing is loaded yet, or `redact` has no key.
        DestinationError: it cannot be read.

    """
    pipeline = reading_pipeline(demo, destination, dataset)
    with opened(pipeline, redaction(demo, redact)) as data:
        yield data


def reading_pipeline(demo: bool, destination: str, dataset: str) -> dlt.Pipeline:
    """The pipeline that loads what the options name; the demo is loaded now if it is not there yet."""
    pipeline = make_pipeline(PIPELINE, destination, dataset, demo)
    if demo and not _is_loaded(pipeline):
        load_demo(pipeline)
    return pipeline


def redaction(demo: bool, redact: bool) -> Redaction | None:
    """How persons are hidden, if that is asked for."""
    return redaction_from_settings(demo) if redact else None


def load_demo(pipeline: dlt.Pipeline) -> None:
    """Loads the invented studies, and says so where it is in nobody's way."""
    console = Console(stderr=True, highlight=False)
    errors.print("[bold]Demo[/]  a sample API in this process; people, answers and studies are invented.")
    with demo_source() as source:
        load(pipeline, source, watcher=Screen(console))


def _is_loaded(pipeline: dlt.Pipeline) -> bool:
    database = duckdb_file(pipeline)
    return database is None or database.exists()
