"""Everything else that the API offers: finding tests, QXscores, videos, clips, highlight reels, transcript chunks."""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped] # has no types
import pytest
import requests
from moto.server import ThreadedMotoServer

from usertesting_source import load
from usertesting_source.sample_api import SampleApi, Study, Workspace, legacy, shop_studies, simple_study
from usertesting_source.sample_api.studies import DESIGN, RESEARCH

NOWHERE = "00000000-0000-4000-8000-00000000aaaa"


def recent(n: int, product_type: str | None, **fields: Any) -> Study:
    """A test whose newest session has just finished."""
    newest = datetime.now(timezone.utc) - timedelta(minutes=1)
    return simple_study(n=n, product_type=product_type, newest=newest, every=timedelta(hours=1), **fields)


# -- finding tests -------------------------------------------------------------------------


def test_all_tests_of_all_workspaces_are_found_and_classic_ones_never_asked_for(
    source_of: Any, pipeline_of: Any, query: Any
) -> None:
    """Bare arrays, 50 a page, types compared without case; classic tests are listed in tests with their type."""
    studies = [recent(1, "SURVEY", seed=seed, type="studyv2", workspace_id=RESEARCH) for seed in range(60)]
    classic = Study(NOWHERE, "Old test", "WEB", "INSIGHT_CORE", DESIGN)
    with SampleApi([*studies, classic], rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, workspace_ids=["*"]))
        assert summary.exit_code == 0
        assert query(pipeline, "select count(*), count(distinct test_id) from tests") == [(61, 61)]
        assert query(pipeline, f"select title, type, session_count from tests where test_id = '{NOWHERE}'") == [
            ("Old test", "WEB", None)
        ]
        assert api.count("workspace") == 3 + 2  # two pages, one for the other workspace, and each one's end
        assert not [request for request in api.log if NOWHERE in (request.query.get("testId"), request.path)]
        assert query(pipeline, "select count(*) from session_details") == [(60,)]


@pytest.mark.parametrize(("size", "number", "odd"), [(20, 45, False), (50, 60, True)])
def test_short_pages_and_odd_entries_hide_no_test(
    source_of: Any, pipeline_of: Any, query: Any, monkeypatch: pytest.MonkeyPatch, size: int, number: int, odd: bool
) -> None:
    """The documents promise up to 50 a page, and nothing about what a page may hold besides."""
    monkeypatch.setattr(legacy, "PAGE", size)
    studies = [recent(1, "SURVEY", seed=seed, workspace_id=RESEARCH) for seed in range(number)]
    with SampleApi(studies, rate_limit=None) as api:
        api.faults.odd_studies = odd
        pipeline = pipeline_of()
        assert load(pipeline, source_of(api, workspace_ids=[RESEARCH], resources=["tests"])).exit_code == 0
        assert query(pipeline, "select count(*), count(distinct test_id) from tests") == [(number, number)]


def test_staff_names_stay_out(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """Who ordered a test is personal data of the user's own people."""
    with SampleApi([recent(1, "SURVEY")], rate_limit=None) as api:
        pipeline = pipeline_of()
        load(pipeline, source_of(api, workspace_ids=["*"]))
        names = query(pipeline, "select column_name from information_schema.columns where table_name like 'tests%'")
        assert not [name for (name,) in names if "ordered_by" in name or "email" in name]


def test_a_workspace_that_is_not_visible_is_named_and_the_others_go_on(
    source_of: Any, pipeline_of: Any, query: Any
) -> None:
    """Exit code 3."""
    with SampleApi([recent(2, "SURVEY", workspace_id=RESEARCH)], rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, workspace_ids=[NOWHERE, RESEARCH]))
        assert summary.exit_code == 3
        assert [line for line in summary.tally.failed if NOWHERE in line]
        assert query(pipeline, "select count(*) from session_details") == [(2,)]


