"""
`load`: runs a source to its end, in small load packages, and keeps the promises of the README.

Extract is all or nothing in dlt: an error in hour three would throw away three hours of requests. So the same source is
run again and again, each time for a few sessions; state and rows of each package are committed together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone

import dlt
from dlt.extract import DltSource
from dlt.extract.items_transform import LimitItem

from .config import named_for
from .errors import (
    AnotherRunIsActive,
    ApiUnavailable,
    ConfigurationError,
    DestinationError,
    Interrupted,
    UserTestingError,
)
from .extract.plan import foresee
from .extract.poll import CHUNK
from .outcome import Summary, Watcher, Wishes
from .source import UserTestingSource
from .stop import Stop, asked_by_signals
from .warehouse import runs
from .warehouse.connection import is_mistaken, patience
from .warehouse.home import claimed, only_run, own_folder
from .warehouse.loaded import LoadedSessions
from .warehouse.packages import Packages, choose_format, destination_errors, own_signals
from .warehouse.snapshot import publish, withdraw
from .watchers import Log, Progress, Watchers, follow_dlt

PUBLISH_EVERY_S = 600.0
"""A backlog takes hours, and readers see what is there."""


def load(
    pipeline: dlt.Pipeline,
    source: DltSource,
    chunk: int = CHUNK,
    *,
    full: bool = False,
    since: datetime | None = None,
    session_ids: Iterable[str] = (),
    max_minutes: float | None = None,
    watch_minutes: float | None = None,
    watcher: Watcher | None = None,
    stop: Stop | None = None,
    raise_errors: bool = True,
    file_format: str | None = None,
    if_running: str = "raise",
) -> Summary:
    """
    Loads all that is due, in load packages: one whenever the quota makes it wait, or after 30 seconds of work.

    A package left over from an earlier failure is finished first. SIGINT, SIGTERM and SIGHUP (on the main thread) stop
    the run after committing what was fetched; a second one ends it at once. It is logged through
    `logging.getLogger("usertesting_source")`.

    Args:
        pipeline: any dlt pipeline; its name and dataset keep the state.
        source: `usertesting_source(...)`, or a clone of it with fewer resources.
        chunk: sessions of each resource in a load package, at most.
        full: load everything anew; rows are replaced, not doubled.
        since: only sessions that finished since; the others stay due.
        session_ids: only these sessions, whatever is loaded already.
        max_minutes: stop after so long.
        watch_minutes: poll so often until stopped.
        watcher: is told what happens; what fails in it is logged, and does not end the run.
        stop: asks for a stop from outside.
        file_format: of the load packages, for destinations that take several (parquet, jsonl, csv, insert_values).
        raise_errors: False: an error that ends the run is in the summary instead.
        if_running: "skip": when another run is at the same work, the summary is `skipped`; "raise": that is raised.

    Raises:
        AnotherRunIsActive: the same pipeline runs on this machine already, and `if_running` is "raise".
        ConfigurationError: `source` is something else, or limited by `add_limit`; the destination is one of files that
            would double; or `if_running` is something else.
        CredentialsError, ApiUnavailable, DestinationError, StateError: see `errors`.

    """
    own = source.with_resources(*source.selected_resources)  # a copy: what dlt notes on it is not the caller's
    if not isinstance(own, UserTestingSource):
        raise ConfigurationError(f"`load` is for sources made by usertesting_source(...); {source.name!r} is another.")
    _check_limits(own)
    if if_running not in ("raise", "skip"):
        raise ConfigurationError(f'if_running = {if_running!r}: it is "raise" or "skip".')
    choose_format(pipeline, own)
    since_ms = None if since is None else round(since.timestamp() * 1000)
    wishes = Wishes(full, since_ms, frozenset(s.lower() for s in session_ids))
    stop = stop or Stop()
    if max_minutes is not None:
        stop.after(max_minutes * 60)
    follow_dlt()
    watchers = Watchers(Log(), Progress(pipeline.collector), watcher or Watcher())
    run = _Run(own_folder(pipeline), own, chunk, watchers, stop, file_format)
    try:
        with asked_by_signals(stop):
            summary = run.alone(wishes, watch_minutes)
    except AnotherRunIsActive:
        if if_running == "raise":
            raise
        return Summary(skipped=True)
    if summary.error is not None and raise_errors:
        raise summary.error
    return summary


def _check_limits(source: DltSource) -> None:
    """Dlt's limit ends a package, after which `load` would begin the next one."""
    limited = [name for name, one in source.selected_resources.items() if one._pipe.find(LimitItem) >= 0]
    if limited:
        raise ConfigurationError(
            f"`load` takes all that is due, package after package, so it has no use for add_limit (on"
            f" {', '.join(limited)}): run pipeline.run(source) for a taste, or bound it by max_minutes or session_ids."
        )


def _passes(error: UserTestingError, has_worked: bool) -> bool:
    """Whether an error may be gone by the next poll, without anybody changing a setting."""
    return isinstance(error, (ApiUnavailable, DestinationError)) and not is_mistaken(error, has_worked)


