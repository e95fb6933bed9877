"""Between the walk through the tests and the store of videos: which to download next, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..errors import ApiError, DownloadError
from ..sync.again import Due
from ..tables.rows import video_row
from ..videos.store import StoredVideo, VideoJob
from .per_session import PerSession
from .poll import Poll
from .visits import Visit


class Asked:
    """The videos that were handed to the store, and are not settled yet."""

    def __init__(self, walk: PerSession, poll: Poll) -> None:
        self._walk = walk
        self._poll = poll
        self._turns: dict[str, tuple[Visit, Due]] = {}
        self._settled = 0

    def jobs(self) -> Iterator[VideoJob]:
        """One after the other, each when the store has a slot free."""
        turns = self._walk.due()
        while self._fits():
            turn = next(turns, _END)
            if turn is _END:
                return
            if turn is not None:
                yield self._job(*turn)  # type: ignore[misc] # not _END
        self._walk.visits.cut()

    def _fits(self) -> bool:
        """Whether the load package takes another video, beside those that are still on their way."""
        return self._poll.package.takes(self._settled + len(self._turns))

    def _job(self, visit: Visit, due: Due) -> VideoJob:
        self._turns[due.session_id] = visit, due
        return VideoJob(visit.test.test_id, due.session_id, lambda: self._poll.api.video_url(due.session_id))

    def settle(self, job: VideoJob, result: StoredVideo | DownloadError | ApiError) -> dict[str, Any] | None:
        """The row of a stored video; None for one that failed, which is noted."""
        turn = self._turns.pop(job.session_id)
        self._settled += 1
        if isinstance(result, StoredVideo):
            self._walk.done(*turn)
            visit, due = turn
            return video_row(**asdict(result), finish_time=visit.finish_time(due))
        with self._poll.guard():
            self._walk.failed(*turn, result)
        return None


_END = object()
