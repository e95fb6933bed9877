"""
What a user sees while a load runs: the plan, the progress, the summary, the error.

A live bar on a terminal, a plain line now and then elsewhere (cron, CI, Airflow logs).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from ..errors import UserTestingError
from ..outcome import Plan, Summary, Tally, Watcher
from ..stop import Stop
from ..sync.studies import PER_SESSION
from .command import errors, plural

PLAIN_EVERY_S = 60.0
SHOWN = 5
WHAT = {
    "session_details": "details",
    "transcripts": "transcripts",
    "session_videos": "videos",
    "clips": "clip lists",
    "qx_scores": "QXscores",
    "highlight_reels": "highlight reels",
}


class _Facts(ProgressColumn):
    """What is known at the moment that the bar is drawn: a countdown goes on while nothing else happens."""

    def __init__(self, facts: Callable[[], list[str]]) -> None:
        super().__init__()
        self._facts = facts

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich's own signature
        """Called by rich, ten times a second."""
        return Text(" · ".join(self._facts()), style="dim", no_wrap=True)


class Announced(Stop):
    """A stop that says at once that it was heard."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def ask(self) -> None:
        """Asks for the stop."""
        if not self.asked:
            self._console.print("Stopping after this request; again to stop now.", style="yellow")
        super().ask()


