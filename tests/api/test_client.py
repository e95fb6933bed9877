"""ResultsApi: what the API says, or one of our errors with a remedy; each answer of facts that can go wrong."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from tests.support.clocks import clock_of
from usertesting_source.api.auth import Bearer
from usertesting_source.api.client import ResultsApi
from usertesting_source.api.clock import Clock
from usertesting_source.api.quota import Quota
from usertesting_source.config import UserTestingCredentials
from usertesting_source.errors import (
    ApiError,
    ApiUnavailable,
    BadRequest,
    CredentialsError,
    Forbidden,
    GatewayPage,
    Interrupted,
    NotFound,
    RateLimited,
    ServerError,
    UnreadableAnswer,
)
from usertesting_source.sample_api import Request, SampleApi, Study, Workspace, legacy, simple_study
from usertesting_source.sample_api.replies import Refused, Reply, as_json, legacy_refusal, page, refusal
from usertesting_source.sample_api.studies import DESIGN, RESEARCH, uid
from usertesting_source.source import UserTestingSource
from usertesting_source.stop import Stop

STUDY = simple_study(n=5, product_type="THINK_OUT_LOUD", workspace_id=RESEARCH)
TEST, SESSION = STUDY.test_id, STUDY.sessions[0].session_id


def client(base_url: str, token: str = "abc", stop: Stop | None = None) -> ResultsApi:  # noqa: S107 - invented
    """The API with a ready token and without a quota."""
    return ResultsApi(base_url, Bearer(base_url, token=token), Quota("n", 0, 60.0, clock=clock_of(stop or Stop())))


def results_of(api: SampleApi, stop: Stop | None = None) -> ResultsApi:
    return client(api.base_url, api.access_token(), stop)


def answering(reply: Reply) -> SampleApi:
    """An API that answers everything so."""
    api = SampleApi([STUDY], rate_limit=None)

    def refuse(_request: Request) -> None:
        raise Refused(reply)

    api.faults.on_request = refuse
    return api


@pytest.fixture
def api() -> Any:
    with SampleApi([STUDY], rate_limit=None) as api:
        yield api


# -- answers -------------------------------------------------------------------------


def test_every_endpoint_is_asked_where_the_documents_say(api: SampleApi) -> None:
    """Also the legacy API, whose base path the documents leave out."""
    results = results_of(api)
    results.session_page(TEST, 0, 500)
    results.session_details(SESSION)
    results.transcript(SESSION)
    results.video_url(SESSION)
    results.clips(SESSION)
    results.highlight_reels(TEST)
    results.workspaces()
    next(results.studies(RESEARCH))
    assert [request.path for request in api.log] == [
        "/api/v2/sessionResults",
        f"/api/v3/sessionResults/{SESSION}",
        f"/api/v2/sessionResults/{SESSION}/transcript",
        f"/api/v2/sessionResults/{SESSION}/videoDownloadUrl",
        f"/api/v2/sessionResults/{SESSION}/clips",
        f"/api/v2/testResults/{TEST}/highlightreels",
        "/usertesting/api/v1/workspaces",
        f"/usertesting/api/v1/workspaces/{RESEARCH}",
    ]
    assert api.log[0].query == {"testId": TEST, "limit": "500", "offset": "0"}
    assert results.requests_sent == len(api.log)


@pytest.mark.parametrize("content_type", ["text/vtt", "text/vtt; charset=iso-8859-1", "text/plain"])
def test_transcripts_are_utf_8_whatever_the_header_says(content_type: str) -> None:
    """As WebVTT demands."""
    with answering(Reply(200, "WEBVTT\n\nAntwort: schön ✓".encode(), content_type)) as api:
        assert results_of(api).transcript(SESSION) == "WEBVTT\n\nAntwort: schön ✓"


@pytest.mark.parametrize("meta", [{}, {"meta": None}, {"meta": []}, {"meta": {"pagination": "none"}}])
def test_a_listing_without_its_totals_is_still_read(meta: dict[str, Any]) -> None:
    """How many there are is not known then: it is read until no more come."""
    with answering(as_json({"sessions": [{"sessionId": SESSION}], **meta})) as api:
        listed = results_of(api).session_page(TEST, 0, 500)
        assert (list(listed.rows), listed.total) == ([{"sessionId": SESSION}], None)


@pytest.mark.parametrize("url", [None, 5, "", "ftp://storage.example/video", "/video"])
def test_a_video_url_that_is_none_is_an_unreadable_answer(url: object) -> None:
    """Nothing that can be downloaded."""
    with (
        answering(as_json({"videoUrl": url})) as api,
        pytest.raises(UnreadableAnswer, match=f"video of .*{SESSION}"),
    ):
        results_of(api).video_url(SESSION)


# -- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (400, BadRequest, "does not take the request .*400.*check the id"),
        (401, CredentialsError, "lives an hour: get a new one"),
        (403, Forbidden, "forbids these credentials to read .*plan includes the Results API.*member of the workspace"),
        (404, NotFound, "knows nothing of .* or does not show it to these credentials"),
        (418, BadRequest, "does not take the request"),
        (500, ServerError, "answers 500 .*again after retries.*asked for again later"),
        (503, ServerError, "answers 503 .*asked for again later"),
        (204, UnreadableAnswer, "answers 204 .*no data"),
        (
            302,
            BadRequest,
            "another address .302., which is not followed: check `sources.usertesting.base_url`",
        ),
    ],
)
@pytest.mark.parametrize("dressed", ["json", "html", "empty"])
def test_a_refusal_becomes_an_error_with_a_remedy(status: int, kind: type[Exception], says: str, dressed: str) -> None:
    """Whatever its body; the message names the session, unless the credentials are the matter."""
    reply = {"json": refusal(status), "html": page(status), "empty": Reply(status)}[dressed]
    with answering(reply) as api, pytest.raises(kind, match=says) as caught:
        results_of(api).session_details(SESSION)
    assert caught.value.status == status  # type: ignore[attr-defined] # all of these have one
    assert status == 401 or SESSION in str(caught.value)
    assert api.count() == (5 if status >= 500 else 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            {"statusCode": 400, "message": ["testId must be a UUID", "limit is too big"]},
            "testId must be a UUID; limit is",
        ),
        ({"statusCode": 400, "message": "Bad offset", "error": "Bad Request"}, "400: Bad offset"),
        ({"errorCode": "BAD_REQUEST", "errorMessage": "Not a valid UUID"}, "400: Not a valid UUID"),
        ({"error": "invalid_request", "error_description": "no such grant"}, "400: no such grant"),
        ({"message": {"nested": 1}, "error": "Bad Request"}, "400: Bad Request"),
        ({"message": [1, None]}, "400: 1; None"),
        (["a", "list"], r"\(400\)"),
        ("a text", r"\(400\)"),
        ({"message": "x" * 5000}, "400: x{200}\\)"),
    ],
)
def test_what_an_error_body_says_is_passed_on(body: object, says: str) -> None:
    """In each envelope that was seen, also a list of messages; cut when long."""
    with answering(as_json(body, 400)) as api, pytest.raises(BadRequest, match=says):
        results_of(api).session_details(SESSION)


@pytest.mark.parametrize("secret", ["https://s3.example/v?X-Amz-Signature=1", "Bearer abcdef", "token eyJhbGciOi"])
def test_a_secret_in_an_error_body_is_not_passed_on(secret: str) -> None:
    """Neither a signed URL nor a token."""
    with answering(refusal(400, f"refused {secret}")) as api, pytest.raises(BadRequest) as caught:
        results_of(api).session_details(SESSION)
    assert secret not in str(caught.value)


def test_a_429_that_never_ends_is_given_up(api: SampleApi) -> None:
    """After ten waits, which take no time here; the message says who must be at it."""
    api.faults.storm = inf
    now = [0.0]

    def wait(seconds: float) -> bool:
        now.append(now[-1] + seconds)
        return False

    quota = Quota("n", 0, 60.0, clock=Clock(lambda: now[-1], wait))
    results = ResultsApi(api.base_url, Bearer(api.base_url, token=api.access_token()), quota)
    with pytest.raises(RateLimited, match=r"another program uses up the quota .* or lower `sources.usertesting.rate_"):
        results.session_details(SESSION)
    assert api.count(status=429) == 11
    assert len(now) == 11


def test_server_errors_that_pass_are_not_noticed(api: SampleApi) -> None:
    """Four in a row, and four dropped connections."""
    api.faults.outage = 4
    assert results_of(api).session_details(SESSION)["sessionId"] == SESSION
    api.faults.drop_every = 2
    assert [results_of(api).session_details(SESSION)["sessionId"] for _ in range(4)] == [SESSION] * 4


def test_a_redirect_to_another_host_is_not_followed() -> None:
    """No request arrives there, so no token does."""
    with SampleApi([STUDY]) as elsewhere:
        moved = Reply(302, headers={"Location": f"{elsewhere.base_url}/api/v3/sessionResults/{SESSION}"})
        with answering(moved) as api, pytest.raises(BadRequest, match="another address"):
            results_of(api).session_details(SESSION)
        assert elsewhere.log == []


# -- broken answers --------------------------------------------------------------------


def test_answers_that_break_off_are_tried_again_then_left_for_later(api: SampleApi) -> None:
    """A dropped connection, and a body that is shorter than announced."""
    results = results_of(api)
    api.faults.truncated = {SESSION}
    with pytest.raises(ServerError, match=f"broke while reading the details of session {SESSION} .ChunkedEncoding"):
        results.session_details(SESSION)
    assert api.count("details") == 5
    api.faults.drop_every = 1
    with pytest.raises(ServerError, match=r"broke while .* \(ConnectionError\), again after retries.*again later"):
        results.transcript(SESSION)


@pytest.mark.parametrize("damage", ["cut", "html"])
def test_answers_that_are_no_json_are_unreadable(api: SampleApi, damage: str) -> None:
    """Half a JSON with a length that fits, or a gateway's page: not tried again now."""
    setattr(api.faults, damage, {SESSION, TEST})
    results = results_of(api)
    with pytest.raises(UnreadableAnswer, match=f"details of session {SESSION} is no JSON.*asked for again later"):
        results.session_details(SESSION)
    with pytest.raises(UnreadableAnswer, match=f"the sessions of test {TEST}"):
        results.session_page(TEST, 0, 500)
    assert api.count() == 2


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "5", '{"sessions": {}}', "{}", '{"message": "try later"}'])
def test_json_of_another_kind_is_unreadable(body: str) -> None:
    """Whatever was asked for: an empty object, an error document, a list where an object should be."""
    with answering(Reply(200, body.encode())) as api:
        results = results_of(api)
        asked: list[tuple[Callable[[], object], str]] = [
            (lambda: results.session_page(TEST, 0, 500), TEST),
            (lambda: results.session_details(SESSION), SESSION),
            (lambda: results.video_url(SESSION), SESSION),
            (lambda: results.clips(SESSION), SESSION),
            (lambda: results.qx_scores(TEST), TEST),
            (lambda: results.highlight_reels(TEST), TEST),
        ]
        for ask, names in asked:
            with pytest.raises(UnreadableAnswer, match=f"{names} .*asked for again later") as caught:
                ask()
            assert (type(caught.value), caught.value.status) == (UnreadableAnswer, 200)


