"""The sample API behaves as the real one is documented to, and breaks where it is told to."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any

import pytest
import requests
import webvtt
from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.response.exceptions import ResponseValidationError
from webvtt.errors import MalformedFileError

from tests.sample_api import facts
from tests.support import openapi
from tests.support.shapes import Between, Shape, faults
from usertesting_source.sample_api import SampleApi, Study, every_task_study, shop_studies, simple_study
from usertesting_source.sample_api.studies import Shapes

NOW = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
LIST = "/api/v2/sessionResults"
V1 = "/usertesting/api/v1"
FORM = {"grant_type": "client_credentials", "scope": "studies:read"}


class Client:
    """Asks a sample API with a valid token."""

    def __init__(self, api: SampleApi) -> None:
        self.api = api
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {api.access_token()}"

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.http.get(self.api.base_url + path, params=query, timeout=10)

    def page(self, test_id: str, **query: Any) -> dict[str, Any]:
        answer = self.get(LIST, testId=test_id, **query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def ids(self, test_id: str, **query: Any) -> list[str]:
        return [session["sessionId"] for session in self.page(test_id, **query)["sessions"]]

    def details(self, session_id: str) -> requests.Response:
        return self.get(f"/api/v3/sessionResults/{session_id}")

    def transcript(self, session_id: str) -> requests.Response:
        return self.get(f"{LIST}/{session_id}/transcript")

    def video_url(self, session_id: str) -> str:
        return str(self.get(f"{LIST}/{session_id}/videoDownloadUrl").json()["videoUrl"])


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Start sample APIs without a limit unless asked, and stop them after the test."""
    clients: list[Client] = []

    def start(*studies: Study, **options: Any) -> Client:
        api = SampleApi(studies, **{"rate_limit": None, "now": lambda: NOW, **options})
        api.start()
        clients.append(Client(api))
        return clients[-1]

    yield start
    for client in clients:
        client.http.close()
        client.api.stop()
        assert client.api.failures == []


def token(api: SampleApi, **form: str) -> requests.Response:
    credentials = {"client_id": api.client_id, "client_secret": api.client_secret}
    return requests.post(api.token_url, data={**credentials, **FORM, **form}, timeout=10)


def survey(n: int = 5, **fields: Any) -> Study:
    return simple_study(n=n, newest=NOW, **fields)


def spoken(n: int = 3, **fields: Any) -> Study:
    return simple_study(n=n, product_type="THINK_OUT_LOUD", newest=NOW, **fields)


# The documented interface


def everything(client: Client) -> Iterator[requests.Response]:
    """An answer of every endpoint for every test and session."""
    for test_id in client.api.test_ids:
        yield client.get(LIST, testId=test_id)
        yield client.get(f"/api/v2/testResults/{test_id}/qxScores")
        reels = client.get(f"/api/v2/testResults/{test_id}/highlightreels")
        yield reels
        for reel in reels.json().get("reels", []) * 2:
            yield client.get(f"/api/v2/testResults/{test_id}/highlightreels/{reel['uuid']}")
        yield client.get(f"{V1}/studies/{test_id}")
        for session_id in client.ids(test_id):
            yield from everything_of(client, session_id)
    yield client.get(f"{V1}/workspaces")
    for workspace in client.get(f"{V1}/workspaces").json():
        yield client.get(f"{V1}/workspaces/{workspace['uuid']}")


def everything_of(client: Client, session_id: str) -> Iterator[requests.Response]:
    yield client.details(session_id)
    yield client.transcript(session_id)
    yield client.get(f"{LIST}/{session_id}/videoDownloadUrl")
    clips = client.get(f"{LIST}/{session_id}/clips")
    yield clips
    for clip in clips.json().get("clips", [])[:1] * 2:
        yield client.get(f"{LIST}/{session_id}/clips/{clip['uuid']}")


# the project's own table of facts, and the vendor's descriptions where they are at hand
Check = Callable[[requests.Response], None]
CHECKS: dict[str, Check] = {"facts": facts.check, **({"vendor": openapi.validate} if openapi.AT_HAND else {})}
as_documented = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)


