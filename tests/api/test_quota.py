"""The request budget: never over the limit, shared by processes and threads, corrected by what the API says."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

import usertesting_source
from tests.support.clocks import clock_of
from usertesting_source.api.auth import Bearer
from usertesting_source.api.client import ResultsApi
from usertesting_source.api.clock import Clock
from usertesting_source.api.quota import Quota
from usertesting_source.errors import ConfigurationError, Interrupted
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.stop import Stop

PERIOD = 60.0
WINDOW = PERIOD * 1.02
STUDY = simple_study(n=10)
SESSIONS = [session.session_id for session in STUDY.sessions]


class Machine:
    """A machine's clock, whose waits take no time; remembers them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.clock = Clock(lambda: self.now, self.wait)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return False

    def until_sent(self, quota: Quota) -> float:
        """Sends, and says how long it waited."""
        before = self.now
        quota.acquire()
        return self.now - before


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def quota_of(machine: Machine, tmp_path: Path) -> Callable[..., Quota]:
    """A quota of 10 per 60 s on the machine of this test; each one as a process of its own would have it."""

    def make(limit: int = 10, period: float = PERIOD, name: str = "client") -> Quota:
        return Quota(name, limit, period, tmp_path / "shared", machine.clock)

    return make


def most_in(period: float, times: list[float]) -> int:
    """The largest number of `times` within any `period`."""
    return max((sum(start <= moment < start + period for moment in times) for start in times), default=0)


def arrivals(api: SampleApi) -> list[float]:
    """When requests reached the API."""
    return sorted(request.at for request in api.requests())


def client(api: SampleApi, quota: Quota) -> ResultsApi:
    """The API with a ready token."""
    return ResultsApi(api.base_url, Bearer(api.base_url, token=api.access_token()), quota)


# -- one process ------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 40)), min_size=1, max_size=30),
)
def test_no_window_ever_holds_more_than_the_limit(limit: int, gaps: list[tuple[int, float]]) -> None:
    """However three processes take turns, and whatever the pauses between their requests."""
    machine, sent = Machine(), []
    with TemporaryDirectory() as folder:
        quotas = [Quota("n", limit, PERIOD, Path(folder), machine.clock) for _ in range(3)]
        for who, pause in gaps:
            machine.now += pause
            quotas[who].acquire()
            sent.append(machine.now)
        del quotas
    assert most_in(PERIOD, sent) <= limit


def test_sixty_requests_take_little_more_than_the_least_time(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """Ten go at once; the rest takes five periods, 2 % for clocks, and few wake-ups."""
    quota, began = quota_of(), machine.now
    for _ in range(60):
        quota.acquire()
    assert 5 * PERIOD <= machine.now - began <= 5 * (WINDOW + 0.5)
    assert len(machine.waits) <= 10


def test_a_limit_of_zero_waits_for_a_429_alone_and_makes_no_file(machine: Machine, tmp_path: Path) -> None:
    """What the API has left is not our matter then; a refusal is."""
    quota = Quota("client", 0, PERIOD, tmp_path / "shared", machine.clock)
    quota.learn(200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "60"})
    assert [machine.until_sent(quota) for _ in range(50)] == [0.0] * 50
    quota.learn(429, {"Retry-After": "7"})
    assert 7 <= machine.until_sent(quota) <= 8
    assert machine.until_sent(quota) == 0.0
    assert not (tmp_path / "shared").exists()


def test_setting_the_wall_clock_changes_nothing(tmp_path: Path) -> None:
    """A jump by a day, forwards or backwards, neither empties the window nor locks it."""
    waits: list[float] = []

    def stop(seconds: float) -> bool:
        waits.append(seconds)
        return True

    quota = Quota("client", 2, PERIOD, tmp_path, Clock(wait=stop))
    quota.acquire()
    quota.acquire()
    for days in (1, -1):
        with (
            time_machine.travel(datetime.now(timezone.utc) + timedelta(days=days)),
            pytest.raises(Interrupted),
        ):
            quota.acquire()
    assert all(PERIOD - 10 < seconds < WINDOW + 1 for seconds in waits)