@pytest.mark.parametrize("body", ["{}", '{"message": "try later"}', ' [{"error": "x"}]', "\ufeff{}"])
def test_a_json_document_is_no_transcript(body: str) -> None:
    """The rest of WebVTT is read elsewhere."""
    with (
        answering(Reply(200, body.encode(), "text/vtt")) as api,
        pytest.raises(UnreadableAnswer, match=f"transcript of session {SESSION} is no WebVTT, but JSON.*again later"),
    ):
        results_of(api).transcript(SESSION)


def test_the_answer_for_another_one_is_unreadable() -> None:
    """A cache that mixes things up must not put one participant's words under another's session."""
    other = uid("another")
    body = {
        "sessionId": other,
        "testId": other,
        "sessions": [],
        "qxScores": [],
        "tasks": [],
        "videoUrl": "https://storage.example/video",
    }
    with answering(as_json(body)) as api:
        results = results_of(api)
        for ask, says in (
            (lambda: results.session_page(TEST, 0, 500), f"{TEST} is that of another test"),
            (lambda: results.session_details(SESSION), f"{SESSION} is that of another session"),
            (lambda: results.video_url(SESSION), f"{SESSION} holds no URL of it"),
            (lambda: results.qx_scores(TEST), f"{TEST} is that of another test"),
        ):
            with pytest.raises(UnreadableAnswer, match=says):
                ask()


