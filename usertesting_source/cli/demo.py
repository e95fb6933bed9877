"""The command `demo`: the invented studies, loaded into a DuckDB file in this folder."""

from __future__ import annotations

from typing import Any

import click

from .load import main as load
from .main import CONTEXT


@click.command(context_settings=CONTEXT)
@click.option("--quiet", is_flag=True, help="Show nothing unless something fails.")
@click.option("--verbose", is_flag=True, help="Show logs, and traces of errors.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """
    Load three invented studies of an online shop, from a sample API in this process.

    Nothing is needed for it, nobody is asked, and people and answers are invented. The data is then in
    usertesting_demo.duckdb, and every reading command takes --demo.
    """
    context.invoke(load, demo=True, **options)
