"""Watchers that anybody may use: several at once, a log, a heartbeat for a monitor, a file for a scheduler."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import requests
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.runtime.collector_base import Collector
from dlt.common.runtime.json_logging import BaseJSONFormatter

from .errors import AnotherRunIsActive, ConfigurationError, UserTestingError
from .outcome import Plan, Summary, Tally, Watcher

PROGRESS_EVERY_S = 60.0
HEARTBEAT_TIMEOUT_S = 10.0

log = logging.getLogger("usertesting_source")


def follow_dlt() -> None:
    """Where dlt logs JSON (`log_format = "JSON"`), so does this package, unless its logger has a handler already."""
    dlt_log = logging.getLogger("dlt")
    handlers = [handler for handler in dlt_log.handlers if isinstance(handler.formatter, BaseJSONFormatter)]
    if log.handlers or not handlers:
        return
    log.handlers[:] = handlers
    log.setLevel(dlt_log.level)
    log.propagate = False


class Watchers(Watcher):
    """
    Tells each of several what happens.

    What fails in one of them is its own business: it is logged, once for each kind of news, and neither the others nor
    the load hear of it. An error of this package's tree does end the run: a watcher may ask for that.
    """

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers
        self._failed: set[tuple[int, str]] = set()

    def planned(self, plan: Plan) -> None:
        """The plan is known, as far as it can be."""
        self._tell("planned", lambda one: one.planned(plan))

    def progressed(self, tally: Tally, requests: int) -> None:
        """An item was fetched, or failed."""
        self._tell("progressed", lambda one: one.progressed(tally, requests))

    def waits(self, seconds: float) -> None:
        """Nothing is sent for so long: the quota is used up."""
        self._tell("waits", lambda one: one.waits(seconds))

    def committed(self, rows: Counter[str]) -> None:
        """A load package is in the warehouse."""
        self._tell("committed", lambda one: one.committed(rows))

    def blocked(self, reason: str) -> None:
        """The destination is busy; it is tried again."""
        self._tell("blocked", lambda one: one.blocked(reason))

    def polled(self, summary: Summary) -> None:
        """One look at all tests has ended."""
        self._tell("polled", lambda one: one.polled(summary))

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """A poll of a watch has failed, and the next one comes in so many seconds."""
        self._tell("retries", lambda one: one.retries(error, seconds))

    def _tell(self, news: str, tell: Callable[[Watcher], None]) -> None:
        for number, one in enumerate(self._watchers):
            try:
                tell(one)
            except UserTestingError:
                raise
            except Exception:
                if (number, news) not in self._failed:
                    self._failed.add((number, news))
                    log.exception("The watcher %s fails in %s; the load goes on", type(one).__name__, news)


class Log(Watcher):
    """Logs a load through `logging.getLogger("usertesting_source")`: a line for each commit, one a minute between."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def planned(self, plan: Plan) -> None:
        """What is due."""
        log.info("Plan: %s tests, %s requests, %.0f minutes", plan.tests, plan.requests, plan.minutes)

    def progressed(self, tally: Tally, requests: int) -> None:  # noqa: ARG002 - the base class's signature
        """How far it is."""
        if time.monotonic() - self._said >= PROGRESS_EVERY_S:
            self._said = time.monotonic()
            log.info("%s items loaded, %s left, %s failed", tally.done.total(), tally.left, len(tally.failed))

    def committed(self, rows: Counter[str]) -> None:
        """What is in the warehouse."""
        log.info("Committed %s rows", rows.total(), extra={"rows": dict(rows)})

    def blocked(self, reason: str) -> None:
        """Why the warehouse does not take the data."""
        log.warning("Waiting: %s", reason)

    def polled(self, summary: Summary) -> None:
        """How it ended."""
        level = logging.INFO if summary.exit_code in (0, 4) else logging.WARNING
        log.log(level, "%s after %s requests", summary.outcome, summary.requests, extra={"summary": summary.as_dict()})
        for line in summary.tally.failed:
            log.warning("Failed: %s", line)
        for line in summary.tally.warnings:
            log.warning("%s", line)

    def retries(self, error: UserTestingError, seconds: float) -> None:
        """Why a poll failed."""
        log.warning("%s: %s Tried again in %.0f s.", type(error).__name__, error, seconds)


