"""Loads UserTesting sessions into a warehouse: python pipelines/load.py --help"""

from __future__ import annotations

import logging
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import click
import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import InvalidDestinationReference, UnknownDestinationModule
from rich.console import Console
from rich.table import Table

from usertesting_source import UserTestingError, load, usertesting_source
from usertesting_source.cli.check import check_all, list_tests
from usertesting_source.cli.demo import DEMO_DATABASE, DEMO_PIPELINE, QUERIES, demo_source
from usertesting_source.cli.options import DATABASE, a_date
from usertesting_source.cli.show import Screen
from usertesting_source.config import check_resources, is_uuid, names
from usertesting_source.errors import AnotherRunIsActive
from usertesting_source.extract.poll import CHUNK
from usertesting_source.source import UserTestingSource

LOG_WIDTH = 140  # a log has no edge to fit into

console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
errors = Console(stderr=True, highlight=False)


def ids(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Reads ids of sessions."""
    for value in values:
        if not is_uuid(value):
            raise click.BadParameter(f"{value!r} is no session id: they are UUIDs, as in the table sessions")
    return values


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--demo", is_flag=True, help="Load invented studies from a sample API in this process; needs nothing.")
@click.option("--test-id", "test_ids", multiple=True, metavar="ID", help="Load this test (and no other). Repeatable.")
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Load all tests of it. Repeatable.")
@click.option("--resources", metavar="A,B", help="Load only these resources.")
@click.option("--since", callback=a_date, metavar="DATE", help="Only sessions that finished since; the rest stays due.")
@click.option("--destination", default="duckdb", show_default=True, help="Any dlt destination.")
@click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables.")
@click.option(
    "--session-id", "session_ids", multiple=True, callback=ids, metavar="ID", help="Load one session anew. Repeatable."
)
@click.option("--chunk", default=CHUNK, show_default=True, type=click.IntRange(1), help="Sessions per load package.")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long; exit code 4.")
@click.option("--full", is_flag=True, help="Load everything anew; rows are replaced, not doubled.")
@click.option(
    "--watch", type=click.FloatRange(0, min_open=True), metavar="MINUTES", help="Poll so often, until stopped."
)
@click.option("--check", is_flag=True, help="Try credentials, tests and destination; load nothing.")
@click.option("--list-tests", "lists", is_flag=True, help="Print the tests that the credentials see; load nothing.")
@click.option("--verbose", is_flag=True, help="Show logs, and traces of errors.")
def main(verbose: bool, **options: Any) -> None:
    """
    Load completed UserTesting sessions into DuckDB or any other warehouse.

    Settings come from .dlt/config.toml, .dlt/secrets.toml or the environment; options win. Exit codes: 0 all that was
    due is loaded, or another run is at it; 1 stopped by an error; 2 bad option; 3 something failed, all else is loaded;
    4 stopped as asked, with work left.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(asctime)s %(name)s %(message)s")
    if options["session_ids"] and (options["full"] or options["watch"]):
        raise click.UsageError("--session-id loads these sessions anew, once: it goes with neither --full nor --watch")
    if options["check"] and options["lists"]:
        raise click.UsageError("choose one of --check and --list-tests")
    try:
        sys.exit(run(**options))
    except AnotherRunIsActive as error:
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(0)
    except (UserTestingError, ConfigurationException) as error:
        complain(error, verbose)
        sys.exit(1)


def run(demo: bool, check: bool, lists: bool, **options: Any) -> int:
    """Does what the options ask for; returns the exit code."""
    with ExitStack() as stack:
        if demo:
            source = stack.enter_context(demo_source())
            console.print("[bold]Demo[/]  a sample API in this process; people, answers and studies are invented.\n")
        else:
            source = usertesting_source(**arguments(options, lists))
        if options["resources"]:
            source = cast("UserTestingSource", source.with_resources(*chosen(options["resources"], source)))
        if lists:
            console.print(list_tests(source))
            return 0
        pipeline = make_pipeline(demo, options)
        if check:
            return check_all(pipeline, source, console)
        code = load_and_show(pipeline, source, options)
        if demo and code == 0:
            show_queries(pipeline)
        return code


def arguments(options: dict[str, Any], lists: bool) -> dict[str, Any]:
    """The options that replace settings: tests named here are loaded instead of the configured ones."""
    if lists and not options["workspace_ids"]:
        return {"test_ids": [], "workspace_ids": ["*"]}
    if not options["test_ids"] and not options["workspace_ids"]:
        return {}
    return {"test_ids": list(options["test_ids"]), "workspace_ids": list(options["workspace_ids"])}


def chosen(value: str, source: Any) -> list[str]:
    """The resources of `--resources`."""
    wanted = list(names("resources", value))
    unknown = [name for name in wanted if name not in source.resources]
    if unknown or not wanted:
        raise click.BadParameter(
            f"no resource named {', '.join(unknown) or value!r}; there are {', '.join(source.resources)}",
            param_hint="--resources",
        )
    check_resources(wanted, source.poll.settings.video_bucket_url)
    return wanted


def make_pipeline(demo: bool, options: dict[str, Any]) -> dlt.Pipeline:
    """The pipeline `usertesting`; DuckDB files lie in the working folder."""
    destination: Any = options["destination"]
    if destination == "duckdb":
        destination = dlt.destinations.duckdb(str(Path.cwd() / (DEMO_DATABASE if demo else DATABASE)))
    name = DEMO_PIPELINE if demo else "usertesting"
    try:
        return dlt.pipeline(name, destination=destination, dataset_name=options["dataset"])
    except (UnknownDestinationModule, InvalidDestinationReference):
        raise click.BadParameter(
            f"dlt has no destination {destination!r}: use duckdb, postgres, snowflake, bigquery, redshift or another"
            " of its names",
            param_hint="--destination",
        ) from None


def load_and_show(pipeline: dlt.Pipeline, source: Any, options: dict[str, Any]) -> int:
    """Loads, shows it, returns the exit code."""
    summary = load(
        pipeline,
        source,
        options["chunk"],
        full=options["full"],
        since=options["since"],
        session_ids=options["session_ids"],
        max_minutes=options["max_minutes"],
        watch_minutes=options["watch"],
        watcher=Screen(console, watching=options["watch"] is not None),
        raise_errors=False,
    )
    if summary.error is not None:
        raise summary.error
    return summary.exit_code


def show_queries(pipeline: dlt.Pipeline) -> None:
    """Ends the demo with queries that a user would type next."""
    with pipeline.sql_client() as client:
        for question, sql in QUERIES:
            console.print(f"\n[bold]{question}[/]")
            console.print(textwrap.dedent(sql).strip(), style="dim", soft_wrap=True)
            with client.execute_query(sql) as cursor:
                table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
                for column in cursor.description or ():
                    table.add_column(column[0], no_wrap=True)
                for row in cursor.fetchall():
                    table.add_row(*("" if value is None else str(value) for value in row))
            console.print(table)
    console.print(f"\nThe data is in [bold]{DEMO_DATABASE}[/] in this folder: open it with DuckDB.", soft_wrap=True)


def complain(error: Exception, verbose: bool) -> None:
    """One paragraph: what is wrong, and what to do."""
    errors.print(f"[red bold]{type(error).__name__}[/]  ", end="")
    errors.print(str(error), markup=False, soft_wrap=True)
    if verbose:
        errors.print_exception()


if __name__ == "__main__":
    main()
