"""A bad item, a lying list, an API or a token that goes away: the rest is loaded, and what is missing is said aloud."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, later
from usertesting_source.errors import ApiUnavailable, CredentialsError
from usertesting_source.sample_api import Request, SampleApi, shop_studies, simple_study
from usertesting_source.sample_api.replies import Refused, page


def test_bad_sessions_do_not_stop_the_rest(tmp_path: Path) -> None:
    """
    One answers 500 for ever, one with half a body, one with HTML, one transcript is no WebVTT: each has a row in
    load_issues and is asked for again later, the others are loaded. Exit code 3 only in the run that failed.
    """
    study = simple_study(n=10, newest=ago(days=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*DETAILS, "transcripts"], workspace_ids=["*"])
        ids = [session.session_id for session in study.sessions]
        api.faults.status["details", ids[1]] = 500
        api.faults.cut = {ids[3]}
        api.faults.html = {ids[5]}
        api.faults.garbled_transcripts = {ids[7]}
        summary = lab.load()
        assert summary.exit_code == 3
        assert lab.ids("session_details") == sorted(set(ids) - {ids[1], ids[3], ids[5]})
        assert lab.ids("transcripts") == sorted(set(ids) - {ids[5], ids[7]} - set(_cut_transcripts(lab)))
        failed = {(resource, session) for resource, session, *_ in lab.issues()}
        assert failed >= {("session_details", ids[i]) for i in (1, 3, 5)} | {("transcripts", ids[7])}
        spent = api.count()
        assert lab.load().exit_code == 0
        assert api.count() - spent == 5
        with later(minutes=6):
            assert lab.load().exit_code == 3
            spent = api.count()
            assert lab.load().exit_code == 0
            assert api.count() - spent == 5
        api.faults.clear()
        with later(minutes=30):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == lab.ids("transcripts") == all_ids(api)
        assert {issue[2:] for issue in lab.issues()} == {("resolved", 2, True)}


def _cut_transcripts(lab: Lab) -> list[str]:
    """Half a WebVTT file may well be a WebVTT file."""
    return [session for resource, session, *_ in lab.issues() if resource == "transcripts"]


def test_what_is_forbidden_concerns_itself_alone(tmp_path: Path) -> None:
    """403 for a session, a transcript or a whole test: named with a remedy, and the rest is loaded."""
    studies = [simple_study(n=4, newest=ago(days=1), product_type="THINK_OUT_LOUD", seed=seed) for seed in (1, 2)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*DETAILS, "transcripts"], workspace_ids=["*"])
        (one, two, *_), hidden = (session.session_id for session in studies[0].sessions), studies[1].test_id
        api.faults.status = {("details", one): 403, ("transcript", two): 403, ("list", hidden): 403}
        summary = lab.load()
        assert (summary.exit_code, summary.error) == (3, None)
        assert len(lab.ids("session_details")) == len(lab.ids("transcripts")) == 3
        assert all(sum(item in line and "403" in line for line in summary.tally.failed) for item in (one, two, hidden))
        api.faults.clear()
        with later(hours=1):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == lab.ids("transcripts") == all_ids(api)


def test_a_session_that_fails_for_two_weeks_is_given_up(tmp_path: Path) -> None:
    """It is asked for once a day in the end, and then no more; its row stays open."""
    study = simple_study(n=2, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        bad = study.sessions[0].session_id
        api.faults.status["details", bad] = 404
        lab.load()
        for days in (13.9, 14.1):
            with later(days=days):
                lab.load()
        with later(days=40):
            assert lab.load().exit_code == 0
        assert lab.asked("details").count(bad) == 3
        assert lab.issues() == [("session_details", bad, "given_up", 3, False)]


def test_an_endpoint_that_is_down_costs_few_requests(tmp_path: Path) -> None:
    """After some failures in a row it is left for the next run, and all else is loaded."""
    studies = [simple_study(n=20, newest=ago(days=1), product_type="THINK_OUT_LOUD", seed=seed) for seed in (1, 2, 3)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*DETAILS, "transcripts"], workspace_ids=["*"])
        api.faults.on_request = lambda request: _fail_transcripts(api, request)
        assert lab.load(chunk=60).exit_code == 3
        assert len(lab.ids("session_details")) == 60
        assert len(set(lab.asked("transcript"))) == 6
        api.faults.on_request = None
        api.faults.clear()
        with later(minutes=6):
            assert lab.load(chunk=60).exit_code == 0
        assert lab.ids("transcripts") == all_ids(api)


def _fail_transcripts(api: SampleApi, request: Request) -> None:
    if request.endpoint == "transcript":
        api.faults.status["transcript", request.path.split("/")[4]] = 503


def test_an_api_that_is_down_stops_the_run(tmp_path: Path) -> None:
    """What was loaded is kept, and a later run goes on."""
    studies = [simple_study(n=20, newest=ago(days=1), seed=seed) for seed in (1, 2, 3)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)

        def on_request(_: Request) -> None:
            if api.count("details") == 30:
                api.faults.outage = math.inf

        api.faults.on_request = on_request
        summary = lab.load()
        assert isinstance(summary.error, ApiUnavailable)
        assert summary.exit_code == 1
        assert len(lab.ids("session_details")) == 29
        api.faults.clear()
        with later(minutes=6):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


@pytest.mark.parametrize(("spared", "exit_code", "requests"), [("", 1, 5), ("list", 3, 4 + 6)])
def test_a_gateway_s_page_for_everything_is_an_outage(
    tmp_path: Path, spared: str, exit_code: int, requests: int
) -> None:
    """With status 200, and found out after a few requests; the same page for one session concerns that one."""
    studies = [simple_study(n=20, newest=ago(days=1), seed=seed) for seed in (1, 2, 3, 4)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)

        def on_request(request: Request) -> None:
            if request.endpoint not in ("token", spared):
                raise Refused(page(200))

        api.faults.on_request = on_request
        summary = lab.load()
        assert isinstance(summary.error, ApiUnavailable) == (exit_code == 1)
        assert summary.exit_code == exit_code
        assert api.count() <= requests
        api.faults.on_request = None
        api.faults.html = {studies[0].sessions[3].session_id}
        with later(days=1):
            assert lab.load().exit_code == 3
        assert len(lab.ids("session_details")) == 79


def test_an_api_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    """Exit code 1, and the next run goes on."""
    study = simple_study(n=12, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load(chunk=5, max_minutes=0)
        api.stop()
        summary = lab.load()
        assert isinstance(summary.error, ApiUnavailable)
        assert api.base_url in str(summary.error)
        api.start()
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_tokens_that_expire_all_the_time(tmp_path: Path) -> None:
    """After 20 requests each, and revoked in the middle: nothing is lost, or asked for twice beyond the 401s."""
    with SampleApi(shop_studies(sessions=60), rate_limit=None, token_requests=20) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)

        def on_request(_: Request) -> None:
            if api.count("details") == 33:
                api.revoke_tokens()

        api.faults.on_request = on_request
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        good = [r.path for r in api.requests("details", status=200)]
        assert len(good) == len(set(good)) == 60
        assert api.count(status=401) <= 6


def test_an_auth_server_that_is_down_for_a_while(tmp_path: Path) -> None:
    """Exit code 1; what was fetched before is committed, and the next run goes on there."""
    study = simple_study(n=40, newest=ago(days=1))
    with SampleApi([study], rate_limit=None, token_requests=20) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)

        def on_request(request: Request) -> None:
            if request.endpoint == "details":
                api.faults.token_down = math.inf

        api.faults.on_request = on_request
        summary = lab.load(chunk=100)
        assert isinstance(summary.error, ApiUnavailable)
        assert summary.exit_code == 1
        assert summary.left == 21
        assert len(lab.ids("session_details")) == 19
        api.faults.clear()
        assert lab.load().exit_code == 0
        assert sorted(r.path.split("/")[4] for r in api.requests("details", status=200)) == all_ids(api)


def test_refused_credentials_stop_the_run_at_once(tmp_path: Path) -> None:
    """With the first request, and a remedy."""
    with SampleApi([simple_study(n=2)], rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        api.client_id = "somebody-else"
        summary = lab.load()
        assert isinstance(summary.error, CredentialsError)
        assert summary.exit_code == 1
        assert api.count() == 0


# -- 403 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["list", "details", "transcript", "video_url", "clips", "qx_scores", "reels"])
def test_403_on_one_thing_concerns_it_alone(tmp_path: Path, endpoint: str) -> None:
    """A test, a session, a score: an issue, exit code 3, and the rest is loaded; when it is allowed, so is that."""
    kinds = ("NON_THINK_OUT_LOUD", "THINK_OUT_LOUD", "NON_THINK_OUT_LOUD")
    studies = [simple_study(n=5, newest=ago(hours=1), product_type=kind, seed=i) for i, kind in enumerate(kinds)]
    with SampleApi(studies, rate_limit=None) as api:
        resources = [*CHEAP, "transcripts", "session_videos", "clips", "qx_scores", "highlight_reels"]
        bucket = (tmp_path / "videos").as_uri()
        lab = Lab(api, tmp_path, resources=resources, workspace_ids=["*"], video_bucket_url=bucket)
        per_test = endpoint in ("list", "qx_scores", "reels")
        study = studies[0] if endpoint == "qx_scores" else studies[1]
        item = study.test_id if per_test else study.sessions[2].session_id
        api.faults.status[endpoint, item] = 403
        summary = lab.load()
        assert (summary.exit_code, len(summary.tally.failed)) == (3, 1)
        assert "forbids these credentials to read" in summary.tally.failed[0]
        assert [issue[2:4] for issue in lab.issues()] == [("failed", 1)]
        if endpoint == "details":
            assert lab.ids("session_details") == sorted(set(all_ids(api)) - {item})
        if endpoint == "list":
            assert len(lab.ids("session_details")) == 10
        assert lab.load().exit_code == 0
        api.faults.clear()
        with later(hours=1, minutes=1):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        assert [issue[2] for issue in lab.issues()] == ["resolved"]


@pytest.mark.parametrize("tests", [1, 3, 20])
def test_403_on_everything_stops_the_run(tmp_path: Path, tests: int) -> None:
    """After a few requests, with the remedy, today and tomorrow; when it is allowed, all is loaded."""
    studies = [simple_study(n=2, newest=ago(days=1), seed=seed) for seed in range(tests)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        api.faults.outage, api.faults.outage_status = math.inf, 403
        for days in (0, 1):
            with later(days=days):
                before = api.count()
                summary = lab.load()
                assert isinstance(summary.error, CredentialsError)
                assert "plan includes the Results API" in str(summary.error)
                assert summary.exit_code == 1
                assert api.count() - before <= 5
        api.faults.clear()
        with later(days=2):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_workspaces_that_nobody_may_list_stop_the_run(tmp_path: Path) -> None:
    """There is nothing to go on with."""
    with SampleApi([simple_study(n=1)], rate_limit=None) as api:
        api.faults.outage, api.faults.outage_status = math.inf, 403
        summary = Lab(api, tmp_path, workspace_ids=["*"]).load()
        assert isinstance(summary.error, CredentialsError)
        assert api.count() == 1


def test_an_endpoint_that_is_forbidden_is_left_alone_for_a_run(tmp_path: Path) -> None:
    """After some sessions of two tests; all else is loaded."""
    studies = [simple_study(n=20, newest=ago(days=1), product_type="THINK_OUT_LOUD", seed=seed) for seed in (1, 2, 3)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*DETAILS, "transcripts"], workspace_ids=["*"])
        for session_id in all_ids(api):
            api.faults.status["transcript", session_id] = 403
        summary = lab.load(chunk=60)
        assert (summary.exit_code, len(summary.tally.failed)) == (3, 6)
        assert len(lab.ids("session_details")) == 60
        assert api.count("transcript") == 6
        assert {issue[:1] + issue[2:3] for issue in lab.issues()} == {("transcripts", "failed")}
        api.faults.clear()
        with later(minutes=6):
            assert lab.load(chunk=60).exit_code == 0
        assert lab.ids("transcripts") == all_ids(api)


def test_details_that_nobody_may_read_stop_the_run(tmp_path: Path) -> None:
    """All of several tests, and nothing else works: those are not the tests."""
    studies = [simple_study(n=20, newest=ago(days=1), seed=seed) for seed in (1, 2, 3)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        for session_id in all_ids(api):
            api.faults.status["details", session_id] = 403
        summary = lab.load()
        assert isinstance(summary.error, CredentialsError)
        assert api.count("details") == 6


# -- broken tests and good ones --------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 403, 404])
def test_broken_tests_first_in_the_list_do_not_starve_good_ones(tmp_path: Path, status: int) -> None:
    """Three of them, in a daily run: what is new in the others is loaded, from the first day on."""
    studies = [simple_study(n=2, newest=ago(hours=1), seed=seed) for seed in range(5)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["tests", *CHEAP])
        good = [study.test_id for study in studies[3:]]
        for study in studies[:3]:
            api.faults.status[study.test_id] = status
        for days in (0, 1, 2):
            with later(days=days):
                fresh = [api.add_session(test_id) for test_id in good]
                assert lab.load().exit_code == 3
                assert set(fresh) <= set(lab.ids("session_details"))
        api.faults.clear()
        with later(days=3):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_many_broken_tests_first_in_the_list_delay_good_ones_by_a_day(tmp_path: Path) -> None:
    """On the first day they look like an API that is down; from the next on they go last."""
    studies = [simple_study(n=2, newest=ago(hours=1), seed=seed) for seed in range(9)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["tests", *CHEAP])
        for study in studies[:7]:
            api.faults.status[study.test_id] = 500
        assert isinstance(lab.load().error, ApiUnavailable)
        with later(days=1):
            assert lab.load().exit_code == 3
        good = [session.session_id for study in studies[7:] for session in study.sessions]
        assert lab.ids("session_details") == sorted(good)


def test_tests_with_broken_details_do_not_starve_good_ones(tmp_path: Path) -> None:
    """They can be listed, but nothing else; new sessions of theirs every day fail as well."""
    studies = [simple_study(n=4, newest=ago(hours=1), seed=seed) for seed in range(4)]
    broken = [study.test_id for study in studies[:2]]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)

        def on_request(request: Request) -> None:
            if request.endpoint == "details" and api.state.sessions[request.path.split("/")[4]].test_id in broken:
                api.faults.status["details", request.path.split("/")[4]] = 500

        api.faults.on_request = on_request
        for days in (0, 1, 2, 3):
            with later(days=days):
                for study in studies:
                    for minutes in range(4):
                        api.add_session(study.test_id, finished=ago(minutes=minutes))
                summary = lab.load()
        assert summary.exit_code == 3
        good = {session.session_id for test_id in api.test_ids[2:] for session in api.state.listing(test_id)}
        assert lab.ids("session_details") == sorted(good)


def test_an_api_that_is_down_from_the_beginning_costs_few_requests(tmp_path: Path) -> None:
    """Today, and for days: five tests are asked, each with its retries."""
    studies = [simple_study(n=2, newest=ago(days=1), seed=seed) for seed in range(12)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["tests", *CHEAP])
        api.faults.outage = math.inf
        for days in (0, 1, 2, 3):
            with later(days=days):
                before = len(api.requests("list"))
                assert isinstance(lab.load().error, ApiUnavailable)
                assert len({request.query["testId"] for request in api.requests("list")[before:]}) <= 10


# -- lists that lie -----------------------------------------------------------------------


def test_more_sessions_than_the_api_lists(tmp_path: Path) -> None:
    """10,500 can be reached: they are loaded, and the others are counted aloud, once."""
    study = simple_study(n=11_003, newest=ago(hours=1), every=timedelta(minutes=5))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        summary = lab.load()
        assert len(set(lab.ids("sessions"))) == len(lab.ids("sessions")) == 10_500
        assert "503 older ones cannot be loaded" in next(iter(summary.tally.warnings))
        issue = "select status, message from load_issues"
        assert [row[0] for row in lab.query(issue)] == ["given_up"]
        assert "503 older ones" in lab.query(issue)[0][1]
        new = api.add_session(study.test_id)
        assert lab.load().exit_code == 0
        assert new in lab.ids("sessions")


@pytest.mark.parametrize("lie", ["ignored offset", "empty page"])
def test_lists_with_holes_are_loaded_as_far_as_they_go(tmp_path: Path, lie: str) -> None:
    """The numbers are in the output and in load_issues, with exit code 3, until the list is whole again."""
    study = simple_study(n=1_700, newest=ago(hours=1), every=timedelta(minutes=5))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        api.faults.ignore_offset = lie == "ignored offset"
        api.faults.empty_pages = math.inf if lie == "empty page" else 0
        summary = lab.load()
        assert 500 <= len(lab.ids("sessions")) < 1_700
        assert summary.exit_code == 3
        assert "of 1,700 sessions listed" in summary.tally.failed[0]
        assert [row[0] for row in lab.query("select status from load_issues")] == ["failed"]
        assert lab.listed() < 12
        api.faults.clear()
        assert lab.load().exit_code == 0
        assert lab.ids("sessions") == all_ids(api)
        assert [row[0] for row in lab.query("select status from load_issues")] == ["resolved"]


@pytest.mark.parametrize("told", [3, 10**6])
def test_a_lying_count_hides_nothing(tmp_path: Path, told: int) -> None:
    """Too small: all that is listed is loaded. Too large: said aloud, and not asked for without end."""
    study = simple_study(n=600, newest=ago(hours=1), every=timedelta(minutes=5))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        api.faults.total_count = told
        summary = lab.load()
        assert lab.ids("sessions") == all_ids(api)
        assert summary.exit_code == (3 if told > 600 else 0)
        assert lab.listed() < 8
        new = api.add_session(study.test_id)
        lab.load()
        assert new in lab.ids("sessions")
