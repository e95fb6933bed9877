"""
Killed at any point, a load goes on with the next run: every session once, and little is asked for again.

By hand, for hours: `KILLS=200 CRASH_SEED=5 pytest tests/guarantees/test_crash.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.support import killer
from tests.support.lab import DETAILS, Lab, ago, all_ids
from usertesting_source.errors import DestinationError
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import SampleApi, simple_study

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("CRASH_SEED", "7"))
CHUNK = 10
LISTS = 1  # requests of a run that are no session's
POINTS = 300  # about as many as a run of two load packages has


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Each costs at most a chunk's requests; in the end all sessions are there once, with all their child rows."""
    rng = Random(SEED)
    study = simple_study(n=200, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        job = killer.job_of(api, tmp_path, chunk=CHUNK, resources=["sessions", *DETAILS, "transcripts"])
        codes = []
        for _ in range(KILLS):
            before = api.count()
            codes.append(killer.run(replace(job, kill_at=rng.randint(1, POINTS)))[0])
            assert codes[-1] in (0, killer.KILLED)
            assert api.count() - before < 400
        killed = codes.count(killer.KILLED)
        assert killed >= KILLS * 0.7
        assert killer.run(replace(job, chunk=400))[0] == 0  # the rest in one package
        lab = Lab(api, tmp_path)
        _assert_whole(lab)
        again = Counter(lab.asked("details")) + Counter(lab.asked("transcript"))
        repeated = again.total() - 400
        assert repeated <= killed * 2 * CHUNK


def _assert_whole(lab: Lab) -> None:
    """All sessions, each once, and of each as many child rows as it has tasks and cues."""
    ids = all_ids(lab.api)
    assert lab.ids("sessions") == lab.ids("session_details") == lab.ids("transcripts") == ids
    assert Counter(lab.ids("session_details__tasks")) == Counter(dict.fromkeys(ids, 3))
    cues = "select session_id, cue_count from transcripts where cue_count > 0"
    assert Counter(lab.ids("transcripts__cues")) == Counter(dict(lab.query(cues)))
    for table in (
        "sessions",
        "session_details",
        "session_details__tasks",
        "transcripts",
        "transcripts__cues",
    ):
        assert lab.query(f"select count(*) = count(distinct _dlt_id) from {table}") == [(True,)]


@pytest.mark.skipif("POINTS_EVERY" not in os.environ, reason="takes an hour; by hand: POINTS_EVERY=1")
def test_killed_at_every_single_point(tmp_path: Path) -> None:
    """A small load, killed at each of its points in turn, is whole after one more run."""
    study = simple_study(n=5, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:

        def job(name: str, kill_at: int = 0) -> killer.Job:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            made = killer.job_of(api, folder, chunk=2, resources=["sessions", *DETAILS, "transcripts"])
            return replace(made, kill_at=kill_at)

        _, points = killer.run(job("whole"))
        for point in range(1, points + 1, int(os.environ["POINTS_EVERY"])):
            before = api.count()
            killer.run(job(str(point), point))
            assert killer.run(job(str(point)))[0] == 0, point
            _assert_whole(Lab(api, tmp_path / str(point)))
            assert api.count() - before <= 11 + LISTS + 2 * 2, point


@contextmanager
def _missing_column(folder: Path, table: str, column: str) -> Iterator[None]:
    """Somebody has changed a table: the destination takes the others, and fails then."""
    database = str(folder / "test.duckdb")
    for before, after in ((column, "hidden"), ("hidden", column)):
        with duckdb.connect(database) as connection:
            connection.execute(f"alter table usertesting.{table} rename column {before} to {after}")
        if after == "hidden":
            yield


def test_a_destination_that_fails_half_way(tmp_path: Path) -> None:
    """The package that it did not take is finished first by the next run, and nothing is asked for again."""
    study = simple_study(n=12, newest=ago(hours=1), product_type="THINK_OUT_LOUD")
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["sessions", *DETAILS, "transcripts"])
        lab.load(chunk=4, max_minutes=None, watcher=None)
        for _ in range(12):
            api.add_session(study.test_id)
        with _missing_column(tmp_path, "transcripts", "cue_count"):
            summary = lab.load(chunk=4)
            assert isinstance(summary.error, DestinationError)
            assert summary.exit_code == 1
            assert lab.load(chunk=4).exit_code == 1
            assert len(lab.asked("details")) == 16

        class First(Watcher):
            requests: int | None = None

            def committed(self, _rows: object) -> None:
                self.requests = self.requests or api.count("details")

        first = First()
        assert lab.load(chunk=4, watcher=first).exit_code == 0
        assert first.requests == 16
        _assert_whole(lab)
        assert sorted(lab.asked("details")) == sorted(lab.asked("transcript")) == all_ids(api)


def test_a_destination_that_fails_before_anything_was_committed(tmp_path: Path) -> None:
    """The very first package: it waits, too."""
    study = simple_study(n=6, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        (tmp_path / "test.duckdb").write_bytes(b"this is no DuckDB file" * 1000)
        first, second = lab.load(), lab.load()
        assert isinstance(first.error, DestinationError)
        assert isinstance(second.error, DestinationError)
        (tmp_path / "test.duckdb").unlink()
        assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)
        assert len(lab.asked("details")) <= 6


def test_a_database_that_was_deleted_is_filled_again(tmp_path: Path) -> None:
    """The pipeline's folder remembers everything, but the data is what counts."""
    study = simple_study(n=6, newest=ago(hours=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load()
        (tmp_path / "test.duckdb").unlink()
        lab.load()
        assert lab.ids("session_details") == all_ids(api)
