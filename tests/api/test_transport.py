"""How a request goes: bounded in time whatever the other side does, ended by a stop, and each attempt counted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.clocks import clock_of
from usertesting_source.api.auth import Bearer, TokenUrl
from usertesting_source.api.client import ResultsApi
from usertesting_source.api.clock import Clock
from usertesting_source.api.quota import Quota
from usertesting_source.api.transport import Knobs
from usertesting_source.errors import ApiUnavailable, Interrupted, ServerError
from usertesting_source.sample_api import Request, SampleApi, simple_study
from usertesting_source.stop import Stop

STUDY = simple_study(n=5)
SESSION = STUDY.sessions[0].session_id
KNOBS = Knobs(grace_s=0.2, backoff_s=0.01)


@pytest.fixture
def api() -> Iterator[SampleApi]:
    with SampleApi([STUDY], rate_limit=None) as api:
        yield api


def results_of(api: SampleApi, stop: Stop | None = None, knobs: Knobs = KNOBS, base_url: str = "") -> ResultsApi:
    """The API with credentials that renew themselves, and without a quota."""
    clock, base_url = clock_of(stop or Stop()), base_url or api.base_url
    quota = Quota("", 0, 60.0, clock=clock)
    buy = TokenUrl(api.token_url, api.client_id, api.client_secret, "studies:read", quota, knobs)
    return ResultsApi(base_url, Bearer(base_url, buy), quota, knobs)


@contextmanager
def full() -> Iterator[str]:
    """The address of a host that takes no more connections, and refuses none."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


# -- too slow --------------------------------------------------------------------------


def test_a_trickling_body_is_left(api: SampleApi) -> None:
    """After the time for an answer, though bytes still come; it is not asked for again now."""
    api.faults.trickle = {SESSION}
    results = results_of(api, knobs=replace(KNOBS, answer_s=0.5))
    with pytest.raises(ServerError, match=rf"details of session {SESSION} is not complete within 0\.5 s.*again later"):
        results.session_details(SESSION)
    assert api.count("details") == 1
    assert results.session_details(STUDY.sessions[1].session_id)
    deadline = time.monotonic() + 10
    while any(thread.name == "usertesting-request" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "its connection is not closed"
        time.sleep(0.05)


def test_a_trickling_token_url_is_unavailable(api: SampleApi) -> None:
    """It has as long as the API."""
    api.faults.trickle = {"token"}
    with pytest.raises(ApiUnavailable, match=r"token URL .* cannot be reached .not complete within 0\.5 s"):
        results_of(api, knobs=replace(KNOBS, answer_s=0.5)).session_details(SESSION)
    assert (api.count("token"), api.count()) == (1, 0)


def test_an_api_that_says_nothing_is_asked_again(api: SampleApi) -> None:
    """As after a broken connection."""
    api.faults.silent = {SESSION}
    with pytest.raises(ServerError, match=r"broke while reading .* .ReadTimeout., again after retries"):
        results_of(api, knobs=replace(KNOBS, silence_s=0.1, attempts=3)).session_details(SESSION)
    assert api.count("details", 0) == 3


def test_a_host_that_takes_no_connection_cannot_be_reached(api: SampleApi) -> None:
    """It is not waited for as long as for an answer."""
    with full() as base_url, pytest.raises(ApiUnavailable, match=f"{base_url} cannot be reached .ConnectTimeout"):
        results_of(api, knobs=replace(KNOBS, connect_s=0.2, attempts=2), base_url=base_url).session_details(SESSION)


# -- a stop ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["trickle", "silent"])
@pytest.mark.parametrize("where", ["details", "token"])
def test_a_stop_ends_what_is_under_way(api: SampleApi, fault: str, where: str) -> None:
    """In the middle of a body, or before an answer begins; of the API, or of the token URL."""
    stop = Stop()
    setattr(api.faults, fault, {where})
    threading.Timer(0.3, stop.ask).start()
    with pytest.raises(Interrupted):
        results_of(api, stop).session_details(SESSION)
    assert stop.asked
    assert (api.count("token"), api.count("details")) == (1, int(where == "details"))


def test_a_stop_ends_a_connect_that_hangs(api: SampleApi) -> None:
    """Where nobody answers at all."""
    stop = Stop()
    threading.Timer(0.3, stop.ask).start()
    with full() as base_url, pytest.raises(Interrupted):
        results_of(api, stop, base_url=base_url).session_details(SESSION)


def test_what_was_paid_for_is_used_when_it_comes_in_time(api: SampleApi) -> None:
    """The request under way has a moment to end; nothing more is sent."""
    stop = Stop()

    def on_request(request: Request) -> None:
        if request.endpoint == "details":
            stop.ask()
            time.sleep(0.3)

    api.faults.on_request = on_request
    results = results_of(api, stop, replace(KNOBS, grace_s=30))
    assert results.session_details(SESSION)["sessionId"] == SESSION
    with pytest.raises(Interrupted):
        results.session_details(SESSION)
    assert api.count("details") == results.requests_sent == 1


# -- attempts --------------------------------------------------------------------------


def test_every_attempt_takes_a_place_in_the_quota(api: SampleApi, tmp_path: Path) -> None:
    """Refusals, retries, renewals: four requests for one answer, and the fifth place is the last."""
    waits: list[float] = []
    clock = Clock(wait=lambda seconds: waits.append(seconds) or seconds > 10)  # type: ignore[func-returns-value] # a log
    quota = Quota("client", 5, 60.0, tmp_path, clock)
    bearer = Bearer(api.base_url, lambda: (api.access_token(), 3600.0))
    results = ResultsApi(api.base_url, bearer, quota, KNOBS)
    bearer.token()
    api.revoke_tokens()
    api.faults.outage = 2
    assert results.session_details(SESSION)["sessionId"] == SESSION
    assert [request.status for request in api.requests()] == [401, 503, 503, 200]
    results.session_details(SESSION)
    with pytest.raises(Interrupted):
        results.session_details(SESSION)
    assert results.requests_sent == api.count() == 5
    assert waits[:2] == [0.01, 0.02]


def test_an_attempt_after_a_long_wait_has_a_new_token(api: SampleApi) -> None:
    """Not the one that the first attempt was signed with."""
    now = [0.0]

    def wait(_seconds: float) -> bool:
        api.revoke_tokens()
        now[0] += 3500
        return False

    clock = Clock(lambda: now[0], wait)
    bearer = Bearer(api.base_url, lambda: (api.access_token(), 3600.0), now=clock.now)
    api.faults.outage = 1
    ResultsApi(api.base_url, bearer, Quota("", 0, 60.0, clock=clock), KNOBS).session_details(SESSION)
    assert [request.status for request in api.requests()] == [503, 200]


def test_knobs_are_turned_by_dlts_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of its own client."""
    for key, value in {"TIMEOUT": "7", "MAX_ATTEMPTS": "3", "BACKOFF_FACTOR": "2", "MAX_RETRY_DELAY": "30"}.items():
        monkeypatch.setenv(f"RUNTIME__REQUEST_{key}", value)
    assert Knobs.configured() == Knobs(silence_s=7, attempts=3, backoff_s=2, longest_backoff_s=30)
