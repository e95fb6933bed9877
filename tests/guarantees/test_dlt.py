"""It is a dlt source like any other: plain runs, fewer resources, limits, hints, threads, refresh."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.support.lab import CHEAP, DETAILS, Lab, ago, all_ids, pipeline_in, settings_of
from usertesting_source import ConfigurationError, load, usertesting_source
from usertesting_source.sample_api import SampleApi, simple_study


def test_plain_runs_of_one_source(tmp_path: Path) -> None:
    """Each run lists anew, and asks for nothing twice."""
    study = simple_study(n=5, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        source, pipeline = lab.source(), lab.pipeline()
        pipeline.run(source)
        api.add_session(study.test_id)
        pipeline.run(source)
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)
        assert sorted(lab.asked("details")) == all_ids(api)
        assert lab.listed() == 2


def test_loads_and_plain_runs_of_one_source_take_turns(tmp_path: Path) -> None:
    """What one wanted (everything, a stop, a chunk) does not stick to the source."""
    study = simple_study(n=5, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        source, pipeline = lab.source(), lab.pipeline()
        load(pipeline, source, 2, full=True, max_minutes=0)
        pipeline.run(source)
        assert lab.ids("session_details") == all_ids(api)
        api.add_session(study.test_id)
        load(pipeline, source)
        api.add_session(study.test_id)
        load(pipeline, source)
        assert lab.ids("session_details") == sorted(lab.asked("details")) == all_ids(api)


def test_a_plain_run_that_failed_does_not_spoil_the_next(tmp_path: Path) -> None:
    """The error passes through the first time, and is forgotten."""
    study = simple_study(n=3, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        source, pipeline = lab.source(), lab.pipeline()
        api.stop()
        with pytest.raises(PipelineStepFailed, match="cannot be reached"):
            pipeline.run(source)
        api.start()
        pipeline.run(source)
        assert lab.ids("session_details") == all_ids(api)


def test_a_limit_takes_a_part_and_leaves_the_rest_due(tmp_path: Path) -> None:
    """add_limit, the usual way to try a source: nothing is lost, a row for load_issues included."""
    study = simple_study(n=9, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        api.faults.status["details", study.sessions[-2].session_id] = 404
        pipeline = lab.pipeline()
        pipeline.run(lab.source().add_limit(4))
        assert api.count("details") in (4, 5)
        api.faults.clear()
        for _ in range(2):
            pipeline.run(lab.source().add_limit(4))
        assert len(lab.ids("session_details")) == 8
        assert len(set(lab.asked("details"))) == len(lab.asked("details")) == 9


def test_resources_in_threads(tmp_path: Path) -> None:
    """parallelize() changes nothing but the order: each test is listed once, each session asked for once."""
    studies = [simple_study(n=30, newest=ago(days=1), product_type="THINK_OUT_LOUD", seed=seed) for seed in (1, 2)]
    with SampleApi(studies, rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        source = lab.source().parallelize()
        load(lab.pipeline(), source, 20)
        assert lab.ids("sessions") == lab.ids("session_details") == lab.ids("transcripts") == all_ids(api)
        assert sorted(lab.asked("details")) == sorted(lab.asked("transcript")) == all_ids(api)
        assert lab.listed() == 2
        api.add_session(studies[0].test_id)
        lab.pipeline().run(source)
        assert lab.ids("session_details") == all_ids(api)


def test_a_load_in_a_thread(tmp_path: Path) -> None:
    """As orchestrators do it: signals are left alone, the result is the same."""
    with SampleApi([simple_study(n=3, newest=ago(days=1))], rate_limit=None) as api:
        lab, summaries = Lab(api, tmp_path, resources=DETAILS), []
        thread = threading.Thread(target=lambda: summaries.append(lab.load()))
        thread.start()
        thread.join(60)
        assert summaries[0].exit_code == 0
        assert lab.ids("session_details") == all_ids(api)


def test_fewer_resources_and_hints(tmp_path: Path) -> None:
    """with_resources leaves the others alone; apply_hints reaches the table."""
    with SampleApi([simple_study(n=3, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path)
        source = lab.source().with_resources("sessions")
        source.sessions.apply_hints(table_name="completed", columns={"test_id": {"description": "ours"}})
        lab.pipeline().run(source)
        assert lab.ids("completed") == all_ids(api)
        assert api.count("details") == 0
        assert lab.pipeline().default_schema.tables["completed"]["columns"]["test_id"]["description"] == "ours"


def test_refresh_loads_the_chosen_resources_anew(tmp_path: Path) -> None:
    """drop_resources forgets what they had loaded, and their tables; the others keep theirs."""
    study = simple_study(n=4, newest=ago(days=1))
    with SampleApi([study], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        lab.load()
        source = lab.source().with_resources("session_details")
        lab.pipeline().run(source, refresh="drop_resources")
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)
        assert sorted(lab.asked("details")) == sorted(all_ids(api) * 2)
        assert lab.load().rows == {}


def test_several_sources_in_one_run(tmp_path: Path) -> None:
    """Each with tests of its own, into the same tables."""
    one, two = (simple_study(n=3, newest=ago(days=1), seed=seed) for seed in (1, 2))
    with SampleApi([one, two], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        sources = [lab.source(test_ids=[study.test_id]) for study in (one, two)]
        lab.pipeline().run(sources)
        lab.pipeline().run([lab.source(test_ids=[study.test_id]) for study in (one, two)])
        assert lab.ids("sessions") == lab.ids("session_details") == sorted(lab.asked("details")) == all_ids(api)


def test_building_a_source_sends_nothing(tmp_path: Path) -> None:
    """Schedulers build it every few seconds."""
    with SampleApi([simple_study(n=3)], rate_limit=None) as api:
        source = Lab(api, tmp_path).source(rate_limit=10)
        assert set(source.selected_resources) >= {"sessions", "session_details"}
        assert api.log == []


def test_load_refuses_a_limit(tmp_path: Path) -> None:
    """It would begin package after package, and load everything all the same."""
    with SampleApi([simple_study(n=9, newest=ago(days=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=DETAILS)
        with pytest.raises(ConfigurationError, match=r"add_limit.*session_details.*max_minutes"):
            load(lab.pipeline(), lab.source().add_limit(3))
        assert api.count() == 0


@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_refresh_drops_once_and_then_loads_to_the_end(
    tmp_path: Path, refresh: Literal["drop_sources", "drop_resources", "drop_data"]
) -> None:
    """Not with each package: that would drop what the run itself has loaded, for ever."""
    with SampleApi([simple_study(n=9, newest=ago(hours=1))], rate_limit=None) as api:
        lab = Lab(api, tmp_path, resources=CHEAP)
        assert lab.load().exit_code == 0
        pipeline = lab.pipeline()
        pipeline.refresh = refresh
        before = len(lab.asked("details"))
        assert load(pipeline, lab.source(), 2).exit_code == 0
        assert pipeline.refresh == refresh
        assert len(lab.asked("details")) == before + 9
        assert lab.ids("sessions") == lab.ids("session_details") == all_ids(api)
        assert lab.load().exit_code == 0
        assert len(lab.asked("details")) == before + 9


def test_errors_of_a_cloned_source_name_its_section(tmp_path: Path) -> None:
    """Where its settings are read from; also in what fails while it runs."""
    with SampleApi([simple_study(n=3, newest=ago(hours=1))], rate_limit=None) as api:
        team = usertesting_source.clone(name="team", section="team")
        with pytest.raises(ConfigurationError, match=r"`sources\.team\.test_ids` cannot be '12'"):
            team(**settings_of(api, test_ids=["12"]))
        source = team(**settings_of(api))
        api.stop()
        summary = load(pipeline_in(tmp_path), source, raise_errors=False)
        assert "sources.team.token_url" in str(summary.error)