@pytest.mark.parametrize("told", [{}, {"sessionId": None}, {"sessionId": SESSION.upper()}])
@pytest.mark.parametrize(
    "holds",
    [
        {"tasks": []},
        {"taskGroups": [], "tasks": None},
        {"sessionParticipant": {"participantId": "p"}, "tasks": "none"},
    ],
)
def test_details_need_not_be_whole(told: dict[str, Any], holds: dict[str, Any]) -> None:
    """The documents let the session's id be null, and lists be empty; whatever is there is loaded."""
    with answering(as_json({**told, **holds})) as api:
        assert results_of(api).session_details(SESSION) == {**told, **holds}


@pytest.mark.parametrize("total", ["Infinity", "NaN", "true", '"5"', "null", "1e400"])
def test_a_total_that_is_no_number_is_not_counted_on(total: str) -> None:
    """How many there are is not known then."""
    body = f'{{"sessions": [{{}}, {{}}], "meta": {{"pagination": {{"totalCount": {total}, "offset": {total}}}}}}}'
    with answering(Reply(200, body.encode())) as api:
        page = results_of(api).session_page(TEST, 3, 500)
        assert (page.total, page.offset) == ((1, 1) if total == "true" else (None, None))


@pytest.mark.parametrize("page_of", ["<!DOCTYPE html><html>", "\ufeff\r\n <html>", "<?xml version='1.0'?><Error/>"])
def test_a_page_is_told_from_a_broken_answer(page_of: str) -> None:
    """Somebody else answers in place of the API, and perhaps to everything."""
    with answering(Reply(200, page_of.encode(), "application/json")) as api:
        results = results_of(api)
        for ask in (results.session_details, results.transcript, results.video_url, results.clips):
            with pytest.raises(GatewayPage, match=f"{SESSION} is no .*a gateway or a proxy.*again later"):
                ask(SESSION)
        with pytest.raises(GatewayPage, match="workspaces"):
            results.workspaces()


