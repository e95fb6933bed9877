"""
`load`: runs a source to its end, in small load packages, and keeps the promises of the README.

Extract is all or nothing in dlt: an error in hour three would throw away three hours of requests. So the same source is
run again and again, each time for a few sessions; state and rows of each package are committed together.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import dlt
from dlt.common.exceptions import SignalReceivedException
from dlt.extract.exceptions import ResourceExtractionError
from dlt.pipeline.exceptions import PipelineStepFailed
from filelock import FileLock, Timeout

from .errors import (
    AnotherRunIsActive,
    ApiUnavailable,
    DestinationError,
    DestinationLocked,
    UserTestingError,
)
from .plan import Plan, foresee
from .poll import Poll, Stop, Tally, Wishes
from .source import UserTestingSource
from .views import create_views

CHUNK = 25
LOCK_PATIENCE_S = 120.0
LOCKED = ("Could not set lock", "Conflicting lock", "being used by another process")


class Watcher:
    """Is told what happens; override what you want to show."""

    def planned(self, plan: Plan) -> None:
        """The plan is known, as far as it can be."""

    def progressed(self, tally: Tally, requests: int) -> None:
        """An item was fetched, or failed."""

    def waits(self, seconds: float) -> None:
        """Nothing is sent for so long: the quota is used up."""

    def committed(self, rows: Counter[str]) -> None:
        """A load package is in the warehouse."""

    def blocked(self, reason: str) -> None:
        """The destination is busy; it is tried again."""

    def polled(self, summary: Summary) -> None:
        """One look at all tests has ended."""


@dataclass
class Summary:
    """
    What a run did.

    Attributes:
        rows: rows loaded, by table.
        requests: sent to the API, retries included.
        left: items known to be due and not loaded.
        stopped: a stop was asked for.
        error: what ended the run early, besides a stop.

    """

    rows: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    packages: int = 0
    seconds: float = 0.0
    left: int = 0
    stopped: bool = False
    tally: Tally = field(default_factory=Tally)
    error: UserTestingError | None = None

    @property
    def exit_code(self) -> int:
        """0 all loaded, 1 stopped by an error, 3 something failed in this run, 4 stopped by request with work left."""
        if self.error is not None:
            return 1
        if self.stopped and self.left:
            return 4
        return 3 if self.tally.failed else 0


def load(
    pipeline: dlt.Pipeline,
    source: UserTestingSource,
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
) -> Summary:
    """
    Loads all that is due, `chunk` sessions a load package.

    A package left over from an earlier failure is finished first. SIGINT and SIGTERM (on the main thread) stop the run
    after committing what was fetched.

    Args:
        pipeline: any dlt pipeline; its name and dataset keep the state.
        source: `usertesting_source(...)`, or a clone of it with fewer resources.
        chunk: sessions of each resource in a load package.
        full: load everything anew; rows are replaced, not doubled.
        since: only sessions that finished since; the others stay due.
        session_ids: only these sessions, whatever is loaded already.
        max_minutes: stop after so long.
        watch_minutes: poll so often until stopped.
        watcher: is told what happens.
        stop: asks for a stop from outside.
        raise_errors: False: an error that ends the run is in the summary instead.

    Raises:
        AnotherRunIsActive: the same pipeline runs on this machine already.
        CredentialsError, ApiUnavailable, DestinationError, StateError: see `errors`.

    """
    source = cast("UserTestingSource", source.with_resources(*source.selected_resources))
    run = _Run(pipeline, source, chunk, watcher or Watcher(), stop or Stop())
    since_ms = None if since is None else round(since.timestamp() * 1000)
    wishes = Wishes(full, since_ms, frozenset(s.lower() for s in session_ids))
    if max_minutes is not None:
        run.stop.after(max_minutes * 60)
    with _run_lock(pipeline), _signals(run.stop), _own_signals(pipeline):
        summary = run.watch(wishes, watch_minutes) if watch_minutes else run.poll_once(wishes)
    if summary.error is not None and raise_errors:
        raise summary.error
    return summary


class _Run:
    """One call of `load`."""

    def __init__(
        self, pipeline: dlt.Pipeline, source: UserTestingSource, chunk: int, watcher: Watcher, stop: Stop
    ) -> None:
        self.pipeline = pipeline
        self.source = source
        self.chunk = chunk
        self.watcher = watcher
        self.stop = stop
        self.poll: Poll = source.poll
        self.poll.stop = stop
        self.poll.chunk = chunk
        self.poll.on_event = lambda _: watcher.progressed(self.poll.tally, self.poll.requests)
        self.poll.on_wait = watcher.waits

    def watch(self, wishes: Wishes, minutes: float) -> Summary:
        """Polls until stopped; an API that is away for a while, or a busy destination, is waited for."""
        while True:
            began = time.monotonic()
            summary = self.poll_once(wishes, max_age_s=minutes * 60)
            patient = isinstance(summary.error, (ApiUnavailable, DestinationLocked))
            if self.stop.asked or (summary.error is not None and not patient):
                return summary
            wishes = Wishes()
            if self.stop.wait(max(minutes * 60 - (time.monotonic() - began), 0.0)):
                summary.stopped = True
                return summary

    def poll_once(self, wishes: Wishes, max_age_s: float = float("inf")) -> Summary:
        """Looks at all tests once, and loads what is due."""
        summary, began = Summary(), time.monotonic()
        poll = self.poll
        poll.begin(wishes, held=True, max_age_s=max_age_s)
        sent_before = poll.requests
        try:
            self._finish_pending(summary)
            self._sync()
            self._plan()
            while self._package(summary):
                pass
            self._missing(wishes)
        except UserTestingError as error:
            summary.error = poll.error or error
        finally:
            poll.held = False
        summary.error = summary.error or poll.error
        summary.tally = poll.tally
        summary.requests = poll.requests - sent_before
        summary.stopped = self.stop.asked
        summary.left = self._left()
        summary.seconds = time.monotonic() - began
        self.watcher.polled(summary)
        return summary

    def _package(self, summary: Summary) -> bool:
        """Fills, and commits, one load package; True when there may be more to do."""
        poll = self.poll
        poll.begin_chunk()
        self.source.add_limit(self.chunk)
        with _destination_errors(self.pipeline):
            file_format = "parquet" if self.is_duckdb else None
            self.pipeline.extract(self.source, loader_file_format=file_format)  # type: ignore[arg-type] # None: the default
        self._commit(summary)
        finished = set(self.source.selected_resources) <= poll.finished
        return not (finished or self.stop.asked or poll.error)

    def _missing(self, wishes: Wishes) -> None:
        """Sessions that were asked for by name, and are listed nowhere."""
        for session_id in wishes.session_ids - {item for _, item in self.poll.served}:
            self.poll.fail(
                f"Session {session_id} is listed in none of the tests: check the id, and that its test is loaded."
            )

    def _finish_pending(self, summary: Summary) -> None:
        if self.pipeline.has_pending_data:
            self._commit(summary)

    def _commit(self, summary: Summary) -> None:
        """Normalises and loads what was extracted; a stop does not cut it short."""
        with _destination_errors(self.pipeline):
            normalized = self.pipeline.normalize()
            if not self.pipeline.has_pending_data:
                return
            self._wait_for_duckdb()
            self.pipeline.load()
            create_views(self.pipeline)
        rows = _own_rows(normalized)
        summary.rows.update(rows)
        summary.packages += 1
        self.watcher.committed(rows)

    def _sync(self) -> None:
        """Fetches the state from the destination, on a machine that has none or an older one."""
        with _destination_errors(self.pipeline):
            self._wait_for_duckdb()
            if self.pipeline.config.restore_from_destination:
                self.pipeline.sync_destination()

    def _plan(self) -> None:
        state = self.pipeline.state.get("sources", {}).get(self.source.name, {}).get("resources", {})
        try:
            self.watcher.planned(foresee(self.poll, self.source.selected_resources, state))
        except UserTestingError:
            if not self.stop.asked:
                raise

    def _left(self) -> int:
        """Items known to be due; an invocation that ended by itself has none."""
        if not (self.stop.asked or self.poll.error):
            return 0
        done = self.poll.tally.done
        due: Counter[str] = Counter()
        for (resource, _), count in self.poll.tally.due.items():
            due[resource] += count
        left = sum(max(count - done[resource], 0) for resource, count in due.items())
        unfinished = not set(self.source.selected_resources) <= self.poll.finished
        return max(left, int(unfinished))

    @property
    def is_duckdb(self) -> bool:
        """Whether the destination is DuckDB: parquet packages load twenty times faster there, and nowhere else."""
        return isinstance(self.pipeline.destination, dlt.destinations.duckdb)

    def _wait_for_duckdb(self) -> None:
        """A DuckDB file held by another program is waited for."""
        if not self.is_duckdb:
            return
        gives_up = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                with self.pipeline.sql_client():
                    return
            except Exception as error:
                if not any(sign in str(error) for sign in LOCKED):
                    raise
                if self.stop.asked or time.monotonic() >= gives_up:
                    raise
            self.watcher.blocked("another program holds the DuckDB file")
            self.stop.wait(1.0)


def _own_rows(normalized: Any) -> Counter[str]:
    """Rows by table, dlt's own tables left out."""
    counts = normalized.row_counts if normalized else {}
    return Counter({name: count for name, count in counts.items() if not name.startswith("_dlt") and count})