class Screen(Watcher):
    """Shows a load on a terminal, or in a log."""

    def __init__(self, console: Console, watching: bool = False) -> None:
        self.console = console
        self._watching = watching
        self._plan = Plan()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._said = time.monotonic()
        self._waits_until = 0.0
        self._done, self._due = 0, 1

    # -- before ----------------------------------------------------------------------

    def planned(self, plan: Plan) -> None:
        """Says what is due and how long it takes."""
        self._plan = plan
        self._began = self._said = time.monotonic()
        self._done, self._due = 0, max(plan.requests, 1)
        quiet = self._watching and not plan.requests
        if not quiet:
            self.console.print(f"[bold]Plan[/]  {_tests(plan)}. {_due(plan)}", soft_wrap=True)
        if plan.requests and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                _Facts(self.facts),
                console=self.console,
                transient=True,
                expand=True,
            )
            self._task = self._bar.add_task("Loading", total=plan.requests)
            self._bar.start()

    # -- meanwhile ---------------------------------------------------------------------

    def progressed(self, tally: Tally, requests: int) -> None:  # noqa: ARG002 - the base class's signature
        """Moves the bar; elsewhere says a line now and then."""
        self._waits_until = 0.0
        self._done, self._due = tally.asked_for, max(tally.due_in_all, 1)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=self._due)
        elif not self.console.is_terminal and time.monotonic() - self._said >= PLAIN_EVERY_S:
            self._said = time.monotonic()
            failed = f", {len(tally.failed)} failed" if tally.failed else ""
            facts = ", ".join(self.facts())
            self.console.print(f"{_clock()}  {self._done} of {self._due} requests answered{failed}, {facts}")

    def waits(self, seconds: float) -> None:
        """Counts down to the next request."""
        self._waits_until = time.monotonic() + seconds

    def facts(self) -> list[str]:
        """How fast it goes, how long it takes yet, and when the next request is sent."""
        now = time.monotonic()
        per_minute = self._done / max(now - self._began, 1.0) * 60
        facts = [f"{per_minute:.0f}/min"] if self._done else []
        if self._plan.rate_limit:
            left = (self._due - self._done) / self._plan.rate_limit * self._plan.rate_period
            facts.append(f"{_duration(left)} left")
        if (wait := self._waits_until - now) >= 1:
            facts.append(f"next in {wait:.0f} s")
        return facts

    def blocked(self, reason: str) -> None:
        """Says, once in a while, why the warehouse does not take the data yet."""
        if time.monotonic() - self._said >= 10 or self._said == self._began:
            self._said = time.monotonic()
            line = f"[yellow]Waiting:[/] {reason}. Close it there; it is tried again for two minutes."
            self.console.print(line, soft_wrap=True)

    # -- after ------------------------------------------------------------------------

    def polled(self, summary: Summary) -> None:
        """Shows what was loaded, what waits, what failed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        if self._watching and not (summary.rows or summary.tally.failed or summary.error):
            self.console.print(f"{_clock()}  no news ({plural(summary.requests, 'request')})", style="dim")
            return
        if summary.rows:
            self.console.print(_rows(summary))
        self.console.print(_verdict(summary), soft_wrap=True)
        self._lines("Failed", summary.tally.failed, "red")
        self._lines("Note", list(summary.tally.warnings), "yellow")
        if summary.tally.unread:
            kinds = ", ".join(f"{kind} {list(keys)}" for (kind, keys), _ in summary.tally.unread.most_common(SHOWN))
            self._lines(
                "Note", [f"Answers of a shape that is not known yet are kept in answer_json alone: {kinds}"], "yellow"
            )
        if dropped := summary.tally.dropped_cues:
            cues = f"{plural(dropped.total(), 'cue')} of {plural(len(dropped), 'transcript')}"
            self._lines("Note", [f"{cues} could not be read; the WebVTT is kept in transcript_vtt."], "yellow")

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """Says why a poll of a watch failed, and when the next one comes."""
        line = f"[red]{type(error).__name__}[/]  {escape(str(error))} Tried again in {_duration(seconds)}."
        self.console.print(f"{_clock()}  {line}", soft_wrap=True)

    def _lines(self, word: str, lines: list[str], style: str) -> None:
        counted = Counter(lines)
        for line, count in list(counted.items())[:SHOWN]:
            times = f" ({count} times)" if count > 1 else ""
            self.console.print(Text.assemble((f"{word}:", style), f" {line}{times}"), soft_wrap=True)
        if len(counted) > SHOWN:
            self.console.print(f"  and {len(counted) - SHOWN} more: see table load_issues")


class Faults(Watcher):
    """Shows a poll in which something failed, and nothing else."""

    def polled(self, summary: Summary) -> None:
        """Where errors go."""
        if summary.tally.failed:
            Screen(errors).polled(summary)

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """Why a poll of a watch failed."""
        Screen(errors).retries(error, seconds)


def _tests(plan: Plan) -> str:
    line = plural(plan.tests, "test")
    if plan.classic:
        line += f" (and {plan.classic} classic, not served)"
    if plan.resting:
        line += f", {plan.resting} of them quiet"
    if plan.listed + plan.resting < plan.tests:
        line += f", {plan.listed} listed so far"
    return line


def _due(plan: Plan) -> str:
    due = {WHAT[name]: plan.due[name] for name in PER_SESSION if plan.due.get(name)}
    if not due:
        return "Nothing new so far."
    what = ", ".join(f"{count:,} {name}" for name, count in due.items())
    most = "at most " if plan.is_most else ""
    line = f"To load: {what}. That is {most}{plural(plan.requests, 'request')}"
    return f"{line}, about {_duration(plan.minutes * 60)} at this quota." if plan.rate_limit else f"{line}."


def _rows(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("table")
    table.add_column("rows loaded", justify="right")
    for name, count in sorted(summary.rows.items(), key=lambda item: _order(item[0])):
        table.add_row(name.replace("__", " › "), f"{count:,}")  # noqa: RUF001 - an arrow for child tables
    return table


def _order(name: str) -> tuple[int, str]:
    roots = ["tests", "sessions", "session_details", "transcripts", "qx_scores", "session_videos"]
    root = name.split("__", maxsplit=1)[0]
    return (roots.index(root) if root in roots else len(roots), name)


def _verdict(summary: Summary) -> str:
    spent = f"{plural(summary.requests, 'request')} in {_duration(summary.seconds)}"
    waiting = sum(summary.tally.waiting.values())
    later = f" {waiting} not there yet, asked for again later." if waiting else ""
    lost = _given_up(summary.tally)
    if summary.error is not None:
        return f"[red]Stopped[/] after {spent}.{lost}"
    if summary.stopped and summary.left:
        left = f"about {plural(summary.left, 'request')} left for the next run"
        return f"[yellow]Stopped as asked[/] after {spent}; {left}.{later}{lost}"
    if summary.tally.failed:
        return f"[yellow]Loaded, with {len(summary.tally.failed)} failed[/], {spent}.{later}{lost}"
    if lost:
        return f"[yellow]Loaded, but not all[/], {spent}.{later}{lost}"
    if not summary.rows:
        return f"[green]Nothing new[/], {spent}.{later}"
    return f"[green]All loaded[/], {spent}.{later}"


def _given_up(tally: Tally) -> str:
    lost = [plural(count, WHAT.get(name, name).removesuffix("s")) for name, count in tally.given_up.items() if count]
    return f" {', '.join(lost)} given up: never came; see load_issues." if lost else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