@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_json_that_is_nested_too_deep_is_unreadable_or_read(levels: int) -> None:
    """One session's nonsense is that session's trouble."""
    body = b'{"tasks": [], "deep": ' + b"[" * levels + b"]" * levels + b"}"
    with answering(Reply(200, body)) as api:
        try:
            results_of(api).session_details(SESSION)
        except UnreadableAnswer as error:
            assert "nested too deep" in str(error)  # noqa: PT017 - some versions of Python can read it


def test_a_body_that_swells_is_refused() -> None:
    """A few kB of gzip that unpack to more than a session can hold; also what is no gzip though it says so."""
    bomb = gzip.compress(bytes(300 * 2**20), 1)
    assert len(bomb) < 3 * 2**20
    for body, says in ((bomb, r"is larger than 67,108,864 bytes\. It is asked"), (b"no gzip", "cannot be unpacked")):
        with answering(Reply(200, body, headers={"Content-Encoding": "gzip"})) as api:
            results = results_of(api)
            for ask in (results.session_details, results.transcript):
                with pytest.raises(UnreadableAnswer, match=f"{SESSION} {says}"):
                    ask(SESSION)
            assert api.count() == 2


def test_an_api_that_cannot_be_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection, an unknown name, and a proxy that is not there: at the first item, not at the third."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
        for base_url in (closed, "http://api.invalid", "http://no host"):
            with pytest.raises(ApiUnavailable, match=f"{base_url} cannot be reached.*sources.usertesting.base_url"):
                client(base_url).session_details(SESSION)
        monkeypatch.setenv("HTTP_PROXY", closed)
        with pytest.raises(ApiUnavailable, match=r"ProxyError.*a proxy"):
            client("http://api.example").session_details(SESSION)


def test_an_api_that_answers_too_late_fails_for_this_item(api: SampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was reached, so others may fare better."""
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "0.1")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")
    api.faults.latency = 0.3
    with pytest.raises(ServerError, match=f"details of session {SESSION} .ReadTimeout"):
        results_of(api).session_details(SESSION)


def test_an_untrusted_certificate_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever speaks no TLS is not taken for the API."""
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    with SampleApi([STUDY]) as api:
        secure = api.base_url.replace("http://", "https://")
        with pytest.raises(ApiUnavailable, match="SSLError"):
            client(secure).session_details(SESSION)


# -- waits between retries ---------------------------------------------------------------


def test_retry_after_of_a_503_is_kept() -> None:
    """A second, where our own back-off would be much shorter."""
    with answering(Reply(503, headers={"Retry-After": "1"})) as api:
        stop = Stop()
        stop.after(1.5)
        with pytest.raises(Interrupted):
            results_of(api, stop).session_details(SESSION)
        first, second = (request.at for request in api.log)
    assert 0.9 < second - first < 1.6


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "300"}])
def test_a_stop_ends_the_wait_for_a_retry(monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]) -> None:
    """However long the API, or the back-off, wants to wait."""
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "100")
    with answering(Reply(503, headers=headers)) as api:
        stop = Stop()
        threading.Timer(0.2, stop.ask).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            results_of(api, stop).session_details(SESSION)
        assert time.monotonic() - began < 3


# -- the legacy API --------------------------------------------------------------------


def studies(number: int) -> list[Study]:
    return [simple_study(n=0, test_id=uid("legacy", i), workspace_id=RESEARCH) for i in range(number)]


