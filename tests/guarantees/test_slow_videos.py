"""A download that takes long holds nothing else back, and is none the worse for what goes on beside it."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import killer
from tests.support.lab import Lab, ago, all_ids
from usertesting_source import load
from usertesting_source.errors import ApiUnavailable
from usertesting_source.extract import package
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.stop import Stop
from usertesting_source.videos.transfer import THREADS

RESOURCES = ["session_details", "session_videos"]
RATE = 10_000  # bytes a second, so 3 MB take five minutes
PATIENCE_S = 60.0  # then all videos are quick, and the test fails


@pytest.fixture(autouse=True)
def _quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "GRACE_S", 0.2)
    monkeypatch.setattr(package, "COMMIT_S", 1.0)
    monkeypatch.setattr(package, "LEAST_S", 1.0)


class Once(Watcher):
    """Acts when so many rows of the tables are committed."""

    def __init__(self, rows: dict[str, int], act: Callable[[], Any]) -> None:
        self.seen: Any = None
        self._act = act
        self._wanted = Counter(rows)
        self._rows: Counter[str] = Counter()

    def committed(self, rows: Counter[str]) -> None:
        self._rows += rows
        if self.seen is None and self._rows >= self._wanted:
            self.seen = self._act()


@contextmanager
def slow_video(sessions: int, **study: Any) -> Iterator[tuple[SampleApi, str]]:
    """A test of so many sessions, and which of them has a video that trickles: the one that is asked for first."""
    made = simple_study(n=sessions, newest=ago(days=1), **{"product_type": "THINK_OUT_LOUD", **study})
    with SampleApi([made], rate_limit=None, video_bytes=3_000_000) as api:
        slow = min(made.sessions, key=lambda session: session.finished).session_id
        api.faults.media_rate[slow] = RATE
        patience = threading.Timer(PATIENCE_S, api.faults.media_rate.clear)
        patience.start()
        yield api, slow
        patience.cancel()


def lab_of(api: SampleApi, folder: Path, **settings: Any) -> Lab:
    bucket = (folder / "videos").as_uri()
    return Lab(api, folder, **{"resources": RESOURCES, "video_bucket_url": bucket, **settings})


def files(folder: Path) -> dict[str, int]:
    """What is in the bucket: when each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "videos").rglob("*.*")}