class Heartbeat(Watcher):
    """
    Gives a sign of life after each poll that no error ended, for a monitor that raises an alarm when none comes.

    A session that fails alone is no reason for an alarm: exit code 3 and `load_issues` tell of it.

    Args:
        target: a file, into which the time is written; or a URL, which is asked for with GET.

    Raises:
        ConfigurationError: the folder of the file is not there.

    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._is_url = target.lower().startswith(("http://", "https://"))
        if not self._is_url and not Path(target).absolute().parent.is_dir():
            raise ConfigurationError(f"heartbeat = {target!r}: its folder is not there. Make it, or name another file.")

    def polled(self, summary: Summary) -> None:
        """Beats; a monitor that cannot be reached is logged, without its address, which is a secret."""
        if summary.error is not None:
            return
        try:
            if self._is_url:
                requests.get(self._target, timeout=HEARTBEAT_TIMEOUT_S).raise_for_status()
            else:
                Path(self._target).write_text(f"{_now()}\n", encoding="utf-8")
        except (OSError, requests.RequestException) as error:
            status = getattr(getattr(error, "response", None), "status_code", "")
            log.warning("The heartbeat could not be sent: %s %s", type(error).__name__, status)


class SummaryLines(Watcher):
    """
    Writes the summary of each poll as a line of JSON: `Summary.as_dict()`, and `ended_at`.

    Args:
        write: takes the text; default: standard output.

    """

    def __init__(self, write: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._write = write or _print
        self._is_written = False

    def polled(self, summary: Summary) -> None:
        """Writes it."""
        self._is_written = True
        self._write({**summary.as_dict(), "ended_at": _now()})

    @contextmanager
    def whatever_happens(self) -> Iterator[None]:
        """Writes it for a run that does not come to a poll as well: a setting is wrong, or another run is at it."""
        try:
            yield
        except AnotherRunIsActive:
            self.polled(Summary(skipped=True))
            raise
        except (UserTestingError, ConfigurationException) as error:
            if not self._is_written:
                known = error if isinstance(error, UserTestingError) else ConfigurationError(str(error))
                self.polled(Summary(error=known))
            raise


class SummaryFile(SummaryLines):
    """
    Keeps the summary of the newest poll in a file.

    Args:
        path: replaced as a whole, so that a reader never sees half of it.

    Raises:
        ConfigurationError: its folder is not there.

    """

    def __init__(self, path: str) -> None:
        super().__init__(self._keep)
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                f"summary_json = {path!r}: its folder is not there. Make it, or name another file."
            )

    def _keep(self, summary: dict[str, Any]) -> None:
        half = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        half.write_text(f"{json.dumps(summary, indent=2)}\n", encoding="utf-8")
        half.replace(self._path)


class Progress(Watcher):
    """
    Shows a load by dlt's own progress (`dlt.pipeline(..., progress="log")`): requests answered, of those that are due.

    Args:
        collector: the pipeline's.

    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._shown = 0

    def progressed(self, tally: Tally, requests: int) -> None:  # noqa: ARG002 - the base class's signature
        """Counts on."""
        asked = tally.asked_for
        if asked > self._shown:
            self._collector.update("Requests", inc=asked - self._shown, total=max(tally.due_in_all, asked))
            self._shown = asked


def logs_json() -> bool:
    """Whether dlt is set to log JSON, and so whoever reads the output is a program."""
    return str(dlt.config.get("runtime.log_format") or "").upper() == "JSON"


def _print(summary: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(summary)}\n")
    sys.stdout.flush()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
