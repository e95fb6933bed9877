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
    """The numbers are in a warning and in load_issues; when the list is whole again, so is the table."""
    study = simple_study(n=1_700, newest=ago(hours=1), every=timedelta(minutes=5))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions"])
        api.faults.ignore_offset = lie == "ignored offset"
        api.faults.empty_pages = math.inf if lie == "empty page" else 0
        summary = lab.load()
        assert 500 <= len(lab.ids("sessions")) < 1_700
        assert "of 1,700 sessions listed" in next(iter(summary.tally.warnings))
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
        assert bool(summary.tally.warnings) == (told > 600)
        assert lab.listed() < 8
        new = api.add_session(study.test_id)
        lab.load()
        assert new in lab.ids("sessions")
