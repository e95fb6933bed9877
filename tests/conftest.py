"""What the tests share: the sample API over HTTP, a source that reads it, a pipeline into a real DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest

from usertesting_source import usertesting_source
from usertesting_source.config import UserTestingCredentials
from usertesting_source.sample_api import SampleApi
from usertesting_source.source import UserTestingSource


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a working folder, a user's folder, a dlt folder and short back-offs of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "ERROR")


@pytest.fixture
def source_of() -> Callable[..., UserTestingSource]:
    """A source that reads a sample API: all its tests, without a quota, unless the arguments say otherwise."""

    def make(api: SampleApi, **settings: Any) -> UserTestingSource:
        return usertesting_source(
            **{
                "credentials": UserTestingCredentials(client_id=api.client_id, client_secret=api.client_secret),
                "test_ids": [] if "workspace_ids" in settings else api.test_ids,
                "base_url": api.base_url,
                "token_url": api.token_url,
                "rate_limit": 0,
                **settings,
            }
        )

    return make


@pytest.fixture
def pipeline_of(tmp_path: Path) -> Iterator[Callable[..., dlt.Pipeline]]:
    """A pipeline into a DuckDB file of this test; the same name gives the same pipeline again."""
    made: list[dlt.Pipeline] = []

    def make(name: str = "usertesting", folder: str = "pipelines", database: str = "test.duckdb") -> dlt.Pipeline:
        pipeline = dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(tmp_path / database)),
            dataset_name="usertesting",
            pipelines_dir=str(tmp_path / folder),
        )
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.deactivate() if pipeline.is_active else None


@pytest.fixture
def query() -> Callable[..., list[tuple[Any, ...]]]:
    """Rows of a SQL query on a pipeline's dataset."""

    def run(pipeline: dlt.Pipeline, sql: str) -> list[tuple[Any, ...]]:
        with pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql(sql) or []]

    return run
