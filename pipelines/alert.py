"""Tells Slack or Jira what went wrong in new UserTesting sessions: python pipelines/alert.py --help"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from usertesting_source import UserTestingError, load, usertesting_source
from usertesting_source.alerts.config import AlertSettings, read_settings
from usertesting_source.alerts.ledger import PIPELINE
from usertesting_source.alerts.message import headline, moment, test_name
from usertesting_source.alerts.tell import Report, only_teller, tell
from usertesting_source.cli.demo import DEMO_DATABASE, DEMO_PIPELINE, demo_source
from usertesting_source.cli.options import DATABASE, a_date
from usertesting_source.cli.show import Screen
from usertesting_source.errors import AnotherRunIsActive, ConfigurationError, CredentialsError, Interrupted
from usertesting_source.outcome import Summary
from usertesting_source.stop import Stop
from usertesting_source.warehouse.connection import Warehouse

BEGINNING = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""The invented sessions of the demo all count as new."""

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--to", multiple=True, type=click.Choice(["slack", "jira"]), help="Tell this channel. Repeatable.")
@click.option("--since", callback=a_date, metavar="DATE", help="Also tell sessions that finished since then.")
@click.option("--dry-run", is_flag=True, help="Show exactly what would be sent; send and record nothing.")
@click.option("--max-alerts", type=click.IntRange(0), metavar="N", help="So many messages a run, then a digest.")
@click.option("--load", "loads", is_flag=True, help="First load what is new, in this process.")
@click.option(
    "--watch", type=click.FloatRange(0, min_open=True), metavar="MINUTES", help="Look so often, until stopped."
)
@click.option("--demo", is_flag=True, help="Use the invented studies of the demo; loads them if need be.")
@click.option("--destination", default="duckdb", show_default=True, help="Any SQL destination of dlt.")
@click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables.")
@click.option("--verbose", is_flag=True, help="Show the JSON of messages, and traces of errors.")
def main(to: tuple[str, ...], max_alerts: int | None, dry_run: bool, **options: Any) -> None:
    """
    Tell Slack or Jira what went wrong in new sessions, each thing once.

    Settings come from the section `alerts` of .dlt/config.toml, .dlt/secrets.toml or the environment; options win. A
    first run tells nothing that finished before it, unless --since says so. Exit codes: 0 told, or nothing to tell; 1
    stopped by an error; 2 bad option; 3 something could not be delivered, and is tried again by the next run.
    """
    sys.path.insert(0, str(Path.cwd()))  # where a rule of one's own is imported from
    try:
        settings = read_settings(tuple(dict.fromkeys(to)), max_alerts, dry_run)
        code = Command(settings, dry_run=dry_run, **options).run()
    except AnotherRunIsActive as error:
        console.print(str(error), markup=False, soft_wrap=True)
        code = 0
    except (UserTestingError, ConfigurationException) as error:
        complain(error)
        if options["verbose"]:
            errors.print_exception()
        code = 1
    sys.exit(code)


