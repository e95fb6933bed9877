"""
A laboratory: a sample API, a source that reads it, a pipeline into a real DuckDB file, and loads one after the other.

Everything that a test sets up for a load is here; `conftest.py` offers it as fixtures, `killer.py` in processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import duckdb
import time_machine

from usertesting_source import load, usertesting_source
from usertesting_source.config import UserTestingCredentials
from usertesting_source.outcome import Summary
from usertesting_source.sample_api import SampleApi
from usertesting_source.source import UserTestingSource

DETAILS = ["session_details"]
CHEAP = ["sessions", "session_details"]


ROOT = Path(__file__).parents[2]


def machine(folder: Path) -> dict[str, str]:
    """The environment of a machine of one's own: all folders in `folder`, nobody called, short back-offs."""
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),  # for processes
        "XDG_STATE_HOME": str(folder / "state"),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }


def settings_of(api: SampleApi, **settings: Any) -> dict[str, Any]:
    """The settings of a source that reads `api`: all its tests, without a quota, unless `settings` say otherwise."""
    return {
        "credentials": UserTestingCredentials(client_id=api.client_id, client_secret=api.client_secret),
        "test_ids": [] if "workspace_ids" in settings else api.test_ids,
        "base_url": api.base_url,
        "token_url": api.token_url,
        "rate_limit": 0,
        "look_up_titles": False,  # so that tests count what they are about
        **settings,
    }


def environment(api: SampleApi, **settings: str | None) -> dict[str, Any]:
    """What a user would have set to load the first test of `api`; `settings`, in capitals, replace, None removes."""
    keys = {
        "BASE_URL": api.base_url,
        "TOKEN_URL": api.token_url,
        "CREDENTIALS__CLIENT_ID": api.client_id,
        "CREDENTIALS__CLIENT_SECRET": api.client_secret,
        "TEST_IDS": api.test_ids[0],
        "RATE_LIMIT": "0",
        "LOOK_UP_TITLES": "false",
        **settings,
    }
    return {f"SOURCES__USERTESTING__{key}": value for key, value in keys.items()}


def source_of(api: SampleApi, **settings: Any) -> UserTestingSource:
    """A new source with `settings_of`."""
    return usertesting_source(**settings_of(api, **settings))


def pipeline_in(
    folder: Path,
    name: str = "usertesting",
    pipelines: str = "pipelines",
    database: str = "test.duckdb",
    dataset: str = "usertesting",
    destination: Any = None,
    **options: Any,
) -> dlt.Pipeline:
    """The pipeline into a DuckDB file in `folder`, or into another `destination`, as a new process finds it."""
    made: dlt.Pipeline = dlt.pipeline(
        name,
        destination=destination or dlt.destinations.duckdb(str(folder / database)),
        dataset_name=dataset,
        pipelines_dir=str(folder / pipelines),
        **options,
    )
    return made


def query(pipeline: dlt.Pipeline, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a SQL query on a pipeline's dataset."""
    with pipeline.sql_client() as client:
        return [tuple(row) for row in client.execute_sql(sql) or []]


def now() -> datetime:
    """The moment, UTC."""
    return datetime.now(timezone.utc)


def ago(**units: float) -> datetime:
    """So long ago: `ago(days=3)`."""
    return now() - timedelta(**units)


class Lab:
    """
    Loads from one sample API into one DuckDB file.

    Args:
        api: the sample API; its tests are all loaded, unless `settings` say otherwise.
        folder: where the pipeline and the DuckDB file are.
        settings: of the source.

    """

    def __init__(self, api: SampleApi, folder: Path, **settings: Any) -> None:
        self.api = api
        self.folder = folder
        self.settings = settings

    def source(self, **settings: Any) -> UserTestingSource:
        """A new source, without a quota."""
        return source_of(self.api, **{**self.settings, **settings})

    def pipeline(self, name: str = "usertesting", **place: str) -> dlt.Pipeline:
        """The pipeline, as a new process finds it; `place` as for `pipeline_in`."""
        return pipeline_in(self.folder, name, **place)

    def load(self, chunk: int = 25, *, settings: dict[str, Any] | None = None, **options: Any) -> Summary:
        """Loads, with options of `load`; an error is in the summary."""
        source = self.source(**(settings or {}))
        return load(self.pipeline(), source, chunk, **{"raise_errors": False, **options})

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a SQL query on the dataset, as any reader of the file gets them: in half of the time of dlt's."""
        with duckdb.connect(str(self.folder / "test.duckdb")) as database:
            database.execute("set timezone = 'UTC'; use usertesting")
            return database.execute(sql).fetchall()

    def ids(self, table: str, where: str = "true") -> list[str]:
        """Session ids in a table, sorted, each as often as it is there."""
        return [row[0] for row in self.query(f"select session_id from {table} where {where} order by 1")]

    def issues(self) -> list[tuple[Any, ...]]:
        """Rows of `load_issues`: resource, session, status, attempts, resolved."""
        return self.query(
            "select resource, session_id, status, attempts, resolved_at is not null from load_issues order by all"
        )

    def asked(self, endpoint: str) -> list[str]:
        """The ids in the requests of an endpoint so far, in order; each as often as it was asked for."""
        return [request.path.split("/")[4] for request in self.api.requests(endpoint)]

    def listed(self, test_id: str | None = None) -> int:
        """How many requests for listings there were, for one test or all."""
        return sum(test_id in (None, r.query.get("testId")) for r in self.api.requests("list"))


@contextmanager
def later(**units: float) -> Iterator[None]:
    """The same, but so long after: for wall clocks, of the source and of the sample API."""
    with time_machine.travel(now() + timedelta(**units), tick=True):
        yield


def all_ids(api: SampleApi) -> list[str]:
    """Every session that the API lists at this moment, sorted."""
    return sorted(session.session_id for test_id in api.test_ids for session in api.state.listing(test_id))
