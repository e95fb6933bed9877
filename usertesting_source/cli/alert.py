"""The command that tells Slack or Jira: its options, its rounds, and what it shows of them."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from ..alerts import ledger
from ..alerts.channel import Channel
from ..alerts.config import CHANNELS, AlertSettings, read_settings
from ..alerts.message import headline, stamp, test_name
from ..alerts.tell import Report, only_teller, tell
from ..errors import AnotherRunIsActive, ConfigurationError, CredentialsError, Interrupted, UserTestingError
from ..outcome import Summary
from ..run import load
from ..source import usertesting_source
from ..stop import Stop, asked_by_signals
from ..warehouse.connection import Warehouse
from .command import PIPELINE, a_date, complain, exit_code, make_pipeline, say
from .invented import demo_source
from .main import CONTEXT
from .show import Screen

BEGINNING = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""The invented sessions of the demo all count as new."""


@click.command(context_settings=CONTEXT)
@click.option("--to", multiple=True, type=click.Choice(CHANNELS), help="Tell this channel. Repeatable.")
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
    console = Console(highlight=False)

    def work() -> int:
        settings = read_settings(tuple(dict.fromkeys(to)), max_alerts, dry_run)
        return Command(settings, console, dry_run=dry_run, **options).run()

    sys.exit(exit_code(work, console, options["verbose"]))


class Command:
    """One call of this command: what was asked for, and how it went so far."""

    def __init__(
        self,
        settings: AlertSettings,
        console: Console,
        since: datetime | None,
        dry_run: bool,
        loads: bool,
        watch: float | None,
        demo: bool,
        destination: str,
        dataset: str,
        verbose: bool,
    ) -> None:
        self.settings, self.console = settings, console
        self.since = since or (BEGINNING if demo else None)
        self.dry_run, self.loads, self.watch, self.demo, self.verbose = dry_run, loads, watch, demo, verbose
        self.stop = Stop()
        self.code = 0
        self.pipeline = partial(make_pipeline, destination=destination, dataset=dataset, demo=demo)
        self.warehouse = Warehouse(self.pipeline(ledger.PIPELINE), wait=self.wait)

    def run(self) -> int:
        """Does it; returns the exit code."""
        with ExitStack() as stack:
            if not self.dry_run:
                stack.enter_context(only_teller(self.warehouse.pipeline))
            stack.enter_context(asked_by_signals(self.stop))
            try:
                self._run()
            except Interrupted:
                self.console.print("Stopped as asked.")
        return self.code

    def _run(self) -> None:
        if self.loads or (self.demo and not self._has_sessions()):
            try:
                load_first(self)
            except AnotherRunIsActive as error:
                self._say(f"{error} Its sessions are told as they come.", "yellow")
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
            reports = [self._tell(channel, quiet) for channel in self.settings.channels]
            self.code = 0 if all(report.complete for report in reports) else 3
        except (ConfigurationError, CredentialsError, Interrupted):
            raise
        except UserTestingError as error:
            if self.watch is None:
                raise
            self.code = 1
            complain(error)

    def _tell(self, channel: Channel, quiet: bool) -> Report:
        report = tell(
            self.warehouse,
            self.settings.rules,
            channel,
            since=self.since,
            max_alerts=self.settings.max_alerts,
            dry_run=self.dry_run,
            stopped=lambda: self.stop.asked,
        )
        self._show(report, channel, quiet)
        return report

    def _show(self, report: Report, channel: Channel, quiet: bool) -> None:
        if report.first_run:
            self._say(
                f"{report.channel}: first run. What finishes after {stamp(report.first_run)} is told; what finished"
                " before is not, unless you give --since DATE.",
                "cyan",
            )
        if self.dry_run:
            self._show_messages(report, channel)
        for message in report.told:
            where = "" if message.is_digest else f" · {test_name(message.first)} · {message.first.session_id}"
            self._say(f"{report.channel}: {headline(message)}{where}")
        for line in report.errors:
            self._say(f"{report.channel}: {line}", "red")
        for rule, error in report.broken.items():
            self._say(f"The rule {rule} fails: {error}. Mend it; its sessions are looked at again.", "red")
        if report.waiting:
            self._say(f"{report.channel}: {report.waiting} left to the next run", "yellow")
        if report.quiet and not quiet:
            self._say(f"{report.channel}: nothing new to tell.", "dim")

    def _show_messages(self, report: Report, channel: Channel) -> None:
        for position, (_, payload) in enumerate(report.messages, start=1):
            title = f"{report.channel}: would be sent, {position} of {len(report.messages)}"
            shown = Text(channel.preview(payload))
            self.console.print(Panel(shown, title=title, title_align="left", border_style="cyan"))
            if self.verbose:
                self.console.print_json(json.dumps(payload, ensure_ascii=False))

    def _say(self, line: str, style: str = "") -> None:
        say(self.console, line, style)


class TellingScreen(Screen):
    """Shows a load, and tells what is new after each of its packages: a fresh session waits for no backfill."""

    def __init__(self, command: Command) -> None:
        super().__init__(command.console, watching=command.watch is not None)
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
    Loads what is new, as the other command does it, and has `command` tell it as it arrives.

    Raises:
        CredentialsError, ApiUnavailable, DestinationError: what ended the load; what it had loaded is told.

    """
    if not command.dry_run:
        command.tell(quiet=True)  # so that a first run counts from before the load
    with ExitStack() as stack:
        source = stack.enter_context(demo_source()) if command.demo else usertesting_source()
        screen = TellingScreen(command)
        load(command.pipeline(PIPELINE), source, watch_minutes=command.watch, watcher=screen, stop=command.stop)