@as_documented
def test_every_answer_is_as_documented(serve: Callable[..., Client], check: Check) -> None:
    """Status, headers, content type and body of every endpoint."""
    client = serve(
        *shop_studies(sessions=6, now=NOW),
        every_task_study(n=5, documented=True),
        simple_study(n=1, product_type="LIVE_CONVERSATION"),
        rate_limit=10**6,
    )
    answered: Counter[int] = Counter()
    for answer in everything(client):
        check(answer)
        answered[answer.status_code] += 1
    assert {request.endpoint for request in client.api.log} == set(facts.ENDPOINTS)
    assert set(answered) == {200, 404}


@as_documented
@pytest.mark.parametrize("shapes", ["object", "null", "unknown"])
def test_the_inside_of_answers_is_anything_that_is_allowed(
    serve: Callable[..., Client], shapes: Shapes, check: Check
) -> None:
    """Objects, nothing and unknown keys inside an answer fit the description, also after a bad session."""
    study = every_task_study(n=2, shapes=shapes, documented=True)
    client = serve(study, rate_limit=100)
    bad = client.api.add_session(study.test_id, troubled=True)
    for session_id in (*client.ids(study.test_id), bad):
        check(client.details(session_id))


@as_documented
def test_what_is_not_as_documented_is_noticed(serve: Callable[..., Client], check: Check) -> None:
    """Scalar answers, which are not allowed, are reported."""
    study = every_task_study(n=1, shapes="scalar", documented=True)
    client = serve(study, rate_limit=100)
    with pytest.raises((AssertionError, OpenAPIError, ResponseValidationError)):
        check(client.details(study.sessions[0].session_id))


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"id": "text"}, {}),
        ({"id?": "text"}, {"id": None}),
        ({"ids": ["UUID"]}, {"ids": ["1"]}),
        ({"end": "time"}, {"end": "2026-03-02 12:00:00"}),
        ({"kind": {"A", "B"}}, {"kind": "C"}),
        (({"score": "number"}, {"order": "text"}, None), {"score": "9"}),
        ({"count": "whole"}, {"count": 1.5}),
        ({"count": "number"}, {"count": True}),
        (Between(0, 100), 101),
        (["text"], {}),
        (["text"], "text"),
        ({"id": "text"}, []),
    ],
)
def test_a_value_of_another_shape_is_noticed(shape: Shape, value: object) -> None:
    """A missing field, a null, another kind, a word that is none of the list, a number out of its range."""
    assert len(list(faults(shape, value))) == 1


@pytest.mark.skipif(not openapi.AT_HAND, reason="the vendor's descriptions are not beside the project")
def test_the_facts_are_the_vendor_s() -> None:
    """Paths, parameters with bounds, statuses, headers and every field: our table says what the descriptions say."""
    assert {name: openapi.described(fact.path) for name, fact in facts.ENDPOINTS.items()} == facts.ENDPOINTS
    assert all(refusal == facts.REFUSAL for refusal in openapi.legacy_refusals())


@pytest.mark.parametrize("name", facts.ENDPOINTS)
def test_refusals_are_as_documented(serve: Callable[..., Client], name: str) -> None:
    """401 without a token, 404 for what is not there, 429 when the quota is spent: the documented statuses."""
    fact = facts.ENDPOINTS[name]
    nowhere = "00000000-0000-4000-8000-000000000000"
    path, query = re.sub(r"\{\w+\}", nowhere, fact.path), {"testId": nowhere} if name == "list" else {}
    client = serve(rate_limit=1)
    stranger = requests.get(client.api.base_url + path, params=query, timeout=10)
    answers = [stranger, client.get(path, **query), client.get(path, **query)]
    assert [answer.status_code for answer in answers] == [401, 404 if fact.parameters else 200, 429]
    for answer in answers[: 3 if 429 in fact.statuses else 2]:
        facts.check(answer)


BOUNDS = [(name.rstrip("?"), b) for name, b in facts.ENDPOINTS["list"].parameters.items() if isinstance(b, Between)]


