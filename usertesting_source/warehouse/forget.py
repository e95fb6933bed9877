"""
A participant taken out of the destination: what they said, answered and are, in all tables of all their sessions.

A bare row of each session stays, with its ids and times, which name nobody: by it a load knows that the session is
settled, and does not fetch it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dlt
import duckdb
from dlt.common.destination.client import WithStagingDataset
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import AnotherRunIsActive, DestinationError
from ..sync.loaded import FORGOTTEN
from .connection import LOCK_PATIENCE_S, Connection, batches, connected, placeholders
from .home import only_run, own_folder
from .packages import destination_errors
from .snapshot import duckdb_file

EMPTIED = (
    "session_details__tasks__answer_options",
    "session_details__tasks__offered_options",
    "session_details__tasks",
    "session_details__task_groups",
    "session_details__demographics",
    "transcripts__cues",
    "transcripts__chunks",
)
"""Tables of which the person's rows go."""

BARED = {
    "sessions": ("extra_json",),
    "transcripts": ("transcript_vtt", "transcript_plain_text", "cue_count", "dropped_cues"),
    "clips": ("name", "description", "extra_json"),
    "load_issues": ("message",),
    "session_videos": ("video_storage_path", "size_bytes", "sha256", "content_type"),
    "session_details": ("extra_json", "participant_id"),  # the last: it says whose sessions these are
}
"""Tables of which the person's rows stay, without these columns."""


class Stored(NamedTuple):
    """A video in the bucket: `<test id>/<session id>.mp4`, and the address that the table has."""

    path: str
    address: str


def sessions_of(pipeline: dlt.Pipeline, participant_id: str) -> list[str]:
    """The ids of a participant's sessions that are loaded."""
    with _open(pipeline) as db:
        rows = db.select("session_details", ("session_id",), "participant_id = %s", participant_id)
    return sorted(row["session_id"] for row in rows)


def known_sessions(pipeline: dlt.Pipeline, session_id: str) -> list[str]:
    """The session of this id, if anything of it is loaded."""
    with _open(pipeline) as db:
        tables = ("session_details", "transcripts", "session_videos")
        rows = [row for table in tables for row in db.select(table, ("session_id",), "session_id = %s", session_id)]
    return sorted({row["session_id"] for row in rows})


def participants(pipeline: dlt.Pipeline) -> list[str]:
    """All participants that are known by an id."""
    with _open(pipeline) as db:
        rows = db.select("session_details", ("participant_id",), "participant_id IS NOT NULL")
    return sorted({row["participant_id"] for row in rows})


def videos_of(pipeline: dlt.Pipeline, session_ids: Sequence[str]) -> list[Stored]:
    """Where the videos of these sessions are stored."""
    found: list[Stored] = []
    with _open(pipeline) as db:
        for ids in batches(session_ids):
            where = f"session_id IN ({placeholders(ids)})"
            rows = db.select("session_videos", ("session_id", "test_id", "video_storage_path"), where, *ids)
            stored = [row for row in rows if row["video_storage_path"]]
            found += [Stored(f"{row['test_id']}/{row['session_id']}.mp4", row["video_storage_path"]) for row in stored]
    return found


@contextmanager
def alone_with(pipeline: dlt.Pipeline) -> Iterator[dlt.Pipeline]:
    """
    The pipeline in its own folder, while no load runs and none is unfinished, which would bring the rows back.

    Raises:
        AnotherRunIsActive: a load runs.
        DestinationError: one is unfinished.

    """
    own = own_folder(pipeline)

    def leave() -> bool:
        raise AnotherRunIsActive("A load is running: wait until it has ended, then forget.")

    with only_run(own, leave):
        if own.has_pending_data:
            raise DestinationError(
                "A load was left unfinished, and would bring back what is forgotten: run usertesting load first."
            )
        yield own


def forget(pipeline: dlt.Pipeline, session_ids: Sequence[str]) -> None:
    """
    Takes these sessions' content out of all tables, and a DuckDB file is written anew without it.

    Args:
        pipeline: of `alone_with`.
        session_ids: of `sessions_of`.

    Raises:
        DestinationError: the destination refuses.

    """
    with destination_errors(pipeline):
        with _client(pipeline) as client:
            if isinstance(client, WithStagingDataset):  # which holds the rows of the last load as well
                with client.with_staging_dataset():
                    _delete(Connection(client), (*EMPTIED, *BARED), session_ids)
            _delete(Connection(client), EMPTIED, session_ids)
            _bare(Connection(client), session_ids)
        if (database := duckdb_file(pipeline)) is not None:
            _write_anew(database)


def _delete(db: Connection, tables: Sequence[str], session_ids: Sequence[str]) -> None:
    for table in tables:
        for ids in batches(session_ids) if "session_id" in db.columns(table) else ():
            db.execute(f"DELETE FROM {{{table}}} WHERE session_id IN ({placeholders(ids)})", *ids)  # noqa: S608 - names are ours, values are parameters


def _bare(db: Connection, session_ids: Sequence[str]) -> None:
    for table, columns in BARED.items():
        bared = [f"{column} = NULL" for column in columns if column in db.columns(table)]
        if table == "session_details":
            bared.append(f"listing_mark = '{FORGOTTEN}'")
        for ids in batches(session_ids) if bared else ():
            db.execute(f"UPDATE {{{table}}} SET {', '.join(bared)} WHERE session_id IN ({placeholders(ids)})", *ids)  # noqa: S608 - as above


def _write_anew(database: Path) -> None:
    """What was deleted stays in a DuckDB file until its place is used again: a new file has never held it."""
    part = database.with_name(f".{database.name}.part")
    part.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(database)) as connection:
            connection.execute("checkpoint")
            connection.execute(f"attach '{str(part).replace(chr(39), chr(39) * 2)}' as anew")
            (name,) = connection.execute("select current_database()").fetchone() or ("",)
            connection.execute(f'copy from database "{name}" to anew')
            connection.execute("detach anew")
            part.chmod(database.stat().st_mode & 0o777)
            os.replace(part, database)  # noqa: PTH105 - while the old one is held
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _client(pipeline: dlt.Pipeline) -> Iterator[SqlJobClientBase]:
    with connected(pipeline, lambda: LOCK_PATIENCE_S) as client:
        yield client


@contextmanager
def _open(pipeline: dlt.Pipeline) -> Iterator[Connection]:
    with destination_errors(pipeline), _client(pipeline) as client:
        yield Connection(client)