def test_a_restarted_machine_waits_for_one_window_at_most(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """Its clock begins anew, so entries of the last start lie far ahead; the window is taken as full."""
    machine.now = 900_000.0
    quota_of().acquire()
    machine.now = 20.0
    assert WINDOW <= machine.until_sent(quota_of()) <= WINDOW + 1
    assert [machine.until_sent(quota_of()) for _ in range(9)] == [0.0] * 9


# -- what the API says ---------------------------------------------------------------


def http_date(seconds: float) -> str:
    return format_datetime(datetime(2026, 1, 31, 8, tzinfo=timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "7", "x-ratelimit-reset": "40"}, 7),
        ({"Retry-After": "3600"}, 300),
        ({"Retry-After": "0"}, 60),
        ({"Retry-After": http_date(25), "Date": http_date(0)}, 25),
        ({"Retry-After": http_date(-25), "Date": http_date(0), "x-ratelimit-reset": "9"}, 9),
        ({"Retry-After": "soon", "x-ratelimit-reset": "9"}, 9),
        ({"Retry-After": "Thu, 99 Foo"}, 60),
        ({"x-ratelimit-reset": "33"}, 33),
        ({"x-ratelimit-reset": "-5"}, 60),
        ({"x-ratelimit-reset": "nan"}, 60),
        ({"x-ratelimit-reset": "86400"}, 60),
    ],
)
def test_a_429_is_waited_for_as_long_as_it_says(
    machine: Machine, quota_of: Callable[..., Quota], headers: dict[str, str], seconds: float
) -> None:
    """Retry-After counts first (seconds or a date by the server's clock), then the reset header, then the period."""
    quota = quota_of()
    quota.learn(429, headers)
    assert seconds <= machine.until_sent(quota_of()) <= seconds + 1


