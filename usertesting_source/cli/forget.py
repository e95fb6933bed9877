"""The command that forgets a participant who asks for it."""

from __future__ import annotations

import sys
from typing import Any

import click
import dlt
from rich.console import Console

from ..config import SECTION, is_uuid
from ..errors import ConfigurationError, DestinationError
from ..explore.mirror import mirror_of
from ..explore.redact import redaction_from_settings
from ..explore.search import forget_sessions
from ..videos.bucket import Bucket
from ..warehouse import forget as warehouse
from ..warehouse.snapshot import duckdb_file, publish, snapshot_of
from .command import exit_code, say
from .main import CONTEXT
from .reading import reading_pipeline

BEYOND = (
    "Not reached from here: UserTesting itself (ask its support to delete the participant there, or a full load on a"
    " new dataset fetches the sessions again), backups and time travel of the warehouse, files that were exported,"
    " copies on other machines, messages sent to Slack or Jira, and what other participants say of this one."
)


@click.command(context_settings=CONTEXT)
@click.argument("participant")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--demo", is_flag=True, help="Forget somebody of the demo's invented studies.")
@click.option("--destination", default="duckdb", show_default=True, help="Any SQL destination of dlt.")
@click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables.")
@click.option("--verbose", is_flag=True, help="Show traces of errors.")
def main(verbose: bool, **options: Any) -> None:
    """
    Take PARTICIPANT out of tables, snapshot, videos and search index.

    PARTICIPANT is a participant_id, the code that --redact gives, or the id of a session. A bare row of each session
    stays, without person and words, so that it is not fetched again. This cannot be undone.
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, **options), console, verbose))


def run(console: Console, participant: str, yes: bool, demo: bool, destination: str, dataset: str) -> int:
    """Asks, forgets, says what is out of reach; returns the exit code."""
    pipeline = reading_pipeline(demo, destination, dataset)
    with warehouse.alone_with(pipeline) as own:
        sessions = _sessions(own, participant, demo)
        videos = warehouse.videos_of(own, sessions)
        what = f"{len(sessions)} session{'s' * (len(sessions) != 1)} and {len(videos)} video{'s' * (len(videos) != 1)}"
        if not yes and not click.confirm(f"Forget {what} of {participant}? This cannot be undone."):
            say(console, "Nothing was changed.")
            return 0
        _remove(videos)
        warehouse.forget(own, sessions)
        also = _copies(own, sessions)
    say(console, f"Forgotten: {what}, in the tables{''.join(also)}.")
    say(console, BEYOND, style="dim")
    return 0


def _sessions(pipeline: dlt.Pipeline, participant: str, demo: bool) -> list[str]:
    found = warehouse.sessions_of(pipeline, participant)
    if not found and (name := _by_code(pipeline, participant, demo)):
        found = warehouse.sessions_of(pipeline, name)
    if not found and is_uuid(participant):
        found = warehouse.known_sessions(pipeline, participant.lower())
    if not found:
        raise ConfigurationError(
            f"No session of {participant!r} is loaded: give a participant_id as in the table session_details, a code"
            " that --redact gave with the key of today, or the id of a session. Whoever is forgotten already is not"
            " found any more."
        )
    return found


def _by_code(pipeline: dlt.Pipeline, code: str, demo: bool) -> str | None:
    """The participant who has this code in redacted data."""
    try:
        redaction = redaction_from_settings(demo)
    except ConfigurationError:
        return None
    return next((one for one in warehouse.participants(pipeline) if redaction.participant(one) == code), None)


def _remove(videos: list[warehouse.Stored]) -> None:
    """First of all: once the tables have forgotten, nobody knows where they are."""
    if not videos:
        return
    url: object = dlt.config.get(f"{SECTION}.video_bucket_url")
    if not url:
        raise ConfigurationError(
            f"There are videos of this participant ({videos[0].address}), but `{SECTION}.video_bucket_url` is not set:"
            " set it to the bucket that they are in, so that they can be removed. Nothing was changed."
        )
    bucket = Bucket(str(url))
    for video in videos:
        if bucket.url(video.path) != video.address:
            raise ConfigurationError(
                f"The video {video.address} is not in `{SECTION}.video_bucket_url` ({bucket.url()}): set that to the"
                " bucket that it is in. The tables are unchanged."
            )
        bucket.remove(video.path)
        if bucket.size(video.path) is not None:
            raise DestinationError(f"The video {video.address} could not be removed. The tables are unchanged.")


def _copies(pipeline: dlt.Pipeline, sessions: list[str]) -> list[str]:
    """What was made of the tables for readers, without them now."""
    database = duckdb_file(pipeline)
    if database is None:
        copy = mirror_of(pipeline)
        copies, path = [", the copy for readers"] if copy.exists() else [], copy
        copy.unlink(missing_ok=True)
    else:
        path = snapshot_of(database)
        copies = [", the snapshot"] if path.exists() else []
        if copies and not publish(pipeline):
            raise DestinationError(
                f"The tables have forgotten, but another program holds {database.name}, so {path.name} still has"
                " the person: close it there, and run usertesting load, which makes it anew."
            )
        path = path if path.exists() else database
    return [*copies, *([", the search index"] if forget_sessions(path, sessions) else [])]
