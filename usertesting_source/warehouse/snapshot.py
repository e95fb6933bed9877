"""
A copy of the DuckDB file for those who read: they never lock the loader out, and a load never locks them out.

It is published whole, by a rename: whoever holds the old copy open keeps reading that, and whoever opens one opens the
old or the new.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dlt
from dlt.destinations.exceptions import DestinationConnectionError

from ..errors import DestinationError
from .connection import connected, is_locked

PATIENCE_S = 5.0
"""A file that somebody else holds just now is left to the next run."""

# The operating system takes a process's lock on a file away when the process closes any handle of it: whoever else has
# the DuckDB file open here would lose it. So another process copies.
_COPY = """
import os, shutil, sys
shutil.copy(*sys.argv[1:])
with open(sys.argv[2], "rb+") as part: os.fsync(part.fileno())
"""


def snapshot_of(database: Path) -> Path:
    """Where the copy of a loader's file lies: `usertesting_snapshot.duckdb` beside `usertesting_data.duckdb`."""
    return database.with_name(f"{database.stem.removesuffix('_data')}_snapshot{database.suffix}")


def duckdb_file(pipeline: dlt.Pipeline) -> Path | None:
    """The file that a pipeline loads into; None for other destinations, and for DuckDB in memory or elsewhere."""
    if not isinstance(pipeline.destination, dlt.destinations.duckdb):
        return None
    database = getattr(pipeline.destination_client().config.credentials, "database", None)
    if not isinstance(database, str) or database.startswith((":memory:", "md:")):
        return None
    return Path(database).resolve()


def publish(pipeline: dlt.Pipeline) -> Path | None:
    """
    Publishes the copy, if the loader's file has changed since the last one.

    Returns:
        The copy that is new; None when there was nothing to do, or another program holds the file.

    Raises:
        DestinationError: it cannot be written, say because the disk is full; the old one stays.

    """
    database = duckdb_file(pipeline)
    if database is None or not _is_stale(database):
        return None
    try:
        with connected(pipeline, lambda: PATIENCE_S) as client:
            client.sql_client.execute_sql("CHECKPOINT")  # all is in the file, nothing in a log beside it
            _replace(database)
    except DestinationConnectionError as error:
        if is_locked(str(error)):
            return None
        raise
    return snapshot_of(database)


def withdraw(pipeline: dlt.Pipeline) -> None:
    """Takes the copy away, so that nobody reads one that is no longer renewed."""
    if (database := duckdb_file(pipeline)) is not None:
        snapshot_of(database).unlink(missing_ok=True)


def _is_stale(database: Path) -> bool:
    """The copy has the time of the file that it was made of."""
    snapshot = snapshot_of(database)
    return database.exists() and not (snapshot.exists() and _changed(snapshot) == _changed(database))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _replace(database: Path) -> None:
    snapshot = snapshot_of(database)
    part = snapshot.with_name(f".{snapshot.name}.part")  # one that a killed process left is written over
    try:
        _copy(database, part)
        part.replace(snapshot)
    except OSError as error:
        raise DestinationError(
            f"The copy for readers, {snapshot}, could not be published: {error}. The data itself is loaded, and the"
            " copy stays as it was. Free some space, or set snapshot = false."
        ) from None


def _copy(database: Path, part: Path) -> None:
    copied = subprocess.run(  # noqa: S603 - this Python, and paths of ours
        [sys.executable, "-I", "-S", "-c", _COPY, str(database), str(part)],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for the load, which then ends in order
    )
    if copied.returncode:
        part.unlink(missing_ok=True)
        raise OSError((copied.stderr.strip().splitlines() or ["it was ended"])[-1])
    times = database.stat()
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
