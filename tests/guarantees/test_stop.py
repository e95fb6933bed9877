"""Asked to stop, a run commits what was fetched, says what is left, and the next one goes on exactly there."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.support import killer
from tests.support.lab import DETAILS, Lab, ago, all_ids
from usertesting_source.api.transport import Knobs
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import Request, SampleApi, simple_study
from usertesting_source.stop import Stop


def test_a_signal_while_sessions_are_fetched(tmp_path: Path) -> None:
    """The request under way is finished, and nothing more is asked for."""
    study = simple_study(n=30, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        before = signal.getsignal(signal.SIGINT)
        api.faults.on_request = lambda request: _at(request, api, 13, lambda: os.kill(os.getpid(), signal.SIGINT))
        summary = lab.load(chunk=10)
        assert (summary.exit_code, summary.left, summary.stopped) == (4, 17, True)
        assert len(lab.ids("session_details")) == api.count("details") == 13
        assert signal.getsignal(signal.SIGINT) == before
        api.faults.on_request = None
        assert lab.load(chunk=10).exit_code == 0
        assert sorted(lab.asked("details")) == lab.ids("session_details") == all_ids(api)


def _at(request: Request, api: SampleApi, count: int, act: Any) -> None:
    if request.endpoint == "details" and api.count("details") == count:
        act()


@pytest.mark.parametrize("step", ["normalize", "load"])
def test_a_signal_while_a_package_is_committed(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is brought to its end."""
    study = simple_study(n=30, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        original = getattr(dlt.Pipeline, step)

        def signalled(self: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(dlt.Pipeline, step, signalled)
        summary = lab.load(chunk=10)
        monkeypatch.undo()
        assert (summary.exit_code, summary.left, summary.packages) == (4, 20, 1)
        assert len(lab.ids("session_details")) == api.count("details") == 10
        assert lab.load().exit_code == 0
        assert sorted(lab.asked("details")) == lab.ids("session_details") == all_ids(api)


def test_max_minutes_ends_a_wait_for_the_quota(tmp_path: Path) -> None:
    """The time is over in the middle of a minute in which nothing may be sent."""
    study = simple_study(n=30, newest=ago(hours=1))
    with SampleApi([study], rate_limit=10, rate_period=60) as api:
        lab = Lab(api, tmp_path, resources=DETAILS, rate_limit=10, rate_period=60.0)
        summary = lab.load(max_minutes=2 / 60)
        assert (summary.exit_code, summary.left) == (4, 21)
        assert summary.seconds < 20
        assert len(lab.ids("session_details")) == api.count("details") == 9


@pytest.mark.parametrize(
    ("fault", "endpoint", "how"),
    [
        ("trickle", "details", "SIGTERM"),
        ("silent", "list", "SIGINT"),
        ("trickle", "token", "max_minutes"),
        ("silent", "video_url", "max_minutes"),
    ],
)
def test_a_stop_is_not_kept_waiting_by_an_api_that_is(
    tmp_path: Path, fault: str, endpoint: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of a byte a second, or no answer at all: what was loaded before is kept, and the next run goes on."""
    monkeypatch.setattr(Knobs, "configured", lambda: Knobs(grace_s=0.5))
    study = simple_study(n=6, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*DETAILS, "session_videos"], video_bucket_url=(tmp_path / "v").as_uri())
        at, asked = 3 if endpoint == "details" else 1, [time.monotonic() + 3]

        def interrupt() -> None:
            asked[0] = time.monotonic()
            os.kill(os.getpid(), getattr(signal, how))

        def on_request(request: Request) -> None:
            if request.endpoint == endpoint and api.count(endpoint) == at:
                getattr(api.faults, fault).add(endpoint)
                if how != "max_minutes":
                    threading.Timer(0.5, interrupt).start()

        api.faults.on_request = on_request
        summary = lab.load(max_minutes=3 / 60 if how == "max_minutes" else None)
        assert time.monotonic() - asked[0] < 15
        assert (summary.exit_code, summary.stopped, summary.error) == (4, True, None)
        api.faults.clear()
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == lab.ids("session_videos") == all_ids(api)


def test_a_stop_when_all_is_loaded_leaves_nothing(tmp_path: Path) -> None:
    """Also when something failed: that is exit code 3, and not 4."""
    study = simple_study(n=3, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=DETAILS), Stop()
        api.faults.status["details", study.sessions[0].session_id] = 404

        class Stopping(Watcher):
            def committed(self, _rows: Counter[str]) -> None:
                stop.ask()

        summary = lab.load(watcher=Stopping(), stop=stop)
        assert (summary.exit_code, summary.left) == (3, 0)


def test_a_stop_from_another_thread_ends_a_watch(tmp_path: Path) -> None:
    """As a scheduler does it, that runs a load in a thread; sessions are loaded while it watches."""
    study = simple_study(n=3, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab, stop, summaries = Lab(api, tmp_path, resources=DETAILS), Stop(), []
        polls = threading.Semaphore(0)

        class Polls(Watcher):
            def polled(self, _summary: object) -> None:
                polls.release()

        def watch() -> None:
            summaries.append(lab.load(watch_minutes=0.005, watcher=Polls(), stop=stop))

        thread = threading.Thread(target=watch)
        thread.start()
        assert polls.acquire(timeout=30)
        api.add_session(study.test_id)
        while api.count("details") < 4:
            assert polls.acquire(timeout=30)
        stop.ask()
        thread.join(30)
        assert summaries[0].exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_a_bare_machine_goes_on_where_the_other_stopped(tmp_path: Path) -> None:
    """The state is in the destination: a pipeline folder that is gone costs no request."""
    study = simple_study(n=30, newest=ago(hours=1), every=timedelta(days=3))
    with SampleApi([study], rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=["tests", "sessions", *DETAILS]), Stop()
        api.faults.on_request = lambda request: _at(request, api, 13, stop.ask)
        assert lab.load(chunk=10, stop=stop).exit_code == 4
        api.faults.on_request = None
        shutil.rmtree(tmp_path / "pipelines")
        assert lab.load(chunk=10).exit_code == 0
        assert sorted(lab.asked("details")) == lab.ids("session_details") == all_ids(api)
        assert lab.listed() == 2


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """As if nobody had listened for it; the next run is none the worse for it."""
    study = simple_study(n=10, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        job = killer.job_of(api, tmp_path, resources=DETAILS)
        process = killer.start(job)

        def signal_twice() -> None:
            os.kill(process.pid, signal.SIGINT)
            while not wait([process.sentinel], 0.2):  # two at the very same moment count as one
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

        api.faults.on_request = lambda request: _at(request, api, 5, signal_twice)
        process.join(30)
        assert process.exitcode == -signal.SIGTERM
        assert api.count("details") == 5
        api.faults.on_request = None
        assert killer.run(job)[0] == 0
        assert Lab(api, tmp_path).ids("session_details") == all_ids(api)