class Command:
    """One call of this command: what was asked for, and how it went so far."""

    def __init__(
        self,
        settings: AlertSettings,
        since: datetime | None,
        dry_run: bool,
        loads: bool,
        watch: float | None,
        demo: bool,
        destination: str,
        dataset: str,
        verbose: bool,
    ) -> None:
        self.settings = settings
        self.since = since or (BEGINNING if demo else None)
        self.dry_run, self.loads, self.watch, self.demo, self.verbose = dry_run, loads, watch, demo, verbose
        self.stop = Stop()
        self.code = 0
        name = f"{PIPELINE}_demo" if demo else PIPELINE
        self.target: Any = destination
        if destination == "duckdb":
            self.target = dlt.destinations.duckdb(str(Path.cwd() / (DEMO_DATABASE if demo else DATABASE)))
        self.dataset = dataset
        pipeline = dlt.pipeline(name, destination=self.target, dataset_name=dataset)
        self.warehouse = Warehouse(pipeline, wait=self.wait)

    def run(self) -> int:
        """Does it; returns the exit code."""
        with ExitStack() as stack:
            if not self.dry_run:
                stack.enter_context(only_teller(self.warehouse.pipeline))
            stop_on_signals(self.stop)
            try:
                self._run()
            except Interrupted:
                console.print("Stopped as asked.")
        return self.code

    def _run(self) -> None:
        if self.loads or (self.demo and not self._has_sessions()):
            try:
                load_first(self)
            except AnotherRunIsActive as error:
                say(f"{error} Its sessions are told as they come.", "yellow")
            else:
                return
        self._rounds()

    def _has_sessions(self) -> bool:
        with self.warehouse.open() as db:
            return bool(db.columns("session_details"))

    def _rounds(self) -> None:
        """One look or, with `--watch`, one after the other."""
        while True:
            began = time.monotonic()
            self.tell(quiet=self.watch is not None)
            if self.watch is None or self.stop.asked:
                return
            self.wait(max(self.watch * 60 - (time.monotonic() - began), 0.0))

    def wait(self, seconds: float) -> None:
        """
        Waits.

        Raises:
            Interrupted: a stop was asked for.

        """
        if self.stop.wait(seconds):
            raise Interrupted("Stopped as asked.")

    def tell(self, quiet: bool = False) -> None:
        """Tells all channels what is new. While watching, an error of the warehouse is left to the next round."""
        try:
            codes = [self._tell(position, quiet) for position in range(len(self.settings.channels))]
            self.code = max(codes)
        except (ConfigurationError, CredentialsError, Interrupted):
            raise
        except UserTestingError as error:
            if self.watch is None:
                raise
            self.code = 1
            complain(error)

    def _tell(self, position: int, quiet: bool) -> int:
        report = tell(
            self.warehouse,
            self.settings.rules,
            self.settings.channels[position],
            since=self.since,
            max_alerts=self.settings.max_alerts,
            dry_run=self.dry_run,
            stopped=lambda: self.stop.asked,
        )
        self._show(report, position, quiet)
        return 0 if report.complete else 3

    def _show(self, report: Report, position: int, quiet: bool) -> None:
        channel = self.settings.channels[position]
        if report.first_run:
            say(
                f"{report.channel}: first run. What finishes after {moment(report.first_run)} is told; what finished"
                " before is not, unless you give --since DATE.",
                "cyan",
            )
        for number, (_, payload) in enumerate(report.messages if self.dry_run else (), start=1):
            title = f"{report.channel}: would be sent, {number} of {len(report.messages)}"
            console.print(Panel(Text(channel.preview(payload)), title=title, title_align="left", border_style="cyan"))
            if self.verbose:
                console.print_json(json.dumps(payload, ensure_ascii=False))
        for message in report.told:
            where = "" if message.is_digest else f" · {test_name(message.first)} · {message.first.session_id}"
            say(f"{report.channel}: {headline(message)}{where}")
        for line in report.errors:
            say(f"{report.channel}: {line}", "red")
        for rule, error in report.broken.items():
            say(f"The rule {rule} fails: {error}. Mend it; its sessions are looked at again.", "red")
        if report.waiting:
            say(f"{report.channel}: {report.waiting} left to the next run", "yellow")
        if report.quiet and not quiet:
            say(f"{report.channel}: nothing new to tell.", "dim")


class TellingScreen(Screen):
    """Shows a load, and tells what is new after each of its packages: a fresh session waits for no backfill."""

    def __init__(self, command: Command) -> None:
        super().__init__(console, watching=command.watch is not None)
        self._command = command

    def committed(self, rows: Counter[str]) -> None:
        """A load package is in the warehouse."""
        super().committed(rows)
        if not self._command.dry_run:
            self._command.tell(quiet=True)

    def polled(self, summary: Summary) -> None:
        """One look at all tests has ended."""
        super().polled(summary)
        self._command.tell(quiet=True)


def load_first(command: Command) -> None:
    """
    Loads what is new, as `load.py` does it, and has `command` tell it as it arrives.

    Raises:
        CredentialsError, ApiUnavailable, DestinationError: what ended the load; what it had loaded is told.

    """
    if not command.dry_run:
        command.tell(quiet=True)  # so that a first run counts from before the load
    with ExitStack() as stack:
        source = stack.enter_context(demo_source()) if command.demo else usertesting_source()
        name = DEMO_PIPELINE if command.demo else "usertesting"
        pipeline = dlt.pipeline(name, destination=command.target, dataset_name=command.dataset)
        screen = TellingScreen(command)
        load(pipeline, source, watch_minutes=command.watch, watcher=screen, stop=command.stop)


def stop_on_signals(stop: Stop) -> None:
    """The first Ctrl-C or SIGTERM lets the message in hand be finished; the second one ends the command."""

    def handle(number: int, _frame: object) -> None:
        stop.ask()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def say(line: str, style: str = "") -> None:
    """One line, with nothing in it taken for markup."""
    console.print(Text(line, style=style), soft_wrap=True)


def complain(error: Exception) -> None:
    """One paragraph: what is wrong, and what to do."""
    errors.print(Text.assemble((f"{type(error).__name__}  ", "red bold"), str(error)), soft_wrap=True)


if __name__ == "__main__":
    main()
