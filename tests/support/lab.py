"""A laboratory: a sample API, and loads of it one after the other, each as a new process would do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import time_machine

from usertesting_source import load, usertesting_source
from usertesting_source.config import UserTestingCredentials
from usertesting_source.outcome import Summary
from usertesting_source.sample_api import SampleApi
from usertesting_source.source import UserTestingSource

DETAILS = ["session_details"]
CHEAP = ["sessions", "session_details"]


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
        known = {**self.settings, **settings}
        return usertesting_source(
            **{
                "credentials": UserTestingCredentials(
                    client_id=self.api.client_id, client_secret=self.api.client_secret
                ),
                "test_ids": [] if "workspace_ids" in known else self.api.test_ids,
                "base_url": self.api.base_url,
                "token_url": self.api.token_url,
                "rate_limit": 0,
                **known,
            }
        )

    def pipeline(
        self,
        name: str = "usertesting",
        database: str = "test.duckdb",
        dataset: str = "usertesting",
        pipelines: str = "pipelines",
    ) -> dlt.Pipeline:
        """The pipeline, as a new process finds it."""
        return dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(self.folder / database)),
            dataset_name=dataset,
            pipelines_dir=str(self.folder / pipelines),
        )

    def load(self, chunk: int = 25, *, settings: dict[str, Any] | None = None, **options: Any) -> Summary:
        """Loads, with options of `load`; an error is in the summary."""
        source = self.source(**(settings or {}))
        return load(self.pipeline(), source, chunk, **{"raise_errors": False, **options})

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a SQL query on the dataset."""
        with self.pipeline().sql_client() as client:
            return [tuple(row) for row in client.execute_sql(sql) or []]

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