def test_a_workspace_page_that_repeats_ends_the_paging(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """A cursor that the API ignores never makes an endless loop."""
    studies = [recent(1, "SURVEY", seed=seed, workspace_id=RESEARCH) for seed in range(55)]
    with SampleApi(studies, rate_limit=None, workspaces=[Workspace(RESEARCH, "Research")]) as api:
        api.faults.repeat_workspace_page = True
        load(pipeline_of(), source_of(api, workspace_ids=[RESEARCH], resources=["tests"]))
        assert api.count("workspace") <= 3


def test_product_types_decide_which_endpoints_are_asked(source_of: Any, pipeline_of: Any) -> None:
    """A survey costs a listing and its details, an interaction test its scores besides, nothing is tried in vain."""
    survey, interaction = recent(3, "SURVEY"), recent(4, "NON_THINK_OUT_LOUD", seed=2)
    with SampleApi([survey, interaction], rate_limit=None) as api:
        load(pipeline_of(), source_of(api, workspace_ids=["*"]))
        counts = {name: api.count(name) for name in ("list", "details", "transcript", "qx_scores")}
        assert counts == {"list": 2, "details": 7, "transcript": 0, "qx_scores": 1}


def test_watching_looks_for_new_tests_once_an_hour(source_of: Any, pipeline_of: Any, time_machine: Any) -> None:
    """Not at every poll."""
    with SampleApi([recent(1, "SURVEY")], rate_limit=None) as api:
        pipeline, source = pipeline_of(), source_of(api, workspace_ids=["*"])
        load(pipeline, source)
        load(pipeline, source)
        assert api.count("workspaces") == 1
        time_machine.move_to(datetime.now(timezone.utc) + timedelta(minutes=61))
        load(pipeline, source)
        assert api.count("workspaces") == 2


# -- scores, clips, reels --------------------------------------------------------------------


def test_a_qx_score_gets_a_row_per_change(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """Asked for only when the test has news; the same score twice is one row; another one is another row."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        pipeline = pipeline_of()
        settings = {"workspace_ids": ["*"], "resources": ["qx_scores"], "quiet_test_days": 0}
        load(pipeline, source_of(api, **settings))
        load(pipeline, source_of(api, **settings))
        assert api.count("qx_scores") == 1
        assert query(pipeline, "select count(*) from qx_scores") == [(1,)]
        (test_id,) = query(pipeline, "select test_id from qx_scores")[0]
        for _ in range(3):
            api.add_session(test_id, troubled=True)
        load(pipeline, source_of(api, **settings))
        scores = query(pipeline, "select qx_score, completes from qx_scores order by extracted_at")
        assert len(scores) == 2
        assert scores[0][0] > scores[1][0]
        assert scores[1][1] == scores[0][1] + 3


@pytest.mark.parametrize("status", [200, 404])
def test_clips_and_reels_are_loaded_when_chosen(source_of: Any, pipeline_of: Any, query: Any, status: Any) -> None:
    """A session without clips may answer 404 or an empty list: both mean none."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None, no_clips_status=status) as api:
        pipeline = pipeline_of()
        settings = {"workspace_ids": ["*"], "resources": ["clips", "highlight_reels"], "quiet_test_days": 0}
        assert load(pipeline, source_of(api, **settings)).exit_code == 0
        assert query(pipeline, "select count(*) > 0, count(*) = count(distinct clip_uuid) from clips") == [(True, True)]
        assert query(pipeline, "select count(*) > 0 from highlight_reels where last_updated_at > '2020-01-01'") == [
            (True,)
        ]
        spent = api.count()
        load(pipeline, source_of(api, **settings))
        assert api.count("clips") + api.count("reels") == api.requests("clips").__len__() + 2
        assert api.count() - spent <= 8  # workspaces and listings alone


def test_a_failing_score_is_tried_again_later_and_resolved(
    source_of: Any, pipeline_of: Any, query: Any, time_machine: Any
) -> None:
    """A test whose scores answer 500 does not stop the rest."""
    with SampleApi([recent(3, "NON_THINK_OUT_LOUD")], rate_limit=None) as api:
        (test_id,) = api.test_ids
        api.faults.status[("qx_scores", test_id)] = 500
        pipeline = pipeline_of()
        assert load(pipeline, source_of(api)).exit_code == 3
        assert query(pipeline, "select status from load_issues where resource = 'qx_scores'") == [("failed",)]
        api.faults.clear()
        time_machine.move_to(datetime.now(timezone.utc) + timedelta(minutes=6))
        assert load(pipeline, source_of(api)).exit_code == 0
        issues = query(pipeline, "select status, resolved_at is not null from load_issues where resource = 'qx_scores'")
        assert issues == [("resolved", True)]


# -- transcripts --------------------------------------------------------------------------------


def test_chunks_cover_the_transcript_once(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """With transcript_chunk_chars: pieces that end at cue borders, carry start and end, and lose no word."""
    with SampleApi([recent(2, "THINK_OUT_LOUD")], rate_limit=None) as api:
        pipeline = pipeline_of()
        load(pipeline, source_of(api, transcript_chunk_chars=300))
        assert query(pipeline, "select max(length(text)) <= 300 from transcripts__chunks") == [(True,)]
        words = "select session_id, string_agg(text, ' ' order by start_ms) from transcripts__{} group by 1 order by 1"
        cues, chunks = (query(pipeline, words.format(table)) for table in ("cues", "chunks"))
        assert [" ".join(text.split()) for _, text in cues] == [" ".join(text.split()) for _, text in chunks]


def test_what_was_said_during_a_task_is_a_view(source_of: Any, pipeline_of: Any, query: Any) -> None:
    """Cues that overlap the task's time span."""
    with SampleApi(shop_studies(sessions=20), rate_limit=None) as api:
        pipeline = pipeline_of()
        load(pipeline, source_of(api, workspace_ids=["*"]))
        assert query(pipeline, "select count(*) > 0 from task_transcripts") == [(True,)]


# -- videos ---------------------------------------------------------------------------------------


def test_videos_are_stored_whole_with_length_and_hash(
    source_of: Any, pipeline_of: Any, query: Any, tmp_path: Path
) -> None:
    """In a local folder, under test and session; the rows say where, how long, and which hash; no URL lands."""
    with SampleApi([recent(7, "THINK_OUT_LOUD")], rate_limit=None) as api:
        pipeline = pipeline_of()
        summary = load(pipeline, source_of(api, video_bucket_url=f"file://{tmp_path}/videos"), chunk=3)
        assert summary.exit_code == 0
        rows = query(pipeline, "select test_id, session_id, size_bytes, sha256, video_storage_path from session_videos")
        assert len(rows) == 7
        for test_id, session_id, size, sha256, path in rows:
            stored = (tmp_path / "videos" / test_id / f"{session_id}.mp4").read_bytes()
            assert (len(stored), hashlib.sha256(stored).hexdigest()) == (size, sha256)
            assert path.endswith(f"{test_id}/{session_id}.mp4")
            assert "X-Amz" not in path
        assert api.count("video_url") == 7
        assert not [request for request in api.requests("media") if request.authorization]


def test_broken_downloads_and_expired_urls_are_overcome(
    source_of: Any, pipeline_of: Any, query: Any, tmp_path: Path
) -> None:
    """Cut connections start again, and no half file is left under a final name."""
    with SampleApi([recent(5, "NON_THINK_OUT_LOUD")], rate_limit=None) as api:
        api.faults.media_cut = 3
        pipeline = pipeline_of()
        settings = {"video_bucket_url": f"file://{tmp_path}/videos", "resources": ["session_videos"]}
        assert load(pipeline, source_of(api, **settings)).exit_code == 0
        assert query(pipeline, "select count(*), min(size_bytes) from session_videos") == [(5, 200_000)]
        assert len(list((tmp_path / "videos").rglob("*.mp4"))) == len(list((tmp_path / "videos").rglob("*.*"))) == 5


def test_a_video_that_is_there_already_is_not_transferred_again(
    source_of: Any, pipeline_of: Any, query: Any, tmp_path: Path
) -> None:
    """A wiped warehouse gets its rows back at the price of one request each, without the bytes."""
    with SampleApi([recent(3, "THINK_OUT_LOUD")], rate_limit=None) as api:
        settings = {"video_bucket_url": f"file://{tmp_path}/videos", "resources": ["session_videos"]}
        load(pipeline_of(), source_of(api, **settings))
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").rglob("*.mp4")}
        again = pipeline_of("another", database="another.duckdb")
        load(again, source_of(api, **settings))
        assert query(again, "select count(*) from session_videos") == [(3,)]
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").rglob("*.mp4")} == before


def test_a_survey_has_no_videos_and_is_not_asked(source_of: Any, pipeline_of: Any, tmp_path: Path) -> None:
    """Where the product type is known."""
    with SampleApi([recent(3, "SURVEY")], rate_limit=None) as api:
        load(pipeline_of(), source_of(api, workspace_ids=["*"], video_bucket_url=f"file://{tmp_path}/videos"))
        assert api.count("video_url") == 0


def test_videos_go_to_s3(source_of: Any, pipeline_of: Any, query: Any, monkeypatch: Any) -> None:
    """The S3 protocol, spoken by a real server."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    section = "SOURCES__USERTESTING_VIDEOS__CREDENTIALS__"
    invented = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented", "ENDPOINT_URL": endpoint}
    for key, value in {**invented, "REGION_NAME": "us-east-1"}.items():
        monkeypatch.setenv(section + key, value)
    try:
        keys = {"aws_access_key_id": "invented", "aws_secret_access_key": "invented"}
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        s3.create_bucket(Bucket="research")
        with SampleApi([recent(4, "THINK_OUT_LOUD")], rate_limit=None) as api:
            pipeline = pipeline_of()
            settings = {"video_bucket_url": "s3://research/videos", "resources": ["session_videos"]}
            assert load(pipeline, source_of(api, **settings)).exit_code == 0
            stored = s3.list_objects_v2(Bucket="research")["Contents"]
            assert sorted(item["Size"] for item in stored) == [200_000] * 4
            assert all(item["Key"].startswith("videos/") and item["Key"].endswith(".mp4") for item in stored)
            assert query(pipeline, "select count(*) from session_videos") == [(4,)]
    finally:
        requests.post(f"{endpoint}/moto-api/reset", timeout=9)  # what it holds outlives it, in its process
        server.stop()


def test_at_most_so_many_downloads_at_a_time(source_of: Any, pipeline_of: Any, tmp_path: Path) -> None:
    """`video_concurrency` is kept, and used."""
    running, most = itertools.count(), []
    active: list[int] = []
    with SampleApi([recent(8, "THINK_OUT_LOUD")], rate_limit=None, video_bytes=400_000) as api:

        def watch(request: Any) -> None:
            if request.endpoint == "media":
                active.append(next(running))
                done = sum(1 for r in api.requests("media") if r.status is not None)
                most.append(len(active) - done)

        api.faults.on_request = watch
        api.faults.latency = 0.05
        settings = {"video_bucket_url": f"file://{tmp_path}/videos", "resources": ["session_videos"]}
        load(pipeline_of(), source_of(api, video_concurrency=2, **settings))
    assert 1 <= max(most) <= 2


def test_the_sample_api_is_reachable_only_with_a_token() -> None:
    """So that the tests above prove something."""
    with SampleApi([recent(1, "SURVEY")], rate_limit=None) as api:
        url = f"{api.base_url}/api/v2/sessionResults?testId={api.test_ids[0]}"
        assert requests.get(url, timeout=9).status_code == 401


def test_no_test_and_a_classic_one_are_said(source_of: Any, pipeline_of: Any) -> None:
    """Not "All loaded": exit code 3, with what to check."""
    with SampleApi([], rate_limit=None, workspaces=[Workspace(RESEARCH, "Research")]) as api:
        summary = load(pipeline_of("empty"), source_of(api, workspace_ids=["*"]))
        assert summary.exit_code == 3
        assert "No test was found" in summary.tally.failed[0]
    classic = Study(NOWHERE, "Old test", "WEB", "INSIGHT_CORE", DESIGN)
    with SampleApi([recent(1, "SURVEY"), classic], rate_limit=None) as api:
        settings = {"test_ids": [NOWHERE], "workspace_ids": ["*"]}
        summary = load(pipeline_of("classic"), source_of(api, **settings))
        assert summary.exit_code == 3
        assert summary.tally.failed == [
            f"Test {NOWHERE} is of type WEB, a classic test, which the Results API does not serve."
        ]