@contextmanager
def _destination_errors(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Turns what dlt raises into our errors: our own ones inside, a locked file, or else the destination's."""
    try:
        yield
    except UserTestingError:
        raise
    except Exception as error:
        if (own := _find(error, UserTestingError)) is not None:
            raise own from None
        if _find(error, (ResourceExtractionError, SignalReceivedException)) is not None:
            raise
        text = _root(error)
        if any(sign in text for sign in LOCKED):
            raise DestinationLocked(
                f"Another program holds the DuckDB file of pipeline `{pipeline.pipeline_name}`: close it there (a"
                f" notebook, a DuckDB shell, another load) and run again. Nothing is lost. DuckDB says: {text[:300]}"
            ) from error
        step = error.step if isinstance(error, PipelineStepFailed) else "load"
        raise DestinationError(
            f"The destination of pipeline `{pipeline.pipeline_name}` fails in step {step}: {text[:500]} What was"
            " fetched is kept, and finished first by the next run."
        ) from error


def _find(error: BaseException | None, kind: Any) -> Any:
    """The first exception of a kind in a chain of causes."""
    while error is not None and not isinstance(error, kind):
        error = getattr(error, "exception", None) or error.__cause__ or error.__context__
    return error


def _root(error: BaseException) -> str:
    inner: Any = getattr(error, "exception", None)
    return _root(inner) if isinstance(inner, BaseException) else f"{type(error).__name__}: {error}"


@contextmanager
def _run_lock(pipeline: dlt.Pipeline) -> Iterator[None]:
    """One run per pipeline and machine."""
    folder = Path(pipeline.pipelines_dir)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{pipeline.pipeline_name}.usertesting.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise AnotherRunIsActive(
            f"Pipeline `{pipeline.pipeline_name}` is running on this machine already; this run has nothing to do."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks for a stop, the second one does what it always did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def handle(number: int, _frame: object) -> None:
        stop.ask()
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = cast("Any", signal.signal(number, handle))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, cast("Any", handler))


@contextmanager
def _own_signals(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Keeps dlt from taking the signals in normalise and load: it would leave the package half way."""
    runtime = pipeline.runtime_config
    before = runtime.intercept_signals
    runtime.intercept_signals = False
    try:
        yield
    finally:
        runtime.intercept_signals = before
