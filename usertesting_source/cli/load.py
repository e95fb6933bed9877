"""The command that loads: its options, and what becomes of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, cast

import click
import dlt
from rich.console import Console

from ..config import check_resources, is_uuid, names
from ..extract.poll import CHUNK
from ..outcome import Watcher
from ..run import load
from ..source import UserTestingSource, usertesting_source
from ..watchers import Heartbeat, SummaryFile, Watchers
from .check import check_all, list_tests
from .command import PIPELINE, a_date, exit_code, make_pipeline
from .demo import demo_source, show_queries
from .main import CONTEXT
from .show import Screen

LOG_WIDTH = 140  # a log has no edge to fit into


def ids(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Reads ids of sessions."""
    for value in values:
        if not is_uuid(value):
            raise click.BadParameter(f"{value!r} is no session id: they are UUIDs, as in the table sessions")
    return values


@click.command(context_settings=CONTEXT)
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
@click.option("--chunk", default=CHUNK, show_default=True, type=click.IntRange(1), help="Sessions a commit, at most.")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long; exit code 4.")
@click.option("--full", is_flag=True, help="Load everything anew; rows are replaced, not doubled.")
@click.option(
    "--watch", type=click.FloatRange(0, min_open=True), metavar="MINUTES", help="Poll so often, until stopped."
)
@click.option("--unfinished-ok", is_flag=True, help="Work left after a stop is fine: exit code 0 instead of 4.")
@click.option("--heartbeat", metavar="FILE_OR_URL", help="Touch it, or GET it, after each good poll.")
@click.option("--summary-json", metavar="FILE", help="Keep how the newest poll ended in this file.")
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
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(console: Console, demo: bool, check: bool, lists: bool, **options: Any) -> int:
    """Does what the options ask for; returns the exit code."""
    with ExitStack() as stack:
        tellers: list[Watcher] = []
        if options["summary_json"]:
            tellers.append(summary := SummaryFile(options["summary_json"]))
            stack.enter_context(summary.whatever_happens())
        if options["heartbeat"]:
            tellers.append(Heartbeat(options["heartbeat"]))
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
        pipeline = make_pipeline(PIPELINE, options["destination"], options["dataset"], demo)
        if check:
            return check_all(pipeline, source, console)
        code = load_and_show(pipeline, source, console, options, tellers)
        if demo and code == 0:
            show_queries(pipeline, console)
        return code


def arguments(options: dict[str, Any], lists: bool) -> dict[str, Any]:
    """The options that replace settings: tests named here are loaded instead of the configured ones."""
    if lists and not options["workspace_ids"]:
        return {"test_ids": [], "workspace_ids": ["*"]}
    if not options["test_ids"] and not options["workspace_ids"]:
        return {}
    return {"test_ids": list(options["test_ids"]), "workspace_ids": list(options["workspace_ids"])}


def chosen(value: str, source: UserTestingSource) -> list[str]:
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


def load_and_show(
    pipeline: dlt.Pipeline,
    source: UserTestingSource,
    console: Console,
    options: dict[str, Any],
    tellers: Iterable[Watcher] = (),
) -> int:
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
        watcher=Watchers(Screen(console, watching=options["watch"] is not None), *tellers),
        raise_errors=False,
    )
    if summary.error is not None:
        raise summary.error
    return 0 if options["unfinished_ok"] and summary.exit_code == 4 else summary.exit_code
