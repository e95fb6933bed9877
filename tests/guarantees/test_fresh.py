"""Fresh sessions first, quiet tests seldom: what a watch over many tests costs, and how soon it shows news."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, later
from usertesting_source.outcome import Watcher
from usertesting_source.sample_api import Request, SampleApi, simple_study
from usertesting_source.stop import Stop


def test_fresh_sessions_do_not_wait_for_a_backlog(tmp_path: Path) -> None:
    """
    While 200 sessions of one test are worked off under a watch, one that finishes in it, and one that finishes in
    another test, are loaded within a chunk of being listed.
    """
    backlog = simple_study(n=200, newest=ago(days=1), every=timedelta(hours=1), seed=1)
    other = simple_study(n=2, newest=ago(days=1), seed=2)
    with SampleApi([backlog, other], rate_limit=None) as api:
        lab, stop = Lab(api, tmp_path, resources=DETAILS), Stop()
        fresh: list[str] = []
        listed: dict[str, int] = {}

        class Arrivals(Watcher):
            packages = 0

            def committed(self, _rows: object) -> None:
                self.packages += 1
                if self.packages == 2:
                    fresh.extend(api.add_session(study.test_id) for study in (backlog, other))
                if set(fresh) & set(lab.asked("details")) and self.packages > 4:
                    stop.ask()

        def on_request(request: Request) -> None:
            if fresh and request.endpoint == "list":
                listed.setdefault(request.query["testId"], len(lab.asked("details")))

        api.faults.on_request = on_request
        summary = lab.load(chunk=20, watch_minutes=1e-6, watcher=Arrivals(), stop=stop)
        asked = lab.asked("details")
        assert summary.exit_code == 4
        assert len(asked) == len(set(asked)) < 200
        for session_id, test_id in zip(fresh, (backlog.test_id, other.test_id), strict=True):
            assert asked.index(session_id) - listed[test_id] <= 20
        lab.load(chunk=200)
        assert lab.ids("session_details") == sorted(lab.asked("details")) == all_ids(api)


def test_a_test_with_little_to_do_is_loaded_before_a_backlog(tmp_path: Path) -> None:
    """Also when it is listed after it."""
    backlog = simple_study(n=60, newest=ago(days=1), seed=1)
    other = simple_study(n=3, newest=ago(days=1), seed=2)
    with SampleApi([backlog, other], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        lab.load(chunk=30)
        assert set(lab.asked("details")[:3]) == {session.session_id for session in other.sessions}
        oldest_first = [session.session_id for session in reversed(backlog.sessions)]
        assert lab.asked("details")[3:] == oldest_first


def test_quiet_tests_are_listed_once_a_day(tmp_path: Path) -> None:
    """Of 20 tests 17 have had no session for two months: a poll lists the three, and all of them once a day."""
    quiet = [simple_study(n=1, newest=ago(days=60), seed=seed) for seed in range(17)]
    busy = [simple_study(n=1, newest=ago(days=1), seed=seed) for seed in (50, 51, 52)]
    with SampleApi(quiet + busy, rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=["tests", *CHEAP])

        def listings() -> int:
            before = lab.listed()
            lab.load()
            return lab.listed() - before

        assert listings() == 20
        assert listings() == 3
        with later(hours=20):
            assert listings() == 3
            woken = api.add_session(quiet[0].test_id, finished=ago(hours=1))
        with later(hours=24):
            assert listings() == 20
            assert woken in lab.ids("session_details")
            assert listings() == 4
            assert lab.ids("session_details") == all_ids(api)
