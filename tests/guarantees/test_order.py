"""Every session is found, however the API orders, counts and cuts its list."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.lab import CHEAP, Lab, ago, all_ids, later
from usertesting_source.sample_api import SampleApi, simple_study
from usertesting_source.sync import listing


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty sessions fill a page."""
    monkeypatch.setattr(listing, "PAGE", 50)


def test_a_session_that_is_listed_last_is_found_by_the_count(tmp_path: Path) -> None:
    """It has no finish time, which the list sorts to its end, far behind the overlap; each resource gets it once."""
    study = simple_study(n=300, newest=ago(hours=1), every=timedelta(hours=6), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=[*CHEAP, "transcripts"])
        assert lab.load(chunk=1000).exit_code == 0
        before = lab.listed()
        with later(minutes=5):
            lab.load()
            assert lab.listed() == before + 1
            name = api.add_session(study.test_id, finished=ago(days=400), finish_listed=False)
        with later(minutes=10):
            assert lab.load(chunk=1000).exit_code == 0
            for table in (*CHEAP, "transcripts"):
                assert lab.ids(table) == all_ids(api)
            assert lab.asked("details").count(name) == lab.asked("transcript").count(name) == 1
            before = lab.listed()
        with later(minutes=15):
            assert lab.load().exit_code == 0
            assert lab.listed() == before + 1


def test_missing_sessions_are_a_failure(tmp_path: Path) -> None:
    """Pages that do not follow one another: what is missing is said, with exit code 3, until it is there."""
    study = simple_study(n=120, newest=ago(hours=1), every=timedelta(hours=6))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        api.faults.ignore_offset = True
        for hours in (0, 1):
            with later(hours=hours):
                summary = lab.load(chunk=1000)
                assert summary.exit_code == 3
                assert len([line for line in summary.tally.failed if "offset 0" in line]) == 1
        api.faults.clear()
        with later(hours=2):
            assert lab.load(chunk=1000).exit_code == 0
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)


def test_a_count_that_lies_is_said_once_and_costs_one_whole_look(tmp_path: Path) -> None:
    """The API counts a session that it lists nowhere."""
    study = simple_study(n=300, newest=ago(hours=1), every=timedelta(hours=6))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        assert lab.load(chunk=1000).exit_code == 0
        api.faults.total_count = 301
        with later(minutes=5):
            summary = lab.load()
            assert summary.exit_code == 3
            assert "counts" in summary.tally.failed[0]
        before = lab.listed()
        with later(minutes=10):
            lab.load()
            assert lab.listed() == before + 1