def test_a_reset_header_that_is_a_date_is_understood(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """Documented as seconds that remain; seconds since 1970 would mean the same moment."""
    quota = quota_of()
    quota.learn(429, {"x-ratelimit-reset": str(time.time() + 20)})
    assert 19 <= machine.until_sent(quota) <= 21


def test_what_was_sent_before_a_429_still_counts_after_it(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """Waiting a second as told does not make room for ten more requests."""
    quota, sent = quota_of(), []
    for number in range(20):
        if number == 9:
            quota.learn(429, {"Retry-After": "1"})
        quota.acquire()
        sent.append(machine.now)
    assert most_in(PERIOD, sent) <= 10


@pytest.mark.parametrize("reset", ["12", "600", "", "x"])
def test_requests_of_others_leave_less_for_us(machine: Machine, quota_of: Callable[..., Quota], reset: str) -> None:
    """The API has 3 left: 3 go at once, the fourth when its period ends, which is never longer than ours."""
    quota = quota_of()
    quota.acquire()
    quota.learn(200, {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "3", "x-ratelimit-reset": reset})
    assert [machine.until_sent(quota) for _ in range(3)] == [0.0] * 3
    ends = 12.0 if reset == "12" else PERIOD
    assert ends <= machine.until_sent(quota) <= ends + 1


def test_a_lower_limit_of_the_api_is_kept(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """None of 5 left means none, though our limit is 10."""
    quota = quota_of()
    for _ in range(5):
        quota.acquire()
    quota.learn(200, {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"})
    assert 30 <= machine.until_sent(quota) <= 31


def test_a_higher_limit_of_the_api_is_not_used(machine: Machine, quota_of: Callable[..., Quota]) -> None:
    """Who sets a lower limit leaves the rest to other programs."""
    quota = quota_of(limit=2)
    quota.acquire()
    quota.learn(200, {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "60"})
    assert machine.until_sent(quota) == 0.0
    assert machine.until_sent(quota) >= PERIOD


@pytest.mark.parametrize("remaining", ["-1", "many", "", "nan", "inf", "10", "1e300", "10.0"])
def test_headers_that_make_no_sense_change_nothing(
    machine: Machine, quota_of: Callable[..., Quota], remaining: str
) -> None:
    """All ten requests go at once."""
    quota = quota_of()
    quota.learn(200, {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": "soon"})
    assert [machine.until_sent(quota) for _ in range(10)] == [0.0] * 10


# -- what is shared ------------------------------------------------------------------


def test_processes_with_different_limits_count_the_same_requests(
    machine: Machine, quota_of: Callable[..., Quota]
) -> None:
    """Five of ten sent: a process that may send five has to wait, another one with ten need not."""
    ten, five = quota_of(10), quota_of(5)
    for _ in range(5):
        ten.acquire()
    assert machine.until_sent(ten) == 0.0
    assert machine.until_sent(five) >= PERIOD


@pytest.mark.parametrize("other", [{"name": "another client"}, {"period": 30.0}])
def test_other_credentials_and_periods_have_a_budget_of_their_own(
    machine: Machine, quota_of: Callable[..., Quota], other: dict[str, object]
) -> None:
    """A file is not mixed up with another's."""
    quota = quota_of()
    for _ in range(10):
        quota.acquire()
    assert machine.until_sent(quota_of(**other)) == 0.0
    assert machine.until_sent(quota_of()) >= PERIOD


def test_the_file_is_in_the_users_folder_and_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of XDG_STATE_HOME, or in the home; the client id is in no file name and no file."""
    for folder in (tmp_path / "state", tmp_path / "home" / ".local" / "state"):
        Quota("https://api.example secret-client-id", 10, PERIOD).acquire()
        files = list((folder / "usertesting").iterdir())
        assert any(file.suffix == ".sqlite" for file in files)
        assert not any("secret-client-id" in file.name or b"secret-client-id" in file.read_bytes() for file in files)
        monkeypatch.setenv("XDG_STATE_HOME", "not/a/full/path")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_user_without_a_home_shares_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a home that is not there, and cannot be made."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    Quota("client", 10, PERIOD).acquire()
    assert len(list((tmp_path / "temporary").glob("usertesting-*/quota_*.sqlite"))) == 1


RUN = """
import sys
from usertesting_source import usertesting_source
from usertesting_source.api.client import connect
from usertesting_source.api.clock import Clock
from usertesting_source.errors import Interrupted
api = connect(usertesting_source().poll.settings, Clock(wait=lambda seconds: True))
try:
    for _ in range(4):
        api.session_details(sys.argv[1])
except Interrupted:
    print("has to wait")
"""


@pytest.mark.parametrize("quota_dir", [None, "shared"])
def test_runs_share_a_budget_whatever_folder_dlt_has(tmp_path: Path, quota_dir: str | None) -> None:
    """Airflow gives each run a DLT_DATA_DIR of its own: two processes, four requests each, five allowed in all."""
    with SampleApi([STUDY], rate_limit=5) as api:
        section = "SOURCES__USERTESTING__"
        settings = {"TEST_IDS": STUDY.test_id, "BASE_URL": api.base_url, "RATE_LIMIT": "5"}
        settings["CREDENTIALS__ACCESS_TOKEN"] = api.access_token()
        if quota_dir:
            settings["QUOTA_DIR"] = str(tmp_path / quota_dir)
        path = os.pathsep.join([str(Path(usertesting_source.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, **{section + key: value for key, value in settings.items()}}
        said = [
            subprocess.run(
                [sys.executable, "-c", RUN, SESSIONS[0]],
                env={**env, "DLT_DATA_DIR": str(tmp_path / folder)},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            for folder in ("one", "another")
        ]
        assert said == ["", "has to wait\n"]
        assert (api.count("details", 200), api.count()) == (5, 5)
    assert len(list((tmp_path / (quota_dir or "state/usertesting")).glob("quota_*.sqlite"))) == 1


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A damaged one, or a folder that cannot be made: the message names the file and the remedy."""
    Quota("client", 10, PERIOD, tmp_path)
    (file,) = tmp_path.glob("*.sqlite")
    for leftover in tmp_path.glob("*.sqlite-*"):
        leftover.unlink()
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigurationError, match=f"{file}.*delete it"):
        Quota("client", 10, PERIOD, tmp_path)
    with pytest.raises(ConfigurationError, match=r"sources\.usertesting\.quota_dir"):
        Quota("client", 10, PERIOD, file / "folder")


def test_nothing_is_locked_while_a_request_waits(tmp_path: Path) -> None:
    """Another process can use the file in the meantime."""
    other, served = Quota("client", 1, PERIOD, tmp_path), []

    def use() -> None:
        other.learn(429, {})
        served.append(True)

    def wait(_seconds: float) -> bool:
        thread = threading.Thread(target=use, daemon=True)
        thread.start()
        thread.join(5)
        return True

    quota = Quota("client", 1, PERIOD, tmp_path, Clock(wait=wait))
    quota.acquire()
    with pytest.raises(Interrupted):
        quota.acquire()
    assert served == [True]


def test_a_stop_ends_a_wait_at_once(tmp_path: Path) -> None:
    """A minute's wait ends within a moment, and nothing is counted for it."""
    stop = Stop()
    quota = Quota("client", 1, PERIOD, tmp_path, clock_of(stop))
    quota.acquire()
    threading.Timer(0.1, stop.ask).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        quota.acquire()
    assert time.monotonic() - began < 2
    with sqlite3.connect(next(tmp_path.glob("*.sqlite"))) as database:
        assert database.execute("select count(*) from places").fetchone() == (1,)
    database.close()


# -- turns ---------------------------------------------------------------------------


class Process:
    """One of those that share a budget: asks to send, and runs no further than to its next wait until it is woken."""

    def __init__(self, machine: Machine, folder: Path, limit: int) -> None:
        self.sent: list[float] = []
        self.wakes: float | None = None
        self.stop = False
        self._machine = machine
        self._quota = Quota("n", limit, PERIOD, folder, Clock(lambda: machine.now, self._wait))
        self._go, self._rests = threading.Semaphore(0), threading.Semaphore(0)

    def ask(self) -> None:
        """Asks for a place, and sends if there is one now."""
        threading.Thread(target=self._run, daemon=True).start()
        assert self._rests.acquire(timeout=30)

    def wake(self) -> None:
        """Looks whether its moment has come."""
        self._go.release()
        assert self._rests.acquire(timeout=30)

    def _wait(self, seconds: float) -> bool:
        self.wakes = self._machine.now + seconds
        self._rests.release()
        self._go.acquire()
        return self.stop

    def _run(self) -> None:
        self.wakes = None
        try:
            self._quota.acquire()
            self.sent.append(self._machine.now)
        except Interrupted:
            pass
        self.wakes = None
        self._rests.release()


@settings(max_examples=10, deadline=None)
@given(limit=st.integers(1, 4), seed=st.integers(0, 1000))
def test_who_asks_first_sends_first(limit: int, seed: int) -> None:
    """Whoever wakes first when a moment has come, and however late; and the budget is kept."""
    machine, chance, asked = Machine(), Random(seed), []
    with TemporaryDirectory() as folder:
        processes = [Process(machine, Path(folder), limit) for _ in range(3)]
        while sum(len(process.sent) for process in processes) < 12:
            for process in chance.sample(processes, 3):
                if process.wakes is None:
                    asked.append((process, len(process.sent)))
                    process.ask()
                elif process.wakes <= machine.now:
                    process.wake()
            machine.now = min(process.wakes or machine.now for process in processes) + chance.uniform(0, 3)
    sent = [process.sent[number] for process, number in asked if len(process.sent) > number]
    assert sent == sorted(sent)
    assert most_in(PERIOD, sent) <= limit


def test_who_is_killed_while_it_waits_costs_the_others_its_place(machine: Machine, tmp_path: Path) -> None:
    """One request less, at its moment; then the turns go on."""
    first, killed, last = (Process(machine, tmp_path, 1) for _ in range(3))
    for process in (first, killed, last):
        process.ask()
    assert (first.sent, killed.sent, last.sent) == ([machine.now], [], [])
    assert killed.wakes == pytest.approx(machine.now + WINDOW, abs=0.1)
    assert last.wakes == pytest.approx(machine.now + 2 * WINDOW, abs=0.1)
    machine.now = last.wakes or 0
    last.wake()
    assert last.sent == [machine.now]


def test_who_stops_gives_its_place_back(machine: Machine, tmp_path: Path) -> None:
    """The next one has it."""
    first, stopped, last = (Process(machine, tmp_path, 1) for _ in range(3))
    first.ask()
    stopped.ask()
    moment, stopped.stop = stopped.wakes, True
    stopped.wake()
    last.ask()
    assert (stopped.sent, last.wakes) == ([], moment)


def test_a_refusal_moves_the_whole_line(machine: Machine, tmp_path: Path) -> None:
    """What was planned before the API said 429 waits too, in the same order."""
    first, second, third = (Process(machine, tmp_path, 1) for _ in range(3))
    for process in (first, second, third):
        process.ask()
    Quota("n", 1, PERIOD, tmp_path, machine.clock).learn(429, {"Retry-After": "200"})
    machine.now += 3 * WINDOW
    third.wake()
    second.wake()
    assert (second.sent, third.sent) == ([], [])
    assert 200 - 3 * WINDOW <= (second.wakes or 0) - machine.now <= 201 - 3 * WINDOW
    machine.now = second.wakes or 0
    third.wake()
    second.wake()
    assert (second.sent, third.sent) == ([machine.now], [])
    assert (third.wakes or 0) >= machine.now + PERIOD


# -- over HTTP -----------------------------------------------------------------------


def test_threads_share_one_budget(tmp_path: Path) -> None:
    """Eight threads send 30 requests; the API refuses none of them."""
    with SampleApi([STUDY], rate_limit=10, rate_period=0.5) as api:
        results = client(api, Quota("client", 10, 0.5, tmp_path))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(results.session_details, SESSIONS * 3))
        assert (api.count(status=200), api.count()) == (30, 30)
        assert results.requests_sent == 30


def test_a_client_that_we_do_not_see_costs_us_nothing_but_time(tmp_path: Path) -> None:
    """It takes 7 of 10 places in each period: we learn it from the headers, are refused never, and lose nothing."""
    with SampleApi([STUDY], rate_limit=10, rate_period=0.6) as api:
        results = client(api, Quota("client", 10, 0.6, tmp_path))
        for _ in range(2):
            api.consume_quota(7)
            assert [results.session_details(item)["sessionId"] for item in SESSIONS[:3]] == SESSIONS[:3]
            time.sleep(0.8)  # the reset header counts whole seconds
        assert (api.count(status=200), api.count(status=429)) == (6, 0)


@pytest.mark.parametrize("told", [True, False])
def test_a_storm_of_429_is_sat_out(tmp_path: Path, told: bool) -> None:
    """With Retry-After as told, without for a period; then the answer is there."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        time.sleep(seconds)
        return False

    with SampleApi([STUDY], rate_limit=None, retry_after=told) as api:
        api.faults.storm = 1
        results = client(api, Quota("client", 10, 0.3, tmp_path, Clock(wait=wait)))
        assert results.session_details(SESSIONS[0])["sessionId"] == SESSIONS[0]
        assert api.count(status=429) == 1
    (seconds,) = waits
    assert (0.9 if told else 0.2) < seconds < (1.2 if told else 0.5)


WORKERS = """
import os
import sys
from pathlib import Path
from usertesting_source.api.client import ResultsApi
from usertesting_source.api.auth import Bearer
from usertesting_source.api.quota import Quota
base_url, token, folder, period, *session_ids = sys.argv[1:]
for session_id in session_ids:
    if os.fork() == 0:
        api = ResultsApi(base_url, Bearer(base_url, token=token), Quota("client", 10, float(period), Path(folder)))
        while True:
            api.session_details(session_id)
os.wait()
"""


@contextmanager
def workers(api: SampleApi, folder: Path, sessions: list[str], period: float) -> Iterator[None]:
    """A process for each session, that asks for it again and again; killed in the end."""
    path = os.pathsep.join([str(Path(usertesting_source.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    running = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WORKERS,
            api.base_url,
            api.access_token(),
            str(folder),
            str(period),
            *sessions,
        ],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_processes_share_one_budget_and_survive_a_crash(tmp_path: Path) -> None:
    """Three stay under the limit together, no request is refused, all have turns; killed, they harm nobody."""
    period = 0.5
    with SampleApi([STUDY], rate_limit=10, rate_period=period) as api:
        with workers(api, tmp_path, SESSIONS[:3], period):
            deadline = time.monotonic() + 120
            while min((served := Counter(r.path for r in api.requests())).values(), default=0) < 5 or len(served) < 3:
                assert time.monotonic() < deadline, f"the workers are stuck: {served}"
                time.sleep(0.05)
        survivor = client(api, Quota("client", 10, period, tmp_path))
        assert survivor.session_details(SESSIONS[4])["sessionId"] == SESSIONS[4]
        assert api.count(status=429) == 0
        assert most_in(period, arrivals(api)) <= 10
