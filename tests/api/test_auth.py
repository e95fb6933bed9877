"""Credentials: renewed in time and once, refused with a remedy, and shown to nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import pytest
from requests import Request

from tests.support.clocks import clock_of
from usertesting_source.api.auth import Bearer, TokenUrl
from usertesting_source.api.quota import Quota
from usertesting_source.api.transport import Knobs
from usertesting_source.config import UserTestingCredentials
from usertesting_source.errors import ApiUnavailable, CredentialsError, Interrupted
from usertesting_source.sample_api import Request as Seen
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.sample_api.replies import Refused, Reply, as_json
from usertesting_source.source import UserTestingSource
from usertesting_source.stop import Stop

SourceOf = Callable[..., UserTestingSource]
STUDY = simple_study(n=10)
SESSIONS = [session.session_id for session in STUDY.sessions]


def answers(reply: Reply, endpoint: str = "token") -> Callable[[Seen], None]:
    """Answers every request to `endpoint` so."""

    def refuse(request: Seen) -> None:
        if request.endpoint == endpoint:
            raise Refused(reply)

    return refuse


def token_url(api: SampleApi, secret: str | None = None, stop: Stop | None = None, **options: Any) -> TokenUrl:
    """The token URL of a sample API, asked with retries."""
    options = {"client_id": api.client_id, "client_secret": secret or api.client_secret, **options}
    quota = Quota("", 0, 10.0, clock=clock_of(stop or Stop()))
    return TokenUrl(quota=quota, **{"url": api.token_url, "scope": "studies:read", **options})


# -- renewal -------------------------------------------------------------------------


def test_eight_threads_buy_one_token(source_of: SourceOf) -> None:
    """They all wait for the first."""
    with SampleApi([STUDY], rate_limit=None) as api:
        api.faults.latency = 0.05
        results = source_of(api).poll.api
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(results.session_details, SESSIONS[:8]))
        assert (api.count("token"), api.count("details", 200)) == (1, 8)


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(3600, 3300), (400, 300), (8, 6)])
def test_a_token_is_renewed_before_it_ends(lifetime: float, renewed_after: float) -> None:
    """Five minutes before, or a quarter of its life, if that is shorter."""
    now, bought = 50.0, iter("abc")
    bearer = Bearer("https://api.example", lambda: (next(bought), lifetime), now=lambda: now)
    assert bearer.token() == "a"
    now = 50.0 + renewed_after - 0.1
    assert bearer.token() == "a"
    now = 50.0 + renewed_after
    assert bearer.token() == "b"


def test_tokens_that_end_early_are_replaced(source_of: SourceOf) -> None:
    """Each works for 20 requests: 50 sessions cost two more tokens, and no session is lost."""
    with SampleApi([STUDY], rate_limit=None, token_requests=20) as api:
        results = source_of(api).poll.api
        assert [results.session_details(item)["sessionId"] for item in SESSIONS * 5] == SESSIONS * 5
        assert (api.count("token"), api.count("details", 401)) == (3, 2)


def test_a_revoked_token_is_replaced_once_for_all_threads(source_of: SourceOf) -> None:
    """Eight threads are refused together, one of them buys the new token."""
    with SampleApi([STUDY], rate_limit=None) as api:
        results = source_of(api).poll.api
        results.session_details(SESSIONS[0])
        api.revoke_tokens()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(results.session_details, SESSIONS[:8]))
        assert (api.count("token"), api.count("details", 200)) == (2, 9)


def test_a_new_token_that_is_refused_ends_it(source_of: SourceOf) -> None:
    """One renewal, one more try, then an error that says what to check."""
    with SampleApi([STUDY], rate_limit=None) as api:
        api.faults.status[SESSIONS[0]] = 401
        with pytest.raises(
            CredentialsError, match="new token was refused too: check that client id and scope"
        ) as caught:
            source_of(api).poll.api.session_details(SESSIONS[0])
        assert (api.count("token"), api.count("details")) == (2, 2)
        assert caught.value.status == 401


def test_a_ready_token_that_ended_names_the_remedy(source_of: SourceOf) -> None:
    """It cannot be renewed: one request, no retry."""
    with SampleApi([STUDY], rate_limit=None) as api:
        results = source_of(api, credentials=UserTestingCredentials(access_token=api.access_token() + "\n")).poll.api
        results.session_details(SESSIONS[0])
        api.revoke_tokens()
        with pytest.raises(CredentialsError, match="lives an hour: get a new one, or set client_id and client_secret"):
            results.session_details(SESSIONS[0])
        assert (api.count("token"), api.count("details")) == (0, 2)


# -- the token URL -------------------------------------------------------------------


def test_a_token_url_that_is_down_for_a_while_is_waited_for() -> None:
    """Four times 503, then a token."""
    with SampleApi([STUDY]) as api:
        api.faults.token_down = 4
        token, lifetime = token_url(api)()
        assert (api.count("token"), lifetime) == (5, 3600.0)
        assert token.startswith("eyJ")


def test_a_token_url_that_stays_down_is_unavailable(source_of: SourceOf) -> None:
    """So is one that cannot be reached; neither is a matter of the credentials."""
    with SampleApi([STUDY]) as api:
        api.faults.token_down = inf
        with pytest.raises(ApiUnavailable, match=r"answers 503\. Nothing is wrong with the settings"):
            source_of(api).poll.api.session_details(SESSIONS[0])
        assert api.count() == 0
    with pytest.raises(ApiUnavailable, match=r"cannot be reached \(ConnectionError\).*sources\.usertesting\.token_url"):
        token_url(api)()


def test_a_stop_ends_the_wait_for_a_token_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between retries, which may be minutes apart."""
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "100")
    with SampleApi([STUDY]) as api:
        api.faults.token_down = inf
        stop = Stop()
        threading.Timer(0.2, stop.ask).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            token_url(api, stop=stop)()
        assert time.monotonic() - began < 3