@pytest.mark.parametrize(("number", "requests"), [(0, 1), (1, 2), (49, 2), (50, 2), (51, 3), (100, 3)])
def test_a_workspace_is_read_to_its_end(number: int, requests: int) -> None:
    """An empty page is the end, and a short one is not: one more request a look tells them apart."""
    with SampleApi(studies(number), rate_limit=None) as api:
        found = [study["uuid"] for study in results_of(api).studies(RESEARCH)]
        assert len(set(found)) == len(found) == number
        assert api.count("workspace") == requests


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("size", [1, 20, 49])
def test_pages_of_any_size_hide_no_test(size: int, odd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with entries among them that are no studies."""
    monkeypatch.setattr(legacy, "PAGE", size)
    with SampleApi(studies(60), rate_limit=None) as api:
        api.faults.odd_studies = odd
        found = [study["uuid"] for study in results_of(api).studies(RESEARCH)]
        assert len(set(found)) == len(found) == 60
        assert api.count("workspace") == -(-60 // size) + 1


def test_the_next_page_begins_behind_the_last_item_that_has_a_cursor(api: SampleApi) -> None:
    """Whatever that item is; a page that brings nothing new is the end."""
    pages: dict[str, list[Any]] = {
        "": [{"uuid": "a", "cursor": "1"}, {"uuid": "b"}, {"uuid": "c", "cursor": ""}, None],
        "1": [{"uuid": "d", "cursor": 2}, {"uuid": None, "cursor": 3}, [], "x"],
        "3": [{"uuid": "a", "cursor": "4"}],
    }

    def on_request(request: Request) -> None:
        raise Refused(as_json(pages[request.query.get("after", "")]))

    api.faults.on_request = on_request
    assert [study["uuid"] for study in results_of(api).studies(RESEARCH)] == ["a", "b", "c", "d"]
    assert api.count("workspace") == 3


def test_a_workspace_whose_cursor_repeats_ends() -> None:
    """Each study once, and no endless loop."""
    with SampleApi(studies(120), rate_limit=None) as api:
        api.faults.repeat_workspace_page = True
        assert len(list(results_of(api).studies(RESEARCH))) == 50
        assert api.count("workspace") == 2


@pytest.mark.parametrize("cursor", [None, "", "same"])
def test_a_full_page_without_a_cursor_to_go_on_from_ends(cursor: str | None) -> None:
    """Nothing says where the next page begins."""
    rows = [{"uuid": uid("legacy", i), "cursor": cursor} for i in range(50)]
    with answering(as_json(rows)) as api:
        assert len(list(results_of(api).studies(RESEARCH))) == 50
        assert api.count("workspace") <= 2


@pytest.mark.parametrize("status", [403, 404])
def test_a_workspace_that_is_not_visible_concerns_itself_alone(api: SampleApi, status: int) -> None:
    """Whichever status says so: the credentials work, other workspaces can be read."""
    api.settings.hidden_workspace_status = status  # type: ignore[assignment] # one of the two
    api.hide_test(DESIGN)
    with pytest.raises(ApiError, match=f"workspace {DESIGN}.*{status}") as caught:
        list(results_of(api).studies(DESIGN))
    assert (type(caught.value), caught.value.status) == ({403: Forbidden, 404: NotFound}[status], status)


def test_what_the_legacy_api_says_is_passed_on(api: SampleApi) -> None:
    """Its envelope is another."""
    with pytest.raises(BadRequest, match=r"workspace abc \(400: Not a valid UUID"):
        list(results_of(api).studies("abc"))
    with (
        answering(legacy_refusal(403, "No plan")) as gone,
        pytest.raises(Forbidden, match="403: No plan"),
    ):
        results_of(gone).workspaces()


def test_a_legacy_api_that_wants_a_token_header_gets_one(source_of: Callable[..., UserTestingSource]) -> None:
    """Bearer is tried first, and afterwards no longer waited for; v2 and v3 never see that header."""
    workspaces = [Workspace(RESEARCH, "Research")]
    with SampleApi([STUDY], rate_limit=None, legacy_auth="token", workspaces=workspaces) as api:
        for credentials in (None, UserTestingCredentials(access_token=api.access_token())):
            known = {"credentials": credentials} if credentials else {}
            results = source_of(api, **known).poll.api
            assert [workspace["uuid"] for workspace in results.workspaces()] == [RESEARCH]
            before = api.count(status=401)
            assert len(list(results.studies(RESEARCH))) == 1
            results.session_details(SESSION)
            assert api.count(status=401) == before


def test_a_token_that_ended_is_told_from_a_header_that_is_missing(api: SampleApi) -> None:
    """Both are 401 at the legacy API: after one more try it is the credentials."""
    results = results_of(api)
    api.revoke_tokens()
    with pytest.raises(CredentialsError, match="lives an hour"):
        results.workspaces()
    assert api.count() == 2