class _Run:
    """One call of `load`."""

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        source: UserTestingSource,
        chunk: int,
        watcher: Watcher,
        stop: Stop,
        file_format: str | None,
    ) -> None:
        self._poll = poll = source.poll
        self._pipeline = pipeline
        self._refresh = pipeline.refresh
        self._packages = Packages(pipeline, source, watcher, stop, poll.fail, file_format)
        self._was_killed = False
        self._source = source
        self._watcher = watcher
        self._stop = stop
        self._has_finished = False
        self._published = time.monotonic()
        poll.hold(watcher, stop, chunk, LoadedSessions(lambda: pipeline, patience(lambda: stop.asked)))

    def alone(self, wishes: Wishes, watch_minutes: float | None) -> Summary:
        """The whole run; one that loads the same is told so."""
        settings = self._poll.settings
        what = json.dumps([sorted(settings.test_ids), sorted(settings.workspace_ids)])
        try:
            with claimed(self._pipeline, what):
                return self.watch(wishes, watch_minutes) if watch_minutes else self.poll_alone(wishes)
        except Interrupted:
            return Summary(stopped=True, left=1)
        finally:
            self._poll.release()
            self._pipeline.refresh = self._refresh

    def poll_alone(self, wishes: Wishes, max_age_s: float = float("inf")) -> Summary:
        """One look, while no other run loads into the dataset; between two looks of a watch others may."""
        with only_run(self._pipeline, self._waits_for_another) as was_killed, own_signals(self._pipeline):
            self._was_killed = was_killed
            return self.poll_once(wishes, max_age_s)

    def _waits_for_another(self) -> bool:
        self._watcher.blocked("another run loads other tests into the same dataset")
        return self._stop.wait(1.0)

    def watch(self, wishes: Wishes, minutes: float) -> Summary:
        """Polls until stopped; an API that is away for a while, or a busy destination, is waited for, a mistake not."""
        has_worked = False
        while True:
            began = time.monotonic()
            summary = self.poll_alone(wishes, max_age_s=minutes * 60)
            has_worked = has_worked or summary.error is None
            if self._stop.asked or (summary.error is not None and not _passes(summary.error, has_worked)):
                return summary
            if summary.error is None or set(self._source.selected_resources) <= self._poll.tally.forgotten:
                wishes = replace(wishes, full=False)  # all is due again, and stays so
            if summary.error is None:
                wishes = Wishes(since=wishes.since)
            pause = max(minutes * 60 - (time.monotonic() - began), 0.0)
            if summary.error is not None:
                self._watcher.retries(summary.error, pause)
            if self._stop.wait(pause):
                return replace(summary, stopped=True)

    def poll_once(self, wishes: Wishes, max_age_s: float = float("inf")) -> Summary:
        """Looks at all tests once, and loads what is due."""
        summary, poll, began = Summary(), self._poll, time.monotonic()
        poll.begin(wishes, max_age_s)
        sent_before, committed_before = poll.requests, self._packages.committed
        try:
            with named_for(poll.settings.section):
                summary.rows.update(self._packages.begin(self._was_killed))
                self._was_killed = False
                self._packages.check_tables()
                self._plan()
                if self._pipeline.refresh:
                    poll.known.forget()
                while self._package(summary):
                    pass
                self._name_missing(wishes)
        except UserTestingError as error:
            summary.error = error
        summary.error = poll.error or summary.error
        summary.tally = poll.tally
        summary.requests = poll.requests - sent_before
        summary.packages = self._packages.committed - committed_before
        summary.stopped = self._stop.asked
        summary.left = self._left()
        summary.seconds = time.monotonic() - began
        runs.tell(self._pipeline, summary, datetime.now(timezone.utc))
        if summary.packages or not summary.error:
            self._publish()
        self._watcher.polled(summary)
        return summary

    def _package(self, summary: Summary) -> bool:
        """Fills, and commits, one load package; True when there may be more to do."""
        self._poll.begin_package()
        self._packages.extract()
        summary.rows.update(self._packages.commit())
        if time.monotonic() - self._published > PUBLISH_EVERY_S:
            self._publish()
        return not (self._is_finished or self._stop.asked or self._poll.error)

    def _publish(self) -> None:
        """A copy for readers, of what is committed, whatever ended the run."""
        self._published = time.monotonic()
        renew = publish if self._poll.settings.snapshot else withdraw
        try:
            with destination_errors(self._pipeline):
                renew(self._pipeline)
        except UserTestingError as error:
            self._poll.fail(str(error))

    @property
    def _is_finished(self) -> bool:
        return set(self._source.selected_resources) <= self._poll.package.finished

    def _plan(self) -> None:
        try:
            state = self._packages.state()
            self._watcher.planned(foresee(self._poll, self._source.selected_resources, state))
        except UserTestingError:
            if not self._stop.asked:
                raise

    def _name_missing(self, wishes: Wishes) -> None:
        """Sessions that were asked for by name, and are listed nowhere."""
        if not self._is_finished:
            return
        for session_id in wishes.session_ids - self._poll.tally.found.keys():
            self._poll.fail(
                f"Session {session_id} is listed in none of the tests: check the id, and that its test is loaded."
            )

    def _left(self) -> int:
        """Items known to be due; before a first poll is complete, nobody knows that there are none."""
        self._has_finished = self._has_finished or self._is_finished
        if not (self._stop.asked or self._poll.error) or self._is_finished:
            return 0
        return max(self._poll.tally.left, int(not self._has_finished))
