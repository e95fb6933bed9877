"""
What the tests share: each has a machine of its own, and `tests/support/lab.py` as fixtures.

dlt is imported inside of the fixtures: the process that only hands out tests to workers does without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import dlt

    from usertesting_source.source import UserTestingSource


# other examples in each run, as fast as a busy machine lets them be; the same ones with --hypothesis-profile=ci
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: twice as many workers as cores, because a test waits half of its time; each takes some 300 MB."""
    return min(2 * (os.cpu_count() or 1), 16)


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a working folder, a dlt folder and short back-offs of its own, and leaves nothing in dlt's."""
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.utils import get_resolved_traces
    from dlt.common.pipeline import PipelineContext

    from tests.support import lab

    monkeypatch.chdir(tmp_path)
    for key, value in lab.machine(tmp_path).items():
        monkeypatch.setenv(key, value)
    yield
    Container()[PipelineContext].deactivate()
    # holds configurations, these the errors that they met, these the frames of the test and so whatever it opened:
    # kept until the interpreter ends, that is too late for DuckDB, which tells it at length
    get_resolved_traces().clear()


@pytest.fixture
def source_of() -> Callable[..., UserTestingSource]:
    """A source that reads a sample API: see `lab.source_of`."""
    from tests.support import lab

    return lab.source_of


@pytest.fixture
def pipeline_of(tmp_path: Path) -> Callable[..., dlt.Pipeline]:
    """A pipeline into a DuckDB file of this test: see `lab.pipeline_in`."""
    from tests.support import lab

    return partial(lab.pipeline_in, tmp_path)


@pytest.fixture
def query() -> Callable[..., list[tuple[Any, ...]]]:
    """Rows of a SQL query on a pipeline's dataset."""
    from tests.support import lab

    return lab.query