def is_quiet() -> bool:
    """Whether no download runs any more; the threads have a moment to come to their ends."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS):
            thread.join(5)
            if thread.is_alive():
                return False
    return True


@pytest.mark.parametrize("is_parallel", [False, True])
def test_all_else_is_committed_while_a_video_trickles(tmp_path: Path, is_parallel: bool) -> None:
    """The run ends when the slow one is there too, and nothing was asked for twice."""
    with slow_video(9) as (api, slow):
        lab = lab_of(api, tmp_path)

        def look() -> Any:
            seen = lab.ids("session_details"), lab.ids("session_videos")
            api.faults.media_rate.clear()
            return seen

        once = Once({"session_details": 9, "session_videos": 8}, look)
        source = lab.source().parallelize() if is_parallel else lab.source()
        summary = load(lab.pipeline(), source, 3, watcher=once)
        assert once.seen == (all_ids(api), sorted(set(all_ids(api)) - {slow}))
        assert (summary.exit_code, summary.left) == (0, 0)
        assert lab.ids("session_details") == sorted(lab.asked("details")) == all_ids(api)
        assert lab.ids("session_videos") == sorted(lab.asked("video_url")) == all_ids(api)
        assert api.count("media") == 9
        assert is_quiet()


@pytest.mark.parametrize("while_waiting", [False, True])
def test_a_stop_ends_a_video_that_trickles(tmp_path: Path, while_waiting: bool) -> None:
    """At once, whether a package is committed just then or nothing else is left; it alone is due for the next run."""
    with slow_video(5) as (api, slow):
        lab, stop = lab_of(api, tmp_path), Stop()

        def act() -> None:
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start() if while_waiting else stop.ask()

        once = Once({"session_details": 5, "session_videos": 4}, act)
        summary = lab.load(chunk=2, watcher=once, stop=stop)
        assert api.faults.media_rate
        assert (summary.exit_code, summary.left, summary.stopped) == (4, 1, True)
        assert set(files(tmp_path)) == {f"{session_id}.mp4" for session_id in all_ids(api) if session_id != slow}
        assert is_quiet()
        api.faults.media_rate.clear()
        assert lab.load(chunk=2).exit_code == 0
        assert lab.ids("session_videos") == all_ids(api)
        assert sorted(lab.asked("video_url")) == sorted([*all_ids(api), slow])


class Kill(Once):
    """Ends the process, as nobody can prevent."""

    def __init__(self, rows: dict[str, int]) -> None:
        super().__init__(rows, _kill)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_after_a_kill_only_what_was_on_its_way_is_downloaded_again(tmp_path: Path) -> None:
    """What is committed is not asked for again, and what is stored stays as it is, even if it is not committed."""
    with slow_video(5) as (api, slow):
        lab = lab_of(api, tmp_path)
        job = killer.job_of(api, tmp_path, chunk=2, **lab.settings)
        kill = Kill({"session_details": 5, "session_videos": 1})
        assert killer.run(replace(job, options={"watcher": kill}))[0] == killer.KILLED
        stored = {name: at for name, at in files(tmp_path).items() if name.endswith(".mp4")}
        committed, before = lab.ids("session_videos"), len(lab.asked("video_url"))
        assert f"{slow}.mp4" not in stored
        api.faults.media_rate.clear()
        assert lab.load(chunk=2).exit_code == 0
        assert lab.ids("session_videos") == lab.ids("session_details") == all_ids(api)
        assert stored.items() <= files(tmp_path).items()
        assert set(files(tmp_path)) == {f"{session_id}.mp4" for session_id in all_ids(api)}
        assert committed
        assert not set(committed) & set(lab.asked("video_url")[before:])


def test_an_error_that_ends_the_run_ends_a_video_that_trickles(tmp_path: Path) -> None:
    """What was stored before is committed, and the next run loads the rest."""
    with slow_video(9) as (api, _):
        lab = lab_of(api, tmp_path)

        def fail() -> None:
            api.faults.token_down = math.inf
            api.revoke_tokens()

        summary = lab.load(chunk=3, watcher=Once({"session_details": 3}, fail))
        assert isinstance(summary.error, ApiUnavailable)
        assert api.faults.media_rate
        assert is_quiet()
        assert [f"{session_id}.mp4" for session_id in lab.ids("session_videos")] == sorted(files(tmp_path))
        api.faults.clear()
        assert lab.load().exit_code == 0
        assert lab.ids("session_videos") == lab.ids("session_details") == all_ids(api)


def test_what_a_slow_first_video_shows_is_acted_upon_in_the_same_run(tmp_path: Path) -> None:
    """The first video of a test of unknown kind may come packages later: then all others are due."""
    with slow_video(9, product_type=None, kind="THINK_OUT_LOUD") as (api, _):
        lab = lab_of(api, tmp_path)
        api.faults.media_rate.update(dict.fromkeys(all_ids(api), RATE))

        def look() -> list[str]:
            api.faults.media_rate.clear()
            return lab.asked("video_url")

        once = Once({"session_details": 9}, look)
        assert lab.load(watcher=once).exit_code == 0
        assert len(once.seen) == 3
        assert lab.ids("session_videos") == sorted(lab.asked("video_url")) == all_ids(api)


def test_news_is_loaded_while_a_video_trickles(tmp_path: Path) -> None:
    """A watch goes on looking."""
    with slow_video(3) as (api, slow):
        lab, stop = lab_of(api, tmp_path), Stop()

        class Watching(Watcher):
            seen: list[str] = []  # noqa: RUF012 - one of its kind

            def committed(self, _rows: Counter[str]) -> None:
                self.seen = lab.ids("session_details")
                if len(self.seen) == 3:
                    api.add_session(api.test_ids[0])
                if len(self.seen) == 4 and slow not in lab.ids("session_videos"):
                    stop.ask()

        watching = Watching()
        lab.load(watch_minutes=0.01, watcher=watching, stop=stop)
        assert api.faults.media_rate
        assert watching.seen == all_ids(api)


def test_a_plain_run_waits_for_its_videos(tmp_path: Path) -> None:
    """Nobody fills a next package that could take them in."""
    with slow_video(3) as (api, _):
        lab = lab_of(api, tmp_path)
        threading.Timer(2.0, api.faults.media_rate.clear).start()
        lab.pipeline().run(lab.source())
        assert lab.ids("session_videos") == sorted(lab.asked("video_url")) == all_ids(api)
        assert is_quiet()


def test_a_limit_ends_a_video_that_trickles(tmp_path: Path) -> None:
    """In a plain run; it is loaded by the next one."""
    with slow_video(6) as (api, slow):
        lab = lab_of(api, tmp_path, resources=["session_videos"])
        lab.pipeline().run(lab.source().add_limit(2))
        assert api.faults.media_rate
        assert is_quiet()
        assert slow not in lab.ids("session_videos")
        api.faults.media_rate.clear()
        assert lab.load().exit_code == 0
        assert lab.ids("session_videos") == all_ids(api)
