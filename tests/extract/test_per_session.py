"""In which order sessions are asked for, and when a resource comes to its end."""

from __future__ import annotations

from pathlib import Path

from tests.support.lab import DETAILS, Lab, ago, all_ids, later
from usertesting_source.sample_api import SampleApi, simple_study


def test_what_failed_before_is_asked_for_last(tmp_path: Path) -> None:
    """Sessions that fail again and again must not keep new ones waiting; in the end all are there."""
    study = simple_study(n=6, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        bad = [session.session_id for session in study.sessions[1:3]]
        api.faults.status.update({("details", session_id): 500 for session_id in bad})
        assert lab.load().exit_code == 3
        assert len(lab.ids("session_details")) == 4
        fresh = [api.add_session(study.test_id) for _ in range(3)]
        with later(hours=1):
            before = len(lab.asked("details"))
            assert lab.load().exit_code == 3
            assert set(lab.asked("details")[before : before + 3]) == set(fresh)
            api.faults.clear()
        with later(hours=3):
            assert lab.load().exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_a_load_package_holds_a_chunk_of_attempts(tmp_path: Path) -> None:
    """What fails counts as well, so that a crash repeats no more than a chunk's requests."""
    study = simple_study(n=9, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        for session in study.sessions[::2]:
            api.faults.status["details", session.session_id] = 404
        assert lab.load(chunk=3).packages == 3
        assert len(lab.ids("session_details")) == 4
        assert len(lab.issues()) == 5
