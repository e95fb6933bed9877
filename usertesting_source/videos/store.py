"""
Signed URL -> object storage: every video streamed, measured and hashed, several at a time.

The API is asked in the caller's thread, and only when a download slot is free; the transfers run in threads
of their own. So the API's quota holds no transfer up, and a transfer neither spends nor holds the quota.
A signed URL is a secret: it lives in a transfer while that runs, and reaches no message, log or file.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from ..errors import ApiError, ConfigurationError, DownloadError, Interrupted
from .bucket import Bucket
from .transfer import THREADS, Problem, StoredVideo, Transfer, Verdict, hide_signed_urls

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec ships no types

__all__ = ["Downloads", "StoredVideo", "VideoJob", "VideoStore"]

_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
TICK_S = 0.1
END_S = 10.0  # a stop is to work within 15 s


@dataclass(frozen=True)
class VideoJob:
    """
    One video to store.

    Attributes:
        ask_url: asks the API for the session's signed URL (`GET .../videoDownloadUrl`, one request). Called
            in the thread that iterates, when a slot is free, and again when the URL has expired.

    """

    test_id: str
    session_id: str
    ask_url: Callable[[], str]


T = TypeVar("T")
Job = TypeVar("Job", bound=VideoJob)
Result: TypeAlias = "tuple[Job, StoredVideo | DownloadError | ApiError]"


class VideoStore:
    """
    The videos under one bucket URL, as `<bucket>/<test_id>/<session_id>.mp4`.

    Opening the bucket (and resolving its credentials) waits until it is used.

    Args:
        bucket_url: an fsspec URL or a local folder, the key `video_bucket_url`.
        concurrency: how many downloads run at a time, the key `video_concurrency`.
        filesystem: used instead of one that is opened by dlt's configuration.
        timeout: seconds to connect, and to wait for the next bytes.
        attempts: how often a broken download is started, and how often an expired URL is asked for.
        backoff: seconds before a broken download starts again, doubled each time.
        stop: asked often, from several threads; once it is true no download begins and the running ones end.

    """

    def __init__(
        self,
        bucket_url: str,
        concurrency: int = 3,
        filesystem: AbstractFileSystem | None = None,
        *,
        timeout: tuple[float, float] = (10.0, 60.0),
        attempts: int = 3,
        backoff: float = 1.0,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        if concurrency < 1:
            raise ConfigurationError(f"video_concurrency: {concurrency} is no number of downloads; use 1 or more")
        self.concurrency, self.attempts, self.stop = concurrency, attempts, stop
        self._bucket_url, self._filesystem = bucket_url, filesystem
        self._timeout, self._backoff = timeout, backoff
        self._bucket: Bucket | None = None
        hide_signed_urls()

    def check(self) -> None:
        """
        Try the bucket with a small file, before the API is asked for anything.

        Raises:
            ConfigurationError: when it cannot be opened, written, listed or cleaned up.

        """
        self._bucket = None
        self.open_bucket()

    def download(self, test_id: str, session_id: str, ask_url: Callable[[], str]) -> StoredVideo:
        """
        Store one video and wait for it.

        Raises:
            DownloadError: when it could not be stored whole; nothing is there under its name then.
            ConfigurationError: when the bucket cannot be used.
            Interrupted: when a stop is asked for.

        """
        with closing(self.download_all([VideoJob(test_id, session_id, ask_url)])) as results:
            outcome = next((result[1] for result in results if result), None)
        if outcome is None:
            raise Interrupted(f"The video of session {session_id} was not stored: a stop was asked for")
        if isinstance(outcome, StoredVideo):
            return outcome
        raise outcome

    def download_all(self, jobs: Iterable[Job | None]) -> Generator[Result[Job] | None, None, None]:
        """
        Store many videos; yields each job with its result, in the order of completion.

        `jobs` may be lazy: the next one is taken when a slot is free; None in it stands for "not yet". A
        result is the stored video, or the `DownloadError` or `ApiError` that concerns this job alone. None is
        yielded while nothing can be started and nothing is complete: hand it on to dlt, which then turns to
        other resources. After a stop (also when `ask_url` raises `Interrupted`) the iteration ends early, and
        jobs that were not yielded are still due. Closing the generator aborts what runs.

        A file that is there already with the size that the storage announces is not transferred; its SHA-256
        is computed by reading it from the bucket.

        Raises:
            ConfigurationError: when the bucket cannot be used.
            Exception: whatever else `jobs` or `ask_url` raises, after the running downloads were yielded.

        """
        with closing(Downloads[Job](self)) as downloads:
            yield from downloads.results(jobs)

    def open_bucket(self) -> Bucket:
        """The bucket, tried once."""
        if self._bucket is None:
            bucket = Bucket(self._bucket_url, self._filesystem)
            bucket.check()
            self._bucket = bucket
        return self._bucket

    def doubt_bucket(self) -> None:
        """Have the bucket tried again before the API is asked for the next video."""
        self._bucket = None

    def transfer(self, bucket: Bucket, job: VideoJob) -> Transfer:
        return Transfer(
            bucket,
            job.test_id,
            job.session_id,
            timeout=self._timeout,
            attempts=self.attempts,
            backoff=self._backoff,
            stopped=self.stop,
        )


@dataclass
class _Task(Generic[Job]):
    job: Job
    transfer: Transfer
    asked: int = 0


class Downloads(Generic[Job]):
    """
    Videos on their way into a store, as many at a time as it allows.

    A job that `results` takes stays here until it is handed back with its result, whoever iterates then: who leaves an
    iteration in the middle leaves the transfers running, and the next iteration yields what has completed meanwhile.
    `close` ends them; what was not handed back by then is still due.

    The threads are daemons: one that hangs (a host that says nothing at all) keeps neither a stop nor the process from
    its end for long, and finds out that it was aborted when it comes back.
    """

    def __init__(self, store: VideoStore) -> None:
        self._store = store
        self._running: dict[Future[StoredVideo | Problem], _Task[Job]] = {}
        self._expired: deque[_Task[Job]] = deque()
        self._complete: deque[Result[Job]] = deque()
        self._is_fed = False
        self._is_interrupted = False
        self._failure: Exception | None = None

    @property
    def jobs(self) -> list[Job]:
        """What was taken and not handed back yet."""
        tasks = (*self._running.values(), *self._expired)
        return [*(task.job for task in tasks), *(job for job, _ in self._complete)]

    def results(
        self, jobs: Iterable[Job | None], patience: Callable[[], float] = lambda: TICK_S
    ) -> Generator[Result[Job] | None, None, None]:
        """
        Takes `jobs` and yields results, those of jobs that were taken earlier too; see `VideoStore.download_all`.

        Args:
            jobs: taken one by one, each when a slot is free.
            patience: how many seconds to wait for a transfer, when there is nothing else to do, before yielding None.

        """
        feed, self._is_fed, self._failure = iter(jobs), True, None
        while not self._is_stopped() and (self._running or self._complete or self._may_begin()):
            self._collect()
            if self._complete:
                yield self._complete.popleft()
            elif not self._may_begin() or len(self._running) >= self._store.concurrency:
                wait(self._running, patience(), FIRST_COMPLETED)
                yield None
            elif not self._begin(feed):
                yield None
        self.close()
        while self._complete:
            if isinstance((result := self._complete.popleft())[1], StoredVideo):
                yield result
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends what runs; nothing of it stays behind."""
        for task in self._running.values():
            task.transfer.abort()
        wait(self._running, END_S)
        self._collect()
        self._running.clear()

    def _is_stopped(self) -> bool:
        return self._is_interrupted or self._store.stop()

    def _may_begin(self) -> bool:
        return self._failure is None and (bool(self._expired) or self._is_fed)

    def _collect(self) -> None:
        for future in [future for future in self._running if future.done()]:
            self._settle(self._running.pop(future), future.result())

    def _settle(self, task: _Task[Job], outcome: StoredVideo | Problem) -> None:
        if isinstance(outcome, StoredVideo):
            self._complete.append((task.job, outcome))
            return
        if outcome.verdict is Verdict.STOPPED:
            return
        if outcome.verdict is Verdict.EXPIRED and task.asked < self._store.attempts:
            self._expired.append(task)
            return
        if outcome.verdict is Verdict.REFUSED:
            self._store.doubt_bucket()
        self._complete.append((task.job, _download_error(task.job, outcome)))

    def _begin(self, feed: Iterator[Job | None]) -> bool:
        """Whether a job was there: its download has begun, or it has its result already."""
        try:
            if task := self._next(feed):
                self._start(task)
                return True
        except Interrupted:
            self._is_interrupted = True
        except Exception as error:  # noqa: BLE001 - raised again once the running downloads are in
            self._failure = error
        return False

    def _next(self, feed: Iterator[Job | None]) -> _Task[Job] | None:
        bucket = self._store.open_bucket()
        if self._expired:
            return self._expired.popleft()
        try:
            job = next(feed)
        except StopIteration:
            self._is_fed = False
            return None
        return _Task(job, self._store.transfer(bucket, job)) if job else None

    def _start(self, task: _Task[Job]) -> None:
        job = task.job
        if not (_SAFE_ID.fullmatch(job.test_id) and _SAFE_ID.fullmatch(job.session_id)):
            unsafe = Problem(Verdict.LOST, f"its ids ({job.test_id!r} is the test's) make no safe file name")
            self._complete.append((job, _download_error(job, unsafe)))
            return
        task.asked += 1
        try:
            task.transfer.url = job.ask_url()
        except ApiError as error:
            self._complete.append((job, error))
            return
        self._running[_in_thread(task.transfer.run)] = task


def _in_thread(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    Thread(target=lambda: future.set_result(work()), name=THREADS, daemon=True).start()
    return future


_REMEDIES = {
    Verdict.AGAIN: "The next run tries again; if it fails each time, look at the network and the proxy",
    Verdict.EXPIRED: "Fresh addresses were refused as well: look at this machine's clock and its proxy",
    Verdict.LOST: "The next run asks for a new address; if it fails again, ask UserTesting's support",
    Verdict.REFUSED: "Check the bucket: its space, its rules and the rights of the credentials",
}


def _download_error(job: VideoJob, problem: Problem) -> DownloadError:
    # Made from our own words, and not raised from the worker's exception, which knows the signed URL.
    remedy = _REMEDIES[problem.verdict]
    return DownloadError(f"The video of session {job.session_id} was not stored: {problem.text}. {remedy}")
