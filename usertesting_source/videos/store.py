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
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ApiError, ConfigurationError, DownloadError, Interrupted
from .bucket import Bucket
from .transfer import THREADS, Problem, StoredVideo, Transfer, Verdict, hide_signed_urls

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec ships no types

__all__ = ["StoredVideo", "VideoJob", "VideoStore"]

_SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_TICK = 0.1


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


Result: TypeAlias = tuple[VideoJob, "StoredVideo | DownloadError | ApiError"]


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

    def download_all(self, jobs: Iterable[VideoJob | None]) -> Generator[Result | None, None, None]:
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
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix=THREADS) as pool:
            slots = _Slots(self, pool, iter(jobs))
            try:
                yield from slots.results()
            finally:
                slots.abort()

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
class _Task:
    job: VideoJob
    transfer: Transfer
    asked: int = 0


class _Slots:
    """One call of `download_all`: what runs, what is to be asked for again, and what comes next."""

    def __init__(self, store: VideoStore, pool: ThreadPoolExecutor, jobs: Iterator[VideoJob | None]) -> None:
        self._store, self._pool, self._jobs = store, pool, jobs
        self._running: dict[Future[StoredVideo | Problem], _Task] = {}
        self._expired: deque[_Task] = deque()
        self._exhausted = False
        self._stopped = False
        self._failure: Exception | None = None

    def results(self) -> Iterator[Result | None]:
        while not self._stopping() and (self._running or self._may_begin()):
            completed = self._completed()
            yield from completed
            if self._may_begin() and len(self._running) < self._store.concurrency:
                running = len(self._running)
                unasked = self._begin()
                if unasked or len(self._running) == running:
                    yield unasked
            elif not completed:
                wait(self._running, _TICK, FIRST_COMPLETED)
                yield None
        self.abort()
        wait(self._running)
        yield from (result for result in self._completed() if isinstance(result[1], StoredVideo))
        if self._failure is not None:
            raise self._failure

    def abort(self) -> None:
        for task in self._running.values():
            task.transfer.abort()

    def _stopping(self) -> bool:
        return self._stopped or self._store.stop()

    def _may_begin(self) -> bool:
        return self._failure is None and (bool(self._expired) or not self._exhausted)

    def _completed(self) -> list[Result]:
        done = [future for future in self._running if future.done()]
        settled = [self._settle(self._running.pop(future), future.result()) for future in done]
        return [result for result in settled if result is not None]

    def _settle(self, task: _Task, outcome: StoredVideo | Problem) -> Result | None:
        if isinstance(outcome, StoredVideo):
            return task.job, outcome
        if outcome.verdict is Verdict.EXPIRED and task.asked < self._store.attempts:
            self._expired.append(task)
            return None
        if outcome.verdict is Verdict.REFUSED:
            self._store.doubt_bucket()
        return task.job, _download_error(task.job, outcome)

    def _begin(self) -> Result | None:
        """Start the next download; a result when there is none to start for the next job."""
        try:
            task = self._next()
            return self._start(task) if task else None
        except Interrupted:
            self._stopped = True
        except Exception as error:  # noqa: BLE001 - raised again once the running downloads are in
            self._failure = error
        return None

    def _next(self) -> _Task | None:
        bucket = self._store.open_bucket()
        if self._expired:
            return self._expired.popleft()
        try:
            job = next(self._jobs)
        except StopIteration:
            self._exhausted = True
            return None
        return _Task(job, self._store.transfer(bucket, job)) if job else None

    def _start(self, task: _Task) -> Result | None:
        job = task.job
        if not (_SAFE_ID.fullmatch(job.test_id) and _SAFE_ID.fullmatch(job.session_id)):
            unsafe = Problem(Verdict.LOST, f"its ids ({job.test_id!r} is the test's) make no safe file name")
            return job, _download_error(job, unsafe)
        task.asked += 1
        try:
            task.transfer.url = job.ask_url()
        except ApiError as error:
            return job, error
        self._running[self._pool.submit(task.transfer.run)] = task
        return None


_REMEDIES = {
    Verdict.AGAIN: "The next run tries again; if it fails each time, look at the network and the proxy",
    Verdict.EXPIRED: "Fresh addresses were refused as well: look at this machine's clock and its proxy",
    Verdict.LOST: "The next run asks for a new address; if it fails again, ask UserTesting's support",
    Verdict.REFUSED: "Check the bucket: its space, its rules and the rights of the credentials",
    Verdict.STOPPED: "The next run downloads it",
}


def _download_error(job: VideoJob, problem: Problem) -> DownloadError:
    # Made from our own words, and not raised from the worker's exception, which knows the signed URL.
    remedy = _REMEDIES[problem.verdict]
    return DownloadError(f"The video of session {job.session_id} was not stored: {problem.text}. {remedy}")
