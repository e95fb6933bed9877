"""
What a user sees while a load runs: the plan, the progress, the summary, the error.

A live bar on a terminal, a plain line now and then elsewhere (cron, CI, Airflow logs).
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..errors import UserTestingError
from ..outcome import Plan, Summary, Tally, Watcher
from ..sync.studies import PER_SESSION

PLAIN_EVERY_S = 15.0
SHOWN = 5
WHAT = {
    "session_details": "details",
    "transcripts": "transcripts",
    "session_videos": "videos",
    "clips": "clip lists",
    "qx_scores": "QXscores",
    "highlight_reels": "highlight reels",
}


class Screen(Watcher):
    """Shows a load on a terminal, or in a log."""

    def __init__(self, console: Console, watching: bool = False) -> None:
        self.console = console
        self._watching = watching
        self._plan = Plan()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._said = time.monotonic()
        self._wait = ""

    # -- before ----------------------------------------------------------------------

    def planned(self, plan: Plan) -> None:
        """Says what is due and how long it takes."""
        self._plan = plan
        self._began = self._said = time.monotonic()
        quiet = self._watching and not plan.requests
        if not quiet:
            self.console.print(f"[bold]Plan[/]  {_tests(plan)}. {_due(plan)}", soft_wrap=True)
        if plan.requests and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}", style="dim"),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("Loading", total=plan.requests, left="")
            self._bar.start()

    # -- meanwhile ---------------------------------------------------------------------

    def progressed(self, tally: Tally, requests: int) -> None:  # noqa: ARG002 - the base class's signature
        """Moves the bar; elsewhere says a line now and then."""
        self._wait = ""
        self._draw(tally)

    def waits(self, seconds: float) -> None:
        """Shows that nothing is sent for a while."""
        if seconds >= 1:
            self._wait = f"waiting {seconds:.0f} s for the API"
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, left=self._wait)

    def blocked(self, reason: str) -> None:
        """Says, once in a while, why the warehouse does not take the data yet."""
        if time.monotonic() - self._said >= 10 or self._said == self._began:
            self._said = time.monotonic()
            line = f"[yellow]Waiting:[/] {reason}. Close it there; it is tried again for two minutes."
            self.console.print(line, soft_wrap=True)

    def _draw(self, tally: Tally) -> None:
        done = sum(count for (name, _), count in tally.asked.items() if name in PER_SESSION)
        due = max(sum(n for (name, _), n in tally.due.items() if name in PER_SESSION), done, 1)
        left = self._left(due - done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=due, left=self._wait or left)
        elif time.monotonic() - self._said >= PLAIN_EVERY_S:
            self._said = time.monotonic()
            failed = f", {len(tally.failed)} failed" if tally.failed else ""
            self.console.print(f"  {done} of {due} requests answered{failed}, {left}")

    def _left(self, requests: int) -> str:
        if not self._plan.rate_limit:
            return ""
        return f"about {_duration(requests / self._plan.rate_limit * self._plan.rate_period)} left"

    # -- after ------------------------------------------------------------------------

    def polled(self, summary: Summary) -> None:
        """Shows what was loaded, what waits, what failed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        if self._watching and not (summary.rows or summary.tally.failed or summary.error):
            self.console.print(f"{_clock()}  no news ({_plural(summary.requests, 'request')})", style="dim")
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
            cues = f"{_plural(dropped.total(), 'cue')} of {_plural(len(dropped), 'transcript')}"
            self._lines("Note", [f"{cues} could not be read; the WebVTT is kept in transcript_vtt."], "yellow")

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """Says why a poll of a watch failed, and when the next one comes."""
        line = f"[red]{type(error).__name__}[/]  {escape(str(error))} Tried again in {_duration(seconds)}."
        self.console.print(f"{_clock()}  {line}", soft_wrap=True)

    def _lines(self, word: str, lines: list[str], style: str) -> None:
        for line in lines[:SHOWN]:
            self.console.print(f"[{style}]{word}:[/] ", end="")
            self.console.print(line, markup=False, soft_wrap=True)
        if len(lines) > SHOWN:
            self.console.print(f"  and {len(lines) - SHOWN} more: see table load_issues")


def _tests(plan: Plan) -> str:
    line = _plural(plan.tests, "test")
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
    line = f"To load: {what}. That is {most}{_plural(plan.requests, 'request')}"
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
    spent = f"{_plural(summary.requests, 'request')} in {_duration(summary.seconds)}"
    waiting = sum(summary.tally.waiting.values())
    later = f" {waiting} not there yet, asked for again later." if waiting else ""
    lost = _given_up(summary.tally)
    if summary.error is not None:
        return f"[red]Stopped[/] after {spent}.{lost}"
    if summary.stopped and summary.left:
        left = f"about {_plural(summary.left, 'request')} left for the next run"
        return f"[yellow]Stopped as asked[/] after {spent}; {left}.{later}{lost}"
    if summary.tally.failed:
        return f"[yellow]Loaded, with {len(summary.tally.failed)} failed[/], {spent}.{later}{lost}"
    if lost:
        return f"[yellow]Loaded, but not all[/], {spent}.{later}{lost}"
    if not summary.rows:
        return f"[green]Nothing new[/], {spent}.{later}"
    return f"[green]All loaded[/], {spent}.{later}"


def _given_up(tally: Tally) -> str:
    lost = [_plural(count, WHAT.get(name, name).removesuffix("s")) for name, count in tally.given_up.items() if count]
    return f" {', '.join(lost)} given up: never came; see load_issues." if lost else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