@pytest.mark.parametrize(("name", "bounds"), BOUNDS)
def test_ranges_are_checked(serve: Callable[..., Client], name: str, bounds: Between) -> None:
    """A limit outside 1..500 or an offset outside 0..10000 is a bad request, and so is what is no number."""
    study = survey()
    client = serve(study)
    for value in (bounds.low, bounds.high):
        assert client.get(LIST, testId=study.test_id, **{name: value}).status_code == 200
    for wrong in (bounds.low - 1, bounds.high + 1, "x"):
        answer = client.get(LIST, testId=study.test_id, **{name: wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
        facts.check(answer)


def test_pages_are_newest_first_and_complete(serve: Callable[..., Client]) -> None:
    """Paging to the end gives each session once, the newest first, 25 a page unless asked otherwise."""
    study = survey(60)
    client = serve(study)
    first = client.page(study.test_id)
    assert first["meta"]["pagination"] == {"limit": 25, "offset": 0, "totalCount": 60}
    paged = [client.ids(study.test_id, limit=25, offset=offset) for offset in (0, 25, 50, 75)]
    assert [len(page) for page in paged] == [25, 25, 10, 0]
    assert list(chain.from_iterable(paged)) == [session.session_id for session in study.sessions]


def test_the_list_can_be_sorted_by_start(serve: Callable[..., Client]) -> None:
    """With `sort="start"` a long session that finished last stands behind those that started later."""
    client = serve(survey(3), sort="start")
    test_id = client.api.test_ids[0]
    late = client.api.add_session(test_id, finished=NOW, started=NOW - timedelta(days=1))
    assert client.ids(test_id)[-1] == late
    client.api.settings.sort = "finish"
    assert late in client.ids(test_id, limit=2)


def test_only_eligible_sessions_have_media_and_scores(serve: Callable[..., Client]) -> None:
    """Transcripts, videos and scores exist for the product types that the vendor names, else it is 404."""
    kinds = ("SURVEY", "NON_THINK_OUT_LOUD", "THINK_OUT_LOUD", "LIVE_CONVERSATION")
    studies = {kind: simple_study(n=1, product_type=kind) for kind in kinds}
    client = serve(*studies.values())
    found = {}
    for kind, study in studies.items():
        session = f"{LIST}/{study.sessions[0].session_id}"
        paths = (
            f"{session}/transcript",
            f"{session}/videoDownloadUrl",
            f"/api/v2/testResults/{study.test_id}/qxScores",
        )
        found[kind] = [client.get(path).status_code for path in paths]
    assert found == {
        "SURVEY": [404, 404, 404],
        "NON_THINK_OUT_LOUD": [404, 200, 200],
        "THINK_OUT_LOUD": [200, 200, 404],
        "LIVE_CONVERSATION": [200, 200, 404],
    }


@pytest.mark.parametrize("rich", [False, True])
def test_transcripts_are_webvtt(serve: Callable[..., Client], rich: bool) -> None:
    """A parser finds cues in order, with `rich_vtt` also with voices and all that the standard allows."""
    study = spoken(1, rich_vtt=rich)
    text = serve(study).transcript(study.sessions[0].session_id).content.decode()
    captions = webvtt.from_string(text).captions
    assert [c.start for c in captions] == sorted(c.start for c in captions)
    assert len(captions) == text.count("-->") > 5
    assert {c.voice for c in captions} == ({"Speaker 1"} if rich else {None})


def test_clips_and_reels_are_generated_first(serve: Callable[..., Client]) -> None:
    """The first request starts the making, the second one has a link that works."""
    study = spoken(1)
    client = serve(study)
    reels = f"/api/v2/testResults/{study.test_id}/highlightreels"
    reel = f"{reels}/{client.get(reels).json()['reels'][0]['uuid']}"
    assert client.get(reel).json()["status"] == "GENERATING"
    made = client.get(reel).json()
    assert made["status"] == "GENERATED"
    assert requests.get(made["reelUrl"], timeout=10).status_code == 200


def test_workspaces_are_paged_by_cursor(serve: Callable[..., Client]) -> None:
    """`after` the last item's cursor comes the next page, 50 tests at a time, until a short one."""
    client = serve(*(survey(0, seed=number) for number in range(120)))
    path = f"{V1}/workspaces/{client.get(f'{V1}/workspaces').json()[0]['uuid']}"
    pages: list[list[dict[str, Any]]] = []
    after = None
    while not pages or len(pages[-1]) == 50:
        pages.append(client.get(path, after=after).json())
        after = pages[-1][-1]["cursor"]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert len({item["uuid"] for page in pages for item in page}) == 120
    client.api.faults.repeat_workspace_page = True
    assert client.get(path, after=after).json() == pages[0]


@pytest.mark.parametrize("status", [403, 404])
def test_a_lost_workspace_is_refused_in_the_legacy_envelope(serve: Callable[..., Client], status: int) -> None:
    """A workspace that is not visible takes its tests along."""
    study = survey()
    client = serve(study, hidden_workspace_status=status)
    client.api.hide_test(study.workspace_id)
    refused = client.get(f"{V1}/workspaces/{study.workspace_id}")
    assert (refused.status_code, sorted(refused.json())) == (status, ["errorCode", "errorMessage"])
    assert client.get(LIST, testId=study.test_id).status_code == 404
    assert client.get(f"{V1}/workspaces/nonsense").json()["errorMessage"] == "Not a valid UUID"


# Tokens and quota


def test_the_token_url_refuses_in_two_envelopes(serve: Callable[..., Client]) -> None:
    """An unknown client and a wrong secret are both 401, but differently; a wrong scope is 400."""
    api = serve(survey()).api
    assert token(api).json()["expires_in"] == 3600
    unknown, wrong = token(api, client_id="nobody"), token(api, client_secret="guess")
    assert (unknown.status_code, unknown.json()["errorCode"]) == (401, "invalid_client")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    scope = token(api, scope="everything")
    assert (scope.status_code, scope.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("options", [{"token_requests": 2}, {"token_lifetime": 0.2}])
def test_tokens_end(serve: Callable[..., Client], options: dict[str, Any]) -> None:
    """A token stops to work after its lifetime, or after its number of requests; a new one works."""
    client = serve(survey(), **options)
    deadline = time.monotonic() + 5
    while client.get(f"{V1}/workspaces").status_code == 200:
        assert time.monotonic() < deadline
    assert client.get(LIST, testId=client.api.test_ids[0]).json() == {
        "statusCode": 401,
        "message": "Unauthorized",
    }
    client.http.headers["Authorization"] = f"Bearer {token(client.api).json()['access_token']}"
    assert client.ids(client.api.test_ids[0])


def test_bad_and_revoked_tokens_are_refused(serve: Callable[..., Client]) -> None:
    """Without a token, with a made-up one and with a revoked one every API request is 401."""
    client = serve(survey())
    client.api.revoke_tokens()
    assert client.get(f"{V1}/workspaces").json()["errorCode"] == "UNAUTHORIZED"
    for headers in ({}, {"Authorization": "Bearer made.up.token"}):
        answer = requests.get(client.api.base_url + LIST, headers=headers, timeout=10)
        assert answer.status_code == 401
    assert [r.authorization for r in client.api.requests()] == [True, False, True]


@pytest.mark.parametrize("retry_after", [True, False])
def test_the_quota_is_enforced(serve: Callable[..., Client], retry_after: bool) -> None:
    """The request after the last allowed one is 429, without quota headers; it says when if told to."""
    client = serve(survey(), rate_limit=3, retry_after=retry_after)
    left = [client.get(f"{V1}/workspaces").headers["x-ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = client.get(f"{V1}/workspaces")
    assert refused.status_code == 429
    assert "x-ratelimit-remaining" not in refused.headers
    assert ("Retry-After" in refused.headers) is retry_after


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_the_quota_comes_back_and_refusals_cost_nothing(serve: Callable[..., Client], window: str) -> None:
    """A period after the first request there is room again, however many were refused in between."""
    client = serve(survey(), rate_limit=2, rate_period=1.0, window=window)
    started = time.monotonic()
    statuses: list[int] = []
    while statuses.count(200) < 3:
        statuses.append(client.get(f"{V1}/workspaces").status_code)
        assert time.monotonic() - started < 5
    assert statuses[:3] == [200, 200, 429]
    assert time.monotonic() - started >= 0.95


def test_each_endpoint_can_have_a_quota_of_its_own(serve: Callable[..., Client]) -> None:
    """With `limit_scope="endpoint"` a spent quota of one endpoint leaves the others alone."""
    client = serve(survey(), rate_limit=1, limit_scope="endpoint")
    assert client.get(f"{V1}/workspaces").status_code == 200
    assert client.ids(client.api.test_ids[0])
    assert client.get(f"{V1}/workspaces").json()["errorCode"] == "TOO_MANY_REQUESTS"


def test_the_legacy_api_can_want_another_header(serve: Callable[..., Client]) -> None:
    """With `legacy_auth="token"` v1 reads the token from a header of that name only."""
    client = serve(survey(), legacy_auth="token")
    assert client.get(f"{V1}/workspaces").status_code == 401
    client.http.headers["token"] = client.api.access_token()
    assert client.get(f"{V1}/workspaces").status_code == 200


def test_another_program_takes_from_the_same_quota(serve: Callable[..., Client]) -> None:
    """What somebody else consumes with the same credentials is missing here, and is no request of ours."""
    client = serve(survey(), rate_limit=5)
    client.api.consume_quota(4)
    assert client.get(f"{V1}/workspaces").headers["x-ratelimit-remaining"] == "0"
    assert client.get(f"{V1}/workspaces").status_code == 429
    assert client.api.count() == 2


# A world that changes


def test_sessions_come_go_and_return(serve: Callable[..., Client]) -> None:
    """Listing and details follow what happens to a session while the server runs."""
    study = survey(3)
    client = serve(study)
    new = client.api.add_session(study.test_id, finished=NOW + timedelta(seconds=1))
    assert client.ids(study.test_id)[0] == new
    client.api.remove_session(new)
    assert new not in client.ids(study.test_id)
    assert client.details(new).status_code == 404
    client.api.restore_session(new)
    assert client.details(new).status_code == 200
    assert len(study.sessions) == 3


def test_time_brings_sessions_and_transcripts(serve: Callable[..., Client]) -> None:
    """A session is listed from its moment on, and its transcript is there from another."""
    clock = [NOW]
    study = spoken(1)
    client = serve(study, now=lambda: clock[0])
    late, later = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    new = client.api.add_session(study.test_id, finished=NOW, listed_from=late, transcript_from=later)
    seen = []
    for clock[0] in (NOW, late, later):
        seen.append((new in client.ids(study.test_id), client.transcript(new).status_code))
    assert seen == [(False, 404), (True, 404), (True, 200)]


def test_a_hidden_test_is_not_found(serve: Callable[..., Client]) -> None:
    """A test that the credentials lost is 404 with all its sessions, until it is shown again."""
    study = survey(1)
    client = serve(study)
    client.api.hide_test(study.test_id)
    assert client.get(LIST, testId=study.test_id).json()["message"] == "Test not found"
    assert client.details(study.sessions[0].session_id).status_code == 404
    client.api.show_test(study.test_id)
    assert client.ids(study.test_id)


def test_classic_tests_exist_in_the_legacy_api_only(serve: Callable[..., Client]) -> None:
    """A WEB test is listed in its workspace, and 404 for v2."""
    classic = survey(1, type="WEB", product_type="INSIGHT_CORE")
    client = serve(classic)
    assert client.get(f"{V1}/workspaces/{classic.workspace_id}").json()[0]["type"] == "WEB"
    assert client.get(LIST, testId=classic.test_id).status_code == 404


# Data


def test_the_same_seed_tells_the_same_story(serve: Callable[..., Client]) -> None:
    """Two servers with one seed answer alike, byte for byte; another seed answers otherwise."""

    def told(seed: int) -> list[str]:
        client = serve(*shop_studies(seed=seed, sessions=9, now=NOW))
        session_ids = [i for test_id in client.api.test_ids for i in client.ids(test_id)]
        return [client.details(i).text + client.transcript(i).text for i in session_ids]

    assert told(3) == told(3) != told(4)


def test_the_shop_has_something_to_alert_about(serve: Callable[..., Client]) -> None:
    """Between 10 and 20 % of the shop's sessions failed, rated poorly or would not recommend."""
    client = serve(*shop_studies(now=NOW), shapes="scalar")
    session_ids = [i for test_id in client.api.test_ids for i in client.ids(test_id, limit=500)]
    troubled = [i for i in session_ids if any(map(is_bad, client.details(i).json()["tasks"]))]
    assert len(session_ids) == 60
    assert 0.1 <= len(troubled) / 60 <= 0.2


def is_bad(task: dict[str, Any]) -> bool:
    answer = (task["response"] or {}).get("answer") or {}
    poor = answer.get("ratingScale") or 9
    return answer.get("url") is False or answer.get("figma") is False or poor <= 2 or (answer.get("nps") or 7) <= 6


@pytest.mark.parametrize("shapes", ["object", "scalar", "list", "null", "unknown", "mixed"])
def test_every_task_type_is_served_in_every_shape(serve: Callable[..., Client], shapes: Shapes) -> None:
    """All twelve task types and UNRECOGNIZED appear, whatever the shape of the answers."""
    study = every_task_study(n=1, shapes=shapes)
    tasks = serve(study).details(study.sessions[0].session_id).json()["tasks"]
    assert len({task["type"] for task in tasks}) == 13
    rating = next(task for task in tasks if task["type"] == "RATING_SCALE")["response"]["answer"]["ratingScale"]
    kinds = {"object": dict, "scalar": int, "list": list, "null": type(None), "unknown": dict}
    assert isinstance(rating, kinds.get(shapes, object))


def test_large_tests_are_listed_quickly(serve: Callable[..., Client]) -> None:
    """12,000 sessions: the last legal page costs a fraction of a second and counts all."""
    study = survey(12_000)
    client = serve(study)
    spent = time.process_time()
    last = client.page(study.test_id, limit=500, offset=10_000)
    assert time.process_time() - spent < 2
    assert (len(last["sessions"]), last["meta"]["pagination"]["totalCount"]) == (500, 12_000)


@pytest.mark.parametrize(("fractions", "expected"), [("ms", {True}), ("none", {False}), ("mixed", {True, False})])
def test_timestamps_with_and_without_fractions(
    serve: Callable[..., Client], fractions: str, expected: set[bool]
) -> None:
    """Times have milliseconds always, never, or now and then."""
    client = serve(survey(10, every=timedelta(seconds=7)), fractions=fractions)
    sessions = client.page(client.api.test_ids[0])["sessions"]
    assert {"." in session["startTime"] for session in sessions} == expected


# Videos


def test_videos_are_streamed_from_signed_urls(serve: Callable[..., Client]) -> None:
    """A signed URL gives the same bytes each time, in parts when asked; an Authorization header spoils it."""
    study = spoken(1)
    client = serve(study, video_bytes=150_000)
    url = client.video_url(study.sessions[0].session_id)
    whole = requests.get(url, timeout=10)
    assert (len(whole.content), whole.headers["Content-Type"]) == (150_000, "video/mp4")
    assert whole.content == requests.get(url, timeout=10).content
    part = requests.get(url, headers={"Range": "bytes=100000-"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[100_000:])
    assert client.http.get(url, timeout=10).status_code == 400
    assert requests.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), timeout=10).status_code == 403


def test_signed_urls_expire(serve: Callable[..., Client]) -> None:
    """An hour later, or at once with the fault, the URL is refused in XML."""
    clock = [NOW]
    study = spoken(1)
    client = serve(study, now=lambda: clock[0])
    url = client.video_url(study.sessions[0].session_id)
    clock[0] = NOW + timedelta(hours=1)
    assert "<Code>AccessDenied</Code>" in requests.get(url, timeout=10).text
    client.api.faults.media_expired = True
    assert requests.get(client.video_url(study.sessions[0].session_id), timeout=10).status_code == 403


def test_huge_videos_are_never_held_in_memory(serve: Callable[..., Client]) -> None:
    """The first bytes of a terabyte come at once."""
    study = spoken(1)
    client = serve(study, video_bytes=10**12)
    with requests.get(client.video_url(study.sessions[0].session_id), stream=True, timeout=10) as answer:
        assert answer.headers["Content-Length"] == str(10**12)
        assert next(answer.iter_content(12))[4:8] == b"ftyp"


def test_downloads_break_off(serve: Callable[..., Client]) -> None:
    """A cut download ends at half; the next one is whole."""
    study = spoken(1)
    client = serve(study)
    url = client.video_url(study.sessions[0].session_id)
    client.api.faults.media_cut = 1
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)
    assert len(requests.get(url, timeout=10).content) == client.api.settings.video_bytes


# Faults


def test_an_item_can_fail_alone(serve: Callable[..., Client]) -> None:
    """A status set for a session strikes at all endpoints, or at the named one only."""
    study = spoken(2)
    client = serve(study)
    first, second = (session.session_id for session in study.sessions)
    client.api.faults.status = {first: 500, ("transcript", second): 404}
    assert [client.details(i).status_code for i in (first, second)] == [500, 200]
    assert [client.transcript(i).status_code for i in (first, second)] == [500, 404]


def test_bodies_can_be_damaged(serve: Callable[..., Client]) -> None:
    """Bodies end early with a broken connection, or look whole, or are a page, or no WebVTT."""
    study = spoken(4)
    client = serve(study)
    truncated, cut, html, garbled = (session.session_id for session in study.sessions)
    faults = client.api.faults
    faults.truncated, faults.cut, faults.html = {truncated}, {cut}, {html}
    faults.garbled_transcripts = {garbled}
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.details(truncated)
    with pytest.raises(json.JSONDecodeError):
        json.loads(client.details(cut).text)
    assert client.details(html).headers["Content-Type"] == "text/html"
    with pytest.raises(MalformedFileError):
        webvtt.from_string(client.transcript(garbled).text)


def test_connections_are_dropped(serve: Callable[..., Client]) -> None:
    """Every third API request gets no answer at all, and is logged as such."""
    client = serve(survey())
    client.api.faults.drop_every = 3
    statuses = []
    for _ in range(6):
        try:
            statuses.append(client.get(f"{V1}/workspaces").status_code)
        except requests.ConnectionError:
            statuses.append(0)
    assert statuses == [200, 200, 0, 200, 200, 0] == [request.status for request in client.api.requests()]


def test_listings_can_lie(serve: Callable[..., Client]) -> None:
    """The offset can be ignored, the total be wrong, and a page in the middle be empty."""
    study = survey(6)
    client = serve(study)
    client.api.faults.ignore_offset = True
    client.api.faults.total_count = 99
    lie = client.page(study.test_id, limit=2, offset=2)
    assert lie["meta"]["pagination"] == {"limit": 2, "offset": 0, "totalCount": 99}
    assert lie["sessions"][0]["sessionId"] == study.sessions[0].session_id
    client.api.faults.clear()
    client.api.faults.empty_pages = 1
    assert [len(client.ids(study.test_id, limit=2, offset=2)) for _ in range(2)] == [0, 2]


def test_storms_and_outages_end(serve: Callable[..., Client]) -> None:
    """The next n requests are refused, then all is well; an HTML page stands in when told to."""
    client = serve(survey())
    client.api.faults.storm, client.api.faults.outage = 1, 2
    client.api.faults.html_errors = True
    answers = [client.get(f"{V1}/workspaces") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert "<html>" in answers[0].text
    client.api.faults.token_down = math.inf
    assert [token(client.api).status_code for _ in range(3)] == [503] * 3
    client.api.faults.clear()
    assert token(client.api).status_code == 200


def test_the_world_can_change_between_two_requests(serve: Callable[..., Client]) -> None:
    """`on_request` runs before each answer: a session that arrives between two pages shifts the second."""
    study = survey(4)
    client = serve(study)
    first = client.ids(study.test_id, limit=2)
    client.api.faults.on_request = lambda _: client.api.add_session(study.test_id, finished=NOW + timedelta(1))
    second = client.ids(study.test_id, limit=2, offset=2)
    assert second[0] == first[-1]


def test_many_threads_are_served_at_once(serve: Callable[..., Client]) -> None:
    """Eight requests are in the server at a time, and each is in the log once."""
    client = serve(survey())
    together = threading.Barrier(8)
    client.api.faults.on_request = lambda _: together.wait(30)
    url, headers = f"{client.api.base_url}{V1}/workspaces", dict(client.http.headers)
    threads = [threading.Thread(target=requests.get, args=(url,), kwargs={"headers": headers}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.api.count("workspaces", status=200) == 8


def test_a_stopped_server_comes_back_on_its_port(serve: Callable[..., Client]) -> None:
    """After `stop` nothing answers; after `start` the same address does, with the same world."""
    client = serve(survey())
    client.api.stop()
    with pytest.raises(requests.ConnectionError):
        client.get(f"{V1}/workspaces")
    client.api.start()
    assert client.get(f"{V1}/workspaces").status_code == 200
