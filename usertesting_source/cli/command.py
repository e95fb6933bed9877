"""What the commands share: how they read a date, the pipeline that they work with, and how an error ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException
from dlt.common.destination.exceptions import InvalidDestinationReference, UnknownDestinationModule
from rich.console import Console
from rich.text import Text

from ..config import date
from ..errors import AnotherRunIsActive, ConfigurationError, NotInstalled, UserTestingError
from ..warehouse.home import opened
from ..warehouse.troubles import missing
from .invented import DEMO_DATABASE

PIPELINE = "usertesting"
DATABASE = "usertesting_data.duckdb"  # DuckDB mixes up a file and a dataset of the same name

errors = Console(stderr=True, highlight=False)


def a_date(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """
    Reads a date option; for click's `callback`.

    Raises:
        click.BadParameter: it is no date.

    """
    try:
        return date("since", value)
    except ConfigurationError:
        raise click.BadParameter(f"{value!r} is no date: write it as 2026-01-31 or 2026-01-31T08:00:00Z") from None


def make_pipeline(name: str, destination: str, dataset: str, demo: bool) -> dlt.Pipeline:
    """
    A pipeline, and for the demo one of its own; DuckDB files lie in the working folder, unless the settings say where.

    Raises:
        click.BadParameter: dlt has no such destination.

    """
    target: Any = destination
    # dlt itself takes no credentials out of config.toml, as which it counts the name of the file
    named = DEMO_DATABASE if demo else dlt.config.get("destination.duckdb.credentials") or DATABASE
    if destination == "duckdb" and isinstance(named, str):
        target = dlt.destinations.duckdb(named if ":" in named else str(Path.cwd() / named))
    try:
        return opened(f"{name}_demo" if demo else name, destination=target, dataset_name=dataset)
    except (UnknownDestinationModule, InvalidDestinationReference):
        raise click.BadParameter(
            f"dlt has no destination {destination!r}: use duckdb, postgres, snowflake, bigquery, redshift or another"
            " of its names",
            param_hint="--destination",
        ) from None


def exit_code(work: Callable[[], int], console: Console, verbose: bool) -> int:
    """
    The exit code of a command's `work`, which an error may end.

    Our errors are said in one paragraph, and with `verbose` traced; that another run is at the same work is no error.
    """
    try:
        return work()
    except AnotherRunIsActive as error:
        say(console, str(error))
        return 0
    except (UserTestingError, ConfigurationException) as error:
        told = ConfigurationError(missing(error)) if isinstance(error, ConfigFieldMissingException) else error
        is_setting = isinstance(told, (ConfigurationError, ConfigurationException)) and not isinstance(
            told, NotInstalled
        )
        complain(told, where_settings_are() if is_setting else "")
        if verbose:
            errors.print_exception()
        return 1


def where_settings_are() -> str:
    """Which folder was looked in."""
    folder = Path.cwd() / ".dlt"
    if folder.is_dir():
        return f"Settings are read from {folder} and the environment."
    return f"Settings are read from {folder}, which is not there (`usertesting init` writes it), and the environment."


def say(console: Console, line: str, style: str = "") -> None:
    """One line, with nothing in it taken for markup."""
    console.print(Text(line, style=style), soft_wrap=True)


def complain(error: Exception, more: str = "") -> None:
    """One paragraph: what is wrong, and what to do."""
    name = (f"{type(error).__name__}  ", "red bold")
    errors.print(Text.assemble(name, str(error), (more and f" {more}", "dim")), soft_wrap=True)


def plural(count: int, word: str) -> str:
    """`1 test`, `2 tests`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
