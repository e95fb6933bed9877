"""What a scheduler, a monitor and a log hear of a load."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pytest_httpserver import HTTPServer

from tests.support.lab import CHEAP, Lab, ago, environment
from tests.support.postgres import server
from usertesting_source.cli.load import main
from usertesting_source.errors import (
    AnotherRunIsActive,
    ConfigurationError,
    CredentialsError,
    LoadIncomplete,
    LoadUnfinished,
)
from usertesting_source.outcome import Summary, Watcher
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.stop import Stop
from usertesting_source.watchers import Heartbeat, Watchers


@pytest.fixture
def api() -> Iterator[SampleApi]:
    """Three sessions, and no quota."""
    with SampleApi([simple_study(n=3, newest=ago(days=1))], rate_limit=None) as sample:
        yield sample


@pytest.fixture
def lab(api: SampleApi, tmp_path: Path) -> Lab:
    """Loads them."""
    return Lab(api, tmp_path, resources=CHEAP)


@pytest.fixture
def postgres_address(tmp_path: Path) -> Iterator[str]:
    """A real server."""
    with server(tmp_path / "pg") as address:
        yield address


def test_a_summary_raises_what_a_scheduler_has_to_see(api: SampleApi, lab: Lab) -> None:
    """A stop with work left unless that is fine, what failed, what ended the run; nothing when all is loaded."""
    stop = Stop()
    api.faults.on_request = lambda request: stop.ask() if request.endpoint == "details" else None
    stopped = lab.load(stop=stop)
    with pytest.raises(LoadUnfinished, match="2 requests"):
        stopped.raise_for_status()
    stopped.raise_for_status(unfinished_ok=True)
    api.faults.on_request = None
    api.faults.status = {("details", session.session_id): 404 for session in api.state.listing(api.test_ids[0])[:1]}
    with pytest.raises(LoadIncomplete, match="404"):
        lab.load().raise_for_status(unfinished_ok=True)
    api.faults.clear()
    lab.load(full=True).raise_for_status()
    api.client_secret = "wrong"
    with pytest.raises(CredentialsError):
        lab.load().raise_for_status()


def test_a_run_can_leave_the_work_to_another_that_is_at_it(api: SampleApi, lab: Lab) -> None:
    """`if_running="skip"`: it sends nothing, and ends well as skipped; without it that is an error."""
    seen: list[Any] = []

    def meanwhile(_: object) -> None:
        api.faults.on_request = None
        seen.append(lab.load(if_running="skip", stop=Stop()))
        with pytest.raises(AnotherRunIsActive):
            lab.load(stop=Stop())

    api.faults.on_request = meanwhile
    lab.load()
    assert [(one.skipped, one.outcome, one.exit_code, one.requests) for one in seen] == [(True, "skipped", 0, 0)]
    seen[0].raise_for_status()
    with pytest.raises(ConfigurationError, match="if_running"):
        lab.load(if_running="maybe")


def test_an_exception_in_a_watcher_is_logged_and_the_load_goes_on(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """Once for each kind of news; the others are told all the same."""
    told: list[int] = []

    class Broken(Watcher):
        def progressed(self, _tally: object, _requests: int) -> None:
            raise ZeroDivisionError("mine")

        def committed(self, rows: Counter[str]) -> None:
            told.append(rows["session_details"])

    assert lab.load(watcher=Broken()).exit_code == 0
    assert told == [3]
    assert [record.message for record in caplog.records if record.exc_info] == [
        "The watcher Broken fails in progressed; the load goes on"
    ]


def test_load_logs_what_it_does(api: SampleApi, lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """Through the logger `usertesting_source`: plan, commits, outcome with all its numbers; an error as a warning."""
    with caplog.at_level(logging.INFO, "usertesting_source"):
        lab.load()
        api.client_secret = "wrong"
        lab.load()
    ours = [record for record in caplog.records if record.name == "usertesting_source"]
    lines = [record.getMessage() for record in ours]
    assert lines[0].startswith("Plan: 1 tests, 3 requests")
    assert "Committed" in lines[1]
    assert lines[2] == "loaded after 4 requests"
    assert ours[2].summary["rows"]["session_details"] == 3  # type: ignore[attr-defined] # an extra of the record
    assert (ours[-1].levelname, lines[-1].split()[0]) == ("WARNING", "error")


def test_where_dlt_logs_json_so_does_load(api: SampleApi, tmp_path: Path) -> None:
    """Each line of the log is an object, and the last one holds the summary."""
    code = (
        "import dlt; from usertesting_source import load, usertesting_source;"
        "load(dlt.pipeline('usertesting', destination=dlt.destinations.duckdb('x.duckdb'), dataset_name='usertesting'),"
        "usertesting_source())"
    )
    json_log = {"RUNTIME__LOG_FORMAT": "JSON", "RUNTIME__LOG_LEVEL": "INFO"}
    variables = {**os.environ, **environment(api), **json_log}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    objects = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")]
    (last,) = [one for one in objects if "summary" in one]
    assert last["logger"] == "usertesting_source"
    assert last["summary"]["outcome"] == "loaded"


def test_a_heartbeat_beats_after_good_polls_alone(
    api: SampleApi, lab: Lab, tmp_path: Path, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A file gets the time, a URL a GET; a monitor that is away is logged without its address, and changes nothing."""
    httpserver.expect_request("/ping").respond_with_data("OK")
    file, url = tmp_path / "alive", httpserver.url_for("/ping")
    beats = Watchers(Heartbeat(str(file)), Heartbeat(url), Heartbeat(httpserver.url_for("/secret")))
    assert lab.load(watcher=beats).exit_code == 0
    assert file.read_text().startswith("20")
    said = [record.getMessage() for record in caplog.records if record.name == "usertesting_source"]
    assert said == ["The heartbeat could not be sent: HTTPError 500"]
    file.unlink()
    api.client_secret = "wrong"
    assert lab.load(watcher=beats).exit_code == 1
    assert not file.exists()
    assert [request.path for request, _ in httpserver.log] == ["/ping", "/secret"]
    with pytest.raises(ConfigurationError, match="folder"):
        Heartbeat(str(tmp_path / "nowhere" / "alive"))