def test_a_token_url_that_is_busy_is_asked_again_when_it_says() -> None:
    """And is unavailable when it stays so."""
    with SampleApi([STUDY]) as api:
        api.faults.on_request = answers(Reply(429, headers={"Retry-After": "0.1"}))
        with pytest.raises(ApiUnavailable, match=r"answers 429\. Nothing is wrong with the settings"):
            token_url(api, knobs=Knobs(refusals=2))()
        assert api.count("token") == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"client_id": "nobody"}, "401: Invalid value for 'client_id' parameter"),
        (
            {"client_secret": "not-the-secret"},
            "401: The client secret supplied for a confidential client is invalid",
        ),
        ({"scope": "public_api.read"}, "400: One or more scopes are not configured"),
    ],
)
def test_refused_credentials_are_explained_and_not_tried_again(wrong: dict[str, Any], said: str) -> None:
    """Okta's reason, in both of its envelopes, and the settings to look at; never the secret."""
    with SampleApi([STUDY]) as api:
        with pytest.raises(CredentialsError) as caught:
            token_url(api, **wrong)()
        assert api.count("token") == 1
    assert said in str(caught.value)
    assert "`sources.usertesting.credentials.client_id`" in str(caught.value)
    assert "not-the-secret" not in str(caught.value)


def test_a_secret_that_the_token_url_repeats_is_not_passed_on() -> None:
    """The rest of what it says is."""
    with SampleApi([STUDY]) as api:
        said = {"error": "invalid_client", "error_description": "no client with secret my-s3cret"}
        api.faults.on_request = answers(as_json(said, 401))
        with pytest.raises(CredentialsError, match=r"401: no client with secret \[removed\]") as caught:
            token_url(api, "my-s3cret")()
    assert "my-s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>Sign in</html>", "text/html"),
        Reply(200, b"[" * 100_000),
        as_json({"token_type": "Bearer"}),
        as_json(["token"]),
        as_json({"access_token": "one line\nand another"}),
        as_json({"access_token": "tök"}),
    ],
)
def test_an_answer_without_a_token_is_no_token(reply: Reply) -> None:
    """A page of a proxy, for example."""
    with SampleApi([STUDY]) as api:
        api.faults.on_request = answers(reply)
        with pytest.raises(CredentialsError, match=r"gives no token \(200: no reason given\)"):
            token_url(api)()


@pytest.mark.parametrize("lifetime", [{}, {"expires_in": None}, {"expires_in": "soon"}])
def test_a_token_without_a_life_lives_an_hour(lifetime: dict[str, Any]) -> None:
    """As documented."""
    with SampleApi([STUDY]) as api:
        api.faults.on_request = answers(as_json({"access_token": "abc", **lifetime}))
        assert token_url(api)() == ("abc", 3600.0)


def test_blanks_around_credentials_do_no_harm() -> None:
    """Files and environment variables often end in a line break."""
    with SampleApi([STUDY]) as api:
        token, _ = token_url(api, f" {api.client_secret}\n", client_id=f"{api.client_id}\n")()
        assert token


# -- who gets to see what --------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.evil.example/api",
        "https://evil.example/api",
        "http://api.example/api",
        "https://api.example:8443/api",
        "https://api.example@evil.example/",
    ],
)
def test_the_token_goes_to_the_api_alone(url: str) -> None:
    """Not to another host, port or scheme."""
    bearer = Bearer("https://api.example", token="abc")
    assert "Authorization" not in Request("GET", url, auth=bearer).prepare().headers
    own = Request("GET", "https://API.example/api", auth=bearer).prepare()
    assert own.headers["Authorization"] == "Bearer abc"


def test_the_token_url_sees_no_token_and_netrc_is_not_read(
    source_of: SourceOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.netrc entry for the host changes nothing: no Authorization header there, ours at the API."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with SampleApi([STUDY], rate_limit=None) as api:
        source_of(api).poll.api.session_details(SESSIONS[0])
        assert [(seen.endpoint, seen.authorization) for seen in api.log] == [
            ("token", False),
            ("details", True),
        ]


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_token_url_that_points_elsewhere_is_not_followed(status: int) -> None:
    """It would take the secret along."""
    with SampleApi([STUDY]) as api, SampleApi([STUDY]) as elsewhere:
        api.faults.on_request = answers(Reply(status, headers={"Location": elsewhere.token_url}))
        with pytest.raises(CredentialsError, match=f"gives no token .{status}.*token_url"):
            token_url(api)()
        assert elsewhere.log == []
