"""Between the walk through the tests and the store of videos: which to download next, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ApiError, DownloadError, Interrupted
from ..sync.again import Due
from ..tables.rows import video_row
from ..videos.store import TICK_S, Downloads, VideoJob
from ..videos.transfer import StoredVideo
from .per_session import PerSession
from .poll import Poll
from .visits import Visit

NAME = "session_videos"
TURN_S = 0.01  # as dlt itself waits when no resource has anything


@dataclass(frozen=True)
class Asked(VideoJob):
    """A video that was handed to the store: which session it is of, and how its test was found then."""

    visit: Visit
    due: Due


class Videos:
    """
    The videos of one load package: asks for the next ones, and takes in what is stored.

    The downloads themselves belong to the poll. A package is committed without those that are still on their way; the
    next one takes them up, with the state that dlt gives it, and settles them. The poll is over when none is left.

    Args:
        walk: through the sessions, in this package.
        poll: shared with the other resources.

    """

    def __init__(self, walk: PerSession, poll: Poll) -> None:
        self._walk = walk
        self._poll = poll
        self._downloads: Downloads[Asked] = poll.downloads
        self._taken_up = {job.session_id: walk.take_up(job.visit, job.due) for job in self._downloads.jobs}

    def rows(self) -> Iterator[dict[str, Any] | None]:
        """A row per stored video, its state moved before; None when there is none yet, so that others have a turn."""
        results = self._downloads.results(self._jobs(), self._patience)
        while True:
            result = None
            with self._poll.guard():
                try:
                    result = next(results)
                except StopIteration:
                    self._walk.finish()
                    return
            yield self._settle(*result) if result else None
            if result is None and self._is_enough():
                self._walk.visits.cut()
                return

    def _is_enough(self) -> bool:
        """Whether the package is to be committed without what is on its way."""
        package = self._poll.package
        if self._poll.is_ended or not self._downloads.jobs:
            return False  # then the results end by themselves
        return self._poll.is_to_be_committed or package.is_full(NAME) or package.is_kept_open_by(NAME)

    def _patience(self) -> float:
        return TICK_S if self._poll.package.is_left_to(NAME) else TURN_S

    def _jobs(self) -> Iterator[Asked | None]:
        for turn in self._walk.due():
            yield self._job(*turn) if turn else None

    def _job(self, visit: Visit, due: Due) -> Asked:
        return Asked(visit.test.test_id, due.session_id, lambda: self._url(due.session_id), visit, due)

    def _url(self, session_id: str) -> str:
        with self._poll.guard():
            return self._poll.api.video_url(session_id)
        raise Interrupted("the poll ends, and with it all downloads")

    def _settle(self, job: Asked, result: StoredVideo | DownloadError | ApiError) -> dict[str, Any] | None:
        """The row of a stored video; None for one that failed, which is noted."""
        visit = self._taken_up.pop(job.session_id, job.visit)
        if isinstance(result, StoredVideo):
            self._walk.done(visit, job.due)
            return video_row(**asdict(result), finish_time=visit.finish_time(job.due))
        with self._poll.guard():
            self._walk.failed(visit, job.due, result)
        return None
