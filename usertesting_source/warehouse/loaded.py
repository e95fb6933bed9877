"""What the destination holds of the sessions inside the overlaps, read for the resources that go by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import dlt
from dlt.common.configuration.container import Container
from dlt.common.destination.exceptions import DestinationException
from dlt.common.pipeline import PipelineContext

from ..errors import DestinationError, DestinationLocked
from ..sync.loaded import FORGOTTEN, Loaded
from ..times import moment, parse_time
from .connection import LOCK_PATIENCE_S, Connection, batches, connected, has_sql, is_locked, placeholders

TESTS_A_QUERY = 50
_COLUMNS = ("session_id", "test_id", "finish_time", "start_time", "listing_mark", "removed_at", "_dlt_load_id")

_WHOLE = "_dlt_load_id IN (SELECT load_id FROM {_dlt_loads} WHERE status = 0)"
"""Of packages that were loaded to their end: where merges are no transactions, a row may be there without children."""
SPARSE = {"clips"}
"""Tables that say nothing of a session that has none."""

Row = dict[str, Any]
BySession = dict[str, Loaded]


def active_pipeline() -> dlt.Pipeline | None:
    """The pipeline that dlt is running; None where a source is read without one."""
    context = Container()[PipelineContext]
    return cast("dlt.Pipeline", context.pipeline()) if context.is_active() else None


class LoadedSessions:
    """
    Reads tables of sessions in the dataset of a pipeline.

    What cannot be asked (a destination without SQL, a table that is not there, has another name, or is of an older
    version) holds nothing, as far as this tells.

    Args:
        pipeline: gives the pipeline; None: there is none.
        patience: for how many seconds a DuckDB file that another program holds is waited for.

    """

    def __init__(
        self,
        pipeline: Callable[[], dlt.Pipeline | None] = active_pipeline,
        patience: Callable[[], float] = lambda: LOCK_PATIENCE_S,
    ) -> None:
        self._pipeline = pipeline
        self._patience = patience

    def since(self, table: str, windows: Mapping[str, int]) -> dict[str, BySession]:
        """By test, the sessions in `table` that finished since the moment (ms) that `windows` has for their test."""
        found: dict[str, BySession] = {test_id: {} for test_id in windows}
        with self._open(table) as db:
            for tests in batches(windows, TESTS_A_QUERY) if db else ():
                assert db is not None
                one = "(test_id = %s AND (finish_time >= %s OR finish_time IS NULL))"
                values = [value for test_id in tests for value in (test_id, moment(windows[test_id]))]
                for row in db.select(table, _COLUMNS, f"({' OR '.join([one] * len(tests))}) AND {_WHOLE}", *values):
                    _add(found[row["test_id"]], row)
        return found

    def these(self, table: str, session_ids: Sequence[str]) -> BySession:
        """Of some sessions, those that `table` holds."""
        found: BySession = {}
        with self._open(table) as db:
            for ids in batches(session_ids) if db else ():
                assert db is not None
                for row in db.select(table, _COLUMNS, f"session_id IN ({placeholders(ids)}) AND {_WHOLE}", *ids):
                    _add(found, row)
        return found

    def forgotten(self) -> dict[str, BySession]:
        """By test, the sessions that were forgotten on request."""
        found: defaultdict[str, BySession] = defaultdict(dict)
        with self._open("session_details") as db:
            for row in db.select("session_details", _COLUMNS, "listing_mark = %s", FORGOTTEN) if db else ():
                _add(found[row["test_id"]], row)
        return found

    def everything(self, table: str, test_id: str) -> set[str] | None:
        """The ids of all sessions of a test that `table` holds, or that its issues tell of; None: nobody can say."""
        with self._open(table) as db:
            if db is None or table in SPARSE:
                return None
            rows = db.select(table, ("session_id",), f"test_id = %s AND {_WHOLE}", test_id)
            rows += db.select("load_issues", ("session_id",), "resource = %s AND test_id = %s", table, test_id)
        return {row["session_id"] for row in rows if row["session_id"]}

    def row(self, table: str, session_id: str) -> Row | None:
        """A session's whole row, without dlt's own columns."""
        with self._open(table) as db:
            rows = db.select(table, db.columns(table), "session_id = %s", session_id) if db else []
        return {key: value for key, value in rows[0].items() if not key.startswith("_dlt")} if rows else None

    def newest_load(self) -> int:
        """When the newest load began, in ms, by the clock of its machine; 0: nobody can say."""
        with self._connected() as db:
            rows = db.select("_dlt_loads", ("load_id",), "status = 0") if db else []
        return max((_load_time(row["load_id"]) for row in rows), default=0)

    @contextmanager
    def _open(self, table: str) -> Iterator[Connection | None]:
        with self._connected() as db:
            columns = db.columns(table) if db else ()
            yield db if {"session_id", "test_id", "finish_time"} <= set(columns) else None

    @contextmanager
    def _connected(self) -> Iterator[Connection | None]:
        """A connection to the dataset; None where there is none that understands SQL."""
        pipeline = self._pipeline()
        if pipeline is None or not pipeline.destination or not has_sql(pipeline):
            yield None
            return
        try:
            with connected(pipeline, self._patience) as client:
                yield Connection(client)
        except DestinationException as error:
            if is_locked(str(error)):
                raise DestinationLocked(
                    "Another program holds the DuckDB file: close it there and run again. Nothing is lost."
                ) from error
            raise DestinationError(f"The destination could not be asked what it holds: {str(error)[:300]}") from error


def _add(found: BySession, row: Row) -> None:
    start, finish = _ms(row.get("start_time")), _ms(row.get("finish_time"))
    time = finish or start
    if time is not None:
        mark, is_gone = row.get("listing_mark"), row.get("removed_at") is not None
        found[row["session_id"]] = Loaded(time, start, mark, is_gone, _load_time(row.get("_dlt_load_id")))


def _ms(value: object) -> int | None:
    time = parse_time(value)
    return None if time is None else round(time.timestamp() * 1000)


def _load_time(load_id: object) -> int:
    """When a package was begun, in ms: dlt names packages by that."""
    try:
        return round(float(str(load_id)) * 1000)
    except ValueError:
        return 0