def test_the_summary_is_kept_in_a_file_whatever_happens(api: SampleApi, tmp_path: Path) -> None:
    """Loaded, nothing new, an error of the API, a setting that is wrong, a stop that is fine."""
    file = tmp_path / "summary.json"

    def run(*options: str, **settings: str | None) -> tuple[int, dict[str, Any]]:
        file.unlink(missing_ok=True)
        result = CliRunner().invoke(main, ("--summary-json", str(file), *options), env=environment(api, **settings))
        return result.exit_code, json.loads(file.read_text())

    code, loaded = run()
    assert (code, loaded["outcome"], loaded["rows"]["session_details"], loaded["left"]) == (0, "loaded", 3, 0)
    assert run()[1]["outcome"] == "nothing_new"
    code, wrong = run(CREDENTIALS__CLIENT_SECRET="wrong")
    assert (code, wrong["exit_code"], wrong["error"]["type"]) == (1, 1, "CredentialsError")
    code, mistaken = run(TEST_IDS="12345")
    assert (code, mistaken["outcome"], mistaken["error"]["type"]) == (1, "error", "ConfigurationError")
    assert run("--full", "--max-minutes", "0.00001")[0] == 4
    assert run("--full", "--max-minutes", "0.00001", "--unfinished-ok")[0] == 0
    assert list(tmp_path.glob(".summary*")) == []


def test_a_watch_says_why_a_poll_failed_and_when_it_tries_again(api: SampleApi, lab: Lab) -> None:
    """An API that is away is waited for, with its error each time."""
    why: list[str] = []

    class Why(Watcher):
        def retries(self, error: Exception, _seconds: float) -> None:
            why.append(str(error))
            api.faults.token_down = 0

        def polled(self, summary: Summary) -> None:
            if summary.error is None:
                stop.ask()

    stop = Stop()
    api.faults.token_down = 1000
    assert lab.load(watch_minutes=1e-3, watcher=Why(), stop=stop).exit_code == 0
    assert len(why) == 1
    assert "503" in why[0]


WATCH = ("--watch", "0.001")


def test_a_mistake_ends_a_watch_at_once(api: SampleApi, postgres_address: str) -> None:
    """No credentials, no such host, no such database, and a secret that is wrong are not waited out."""
    nowhere = postgres_address.replace("/postgres?", "/nowhere?")
    postgres = "postgresql://me:wrong@no-such-host.invalid:5432/none"
    for options, settings, said in (
        (("--destination", "postgres"), {"DESTINATION__POSTGRES__CREDENTIALS": postgres}, "no-such-host"),
        (("--destination", "postgres"), {}, "credentials"),
        (("--destination", "postgres"), {"DESTINATION__POSTGRES__CREDENTIALS": nowhere}, "does not exist"),
        ((), {"SOURCES__USERTESTING__CREDENTIALS__CLIENT_SECRET": "wrong"}, "401"),
    ):
        began = time.monotonic()
        result = CliRunner().invoke(main, (*WATCH, *options), env={**environment(api), **settings})
        assert result.exit_code == 1, result.output
        assert said in result.stderr
        assert time.monotonic() - began < 60


def test_a_hangup_stops_a_run_like_sigterm(api: SampleApi, lab: Lab) -> None:
    """A closed terminal costs nothing that was paid for; under nohup it changes nothing."""
    api.faults.on_request = lambda request: (
        os.kill(os.getpid(), signal.SIGHUP) if request.endpoint == "details" else None
    )
    summary = lab.load()
    assert (summary.exit_code, len(lab.ids("session_details"))) == (4, 1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert lab.load().exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)
