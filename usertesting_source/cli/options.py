"""What the commands in `pipelines/` share: where DuckDB files lie, and how a date is read."""

from __future__ import annotations

from datetime import datetime

import click

from ..config import date
from ..errors import ConfigurationError

DATABASE = "usertesting_data.duckdb"  # DuckDB mixes up a file and a dataset of the same name


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
