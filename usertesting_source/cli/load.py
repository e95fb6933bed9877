"""The command that loads: its options, and what becomes of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
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
from ..warehouse.packages import set_format
from ..watchers import Heartbeat, SummaryFile, SummaryLines, Watchers, logs_json
from . import tests
from .check import check_all
from .command import PIPELINE, a_date, exit_code, make_pipeline
from .invented import demo_source, show_queries
from .main import CONTEXT
from .show import Announced, Faults, Screen

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
@click.option("--test", "test_titles", multiple=True, metavar="TITLE", help="Load the test of this title. Repeatable.")
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Load all tests of it. Repeatable.")
@click.option("--resources", metavar="A,B", help="Load only these resources.")
@click.option("--since", callback=a_date, metavar="DATE", help="Only sessions that finished since; the rest stays due.")
@click.option("--destination", default="duckdb", show_default=True, help="Any dlt destination.")
@click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables.")
@click.option(
    "--session-id", "session_ids", multiple=True, callback=ids, metavar="ID", help="Load one session anew. Repeatable."
)
@click.option(
    "--table-format",
    type=click.Choice(["delta", "iceberg"]),
    help="Of tables in files (destinations filesystem, athena); filesystem: delta unless said.",
)
@click.option(
    "--file-format",
    type=click.Choice(["parquet", "jsonl", "csv", "insert_values"]),
    help="Of load packages, where the destination takes several.",
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
@click.option("--quiet", is_flag=True, help="Show nothing unless something fails.")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object for each poll, for other programs.")
@click.option("--check", is_flag=True, help="As the command `check`; load nothing.")
@click.option("--list-tests", "lists", is_flag=True, help="As the command `tests`; load nothing.")
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
    is_mute = options["quiet"] or options["as_json"] or logs_json()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH, quiet=is_mute)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(console: Console, demo: bool, check: bool, lists: bool, **options: Any) -> int:
    """Does what the options ask for; returns the exit code."""
    if lists:
        return tests.run(console, (), options["workspace_ids"], as_json=options["as_json"], demo=demo)
    with ExitStack() as stack:
        tellers = list(_tellers(stack, options))
        if demo:
            invented = stack.enter_context(demo_source())
            console.print("[bold]Demo[/]  a sample API in this process; people, answers and studies are invented.\n")

        def source() -> UserTestingSource:
            made = invented if demo else usertesting_source(**arguments(options))
            if options["resources"]:
                made = cast("UserTestingSource", made.with_resources(*chosen(options["resources"], made)))
            for resource in made.selected_resources.values() if options["table_format"] else ():
                set_format(resource, options["table_format"])
            return made

        def pipeline() -> dlt.Pipeline:
            return make_pipeline(PIPELINE, options["destination"], options["dataset"], demo)

        if check:
            return check_all(pipeline, source, console)
        loads, reads = pipeline(), source()
        code = load_and_show(loads, reads, console, options, tellers)
        if demo and code == 0:
            show_queries(loads, console)
        return code


def _tellers(stack: ExitStack, options: dict[str, Any]) -> Iterator[Watcher]:
    """Who tells of each poll, beside the screen."""
    keepers = [SummaryFile(options["summary_json"])] if options["summary_json"] else []
    for keeper in (*keepers, *([SummaryLines()] if options["as_json"] else [])):
        stack.enter_context(keeper.whatever_happens())
        yield keeper
    if options["heartbeat"]:
        yield Heartbeat(options["heartbeat"])


def arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The options that replace settings: tests named here are loaded instead of the configured ones."""
    named = {key: list(options[key]) for key in ("test_ids", "test_titles", "workspace_ids")}
    return named if any(named.values()) else {}


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
    shown = Faults() if options["quiet"] else Screen(console, watching=options["watch"] is not None)
    summary = load(
        pipeline,
        source,
        options["chunk"],
        full=options["full"],
        since=options["since"],
        session_ids=options["session_ids"],
        max_minutes=options["max_minutes"],
        watch_minutes=options["watch"],
        watcher=Watchers(shown, *tellers),
        stop=Announced(console),
        file_format=options["file_format"],
        raise_errors=False,
    )
    if summary.error is not None:
        raise summary.error
    return 0 if options["unfinished_ok"] and summary.exit_code == 4 else summary.exit_code
