"""
The working folder of a run: a cache, which may be lost, old, damaged, or another project's.

The destination is the truth: a run finds a folder of its own destination and dataset, alone; what a killed process left
in it is thrown away, and the state that counts is the one that the destination holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from weakref import WeakKeyDictionary

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.client import DestinationClientConfiguration, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.pipeline import TPipelineState, get_dlt_pipelines_dir
from dlt.common.schema import Schema
from dlt.common.storages.exceptions import SchemaNotFoundError
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from filelock import FileLock

from ..errors import AnotherRunIsActive, ConfigurationError, Interrupted
from ..folders import user_folder
from .connection import place_of
from .lock import alone

SCHEMA = "usertesting"
_SHORT = 12
_PLACE = ("bucket_url", "database", "catalog", "project_id", "http_path", "host", "location")
"""What tells apart places that one engine reaches: dlt's data location may be an account, not a database."""

_HOMES: WeakKeyDictionary[dlt.Pipeline, dict[tuple[object, ...], str]] = WeakKeyDictionary()


def opened(name: str, **options: Any) -> dlt.Pipeline:
    """
    `dlt.pipeline(name, **options)` in the working folder of its destination and dataset; see `own_folder`.

    A working folder that is damaged (a power loss cuts files short) is made anew.

    Raises:
        ConfigurationError: the folder cannot be written.

    """
    with TemporaryDirectory() as scratch:
        home = home_of(dlt.pipeline(name, pipelines_dir=scratch, **options))
    default = Path(dlt.config.get("pipelines_dir") or get_dlt_pipelines_dir())
    ours = {None, options.get("dataset_name")}
    folder = _folder(name, default, home, is_left=lambda: _dataset_of(default / name) not in ours)
    with writable(folder):
        return _attached(name, folder, home, options)


def own_folder(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """
    `pipeline`, in a working folder that no other destination or dataset uses.

    The first one to use a pipeline's name has the folder that dlt gives it; others have a folder each beside it, so
    that their states and unfinished packages never meet. One with an unfinished package of nobody knows which dataset
    (dlt has already written the new one's name into it) is left to whoever began it. A pipeline that has to move is
    made anew: destination, dataset and options are those of `pipeline`.

    Raises:
        ConfigurationError: the folder cannot be written.

    """
    given = Path(pipeline.pipelines_dir)
    home = home_of(pipeline)
    folder = _folder(pipeline.pipeline_name, given, home, is_left=lambda: pipeline.has_pending_data)
    if folder == given:
        return pipeline
    options = {
        "destination": pipeline.destination,
        "staging": pipeline.staging,
        "dataset_name": pipeline.dataset_name,
        "progress": pipeline.collector,
        "refresh": pipeline.refresh,
    }
    return _attached(pipeline.pipeline_name, folder, home, options)


def _folder(name: str, folder: Path, home: str, is_left: Callable[[], bool]) -> Path:
    """`folder`, if it is this home's, or nobody's and not left to another dataset; else one beside it."""
    owner = folder / f".{name}.usertesting.home"
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.usertesting.home.lock"):
            if not _text(owner).strip() and not is_left():
                owner.write_text(home)
            if _text(owner).strip() == home:
                return folder
        apart = folder / ".usertesting" / home[:_SHORT]
        apart.mkdir(parents=True, exist_ok=True)
    return apart


def _dataset_of(folder: Path) -> str | None:
    """The dataset that a working folder was last used for."""
    try:
        state = json.loads(_text(folder / "state.json"))
    except ValueError:
        return None
    return cast("str | None", state.get("dataset_name"))


def _attached(name: str, folder: Path, home: str, options: dict[str, Any]) -> dlt.Pipeline:
    with FileLock(folder / f".{name}.usertesting.home.lock"):  # two processes cannot make one folder at the same time
        try:
            made: dlt.Pipeline = dlt.pipeline(name, pipelines_dir=str(folder), **options)
        except ValueError:  # dlt reads its JSON at once
            with _held(name, home):
                shutil.rmtree(folder / name)
            made = dlt.pipeline(name, pipelines_dir=str(folder), **options)
    return made


def home_of(pipeline: dlt.Pipeline) -> str:
    """A text that tells destinations and datasets apart: type, place and dataset; holds no secret."""
    known, place = _HOMES.setdefault(pipeline, {}), place_of(pipeline)
    if place not in known:
        known[place] = _home_of(pipeline)
    return known[place]


def _home_of(pipeline: dlt.Pipeline) -> str:
    try:
        config = pipeline.destination_client().config
    except (SchemaNotFoundError, ValueError):  # damaged, or half-written by the run that holds the folder
        config = pipeline._get_destination_clients(Schema(SCHEMA))[0].config
    location = _location(config)
    if Path(location).is_absolute() and Path(location).is_relative_to(pipeline.working_dir):
        raise ConfigurationError(
            f"The database of pipeline `{pipeline.pipeline_name}` lies in dlt's working folder, a cache that may"
            " be emptied: name a file of your own, such as dlt.destinations.duckdb('usertesting_data.duckdb')."
        )
    told = (getattr(part, name, None) for part in (config, config.credentials) for name in _PLACE)
    place = " ".join([location, *(str(one) for one in told if isinstance(one, str))])
    return hashlib.sha256(f"{config.destination_type} {place} {pipeline.dataset_name}".encode()).hexdigest()


def _location(config: DestinationClientConfiguration) -> str:
    """Where a destination's data is; one without such a place is told by its name alone."""
    if not hasattr(config, "data_location"):  # dlt before 1.30
        return str(getattr(config.credentials, "database", None) or config)
    try:
        return str(config.data_location())
    except ConfigurationException:
        return str(config.destination_name)


def claimed(pipeline: dlt.Pipeline, what: str) -> AbstractContextManager[None]:
    """
    Keeps runs that load the same from each other, also while one of them waits.

    Args:
        pipeline: in its own folder.
        what: what this run loads.

    Raises:
        AnotherRunIsActive: another process loads the same.

    """
    mark = hashlib.sha256(what.encode()).hexdigest()
    return _held(pipeline.pipeline_name, f"{home_of(pipeline)[:_SHORT]}_{mark[:_SHORT]}")


@contextmanager
def only_run(pipeline: dlt.Pipeline, wait: Callable[[], bool]) -> Iterator[bool]:
    """
    One run at a time per destination and dataset, in a folder that no killed process has left half-way.

    dlt would go on with such a folder, but it loads rows twice when it was killed right after a commit of the
    destination, and stops for good when it was killed while it changed its schemas. So the folder is emptied, and is as
    on a bare machine.

    Args:
        pipeline: in its own folder.
        wait: waits a little for a run that loads something else; True: a stop is asked for.

    Yields:
        Whether the last run was killed.

    Raises:
        Interrupted: a stop was asked for while another run was waited for.
        ConfigurationError: the folder cannot be written.

    """
    name, home = pipeline.pipeline_name, home_of(pipeline)
    running = Path(pipeline.pipelines_dir) / f".{name}.usertesting.running"
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(_held(name, home))
                break
            except AnotherRunIsActive:
                if wait():
                    raise Interrupted("stopped while another run loads other tests into the same dataset") from None
        was_killed = running.exists()
        with writable(running.parent):
            if was_killed and _keeps_state(pipeline):
                pipeline.drop()
            running.touch()
        try:
            yield was_killed
        except Exception:
            running.unlink(missing_ok=True)
            raise
        running.unlink(missing_ok=True)


def take_state(pipeline: dlt.Pipeline) -> None:
    """
    Makes the state of the working folder the one that the destination holds.

    A newer one in the folder is no better: it speaks of rows that are not there. But what `dlt pipeline ... drop` reset
    is reset, also where dlt did not find the destination by itself, and so changed the folder alone.
    """
    stored, local = _stored_state(pipeline), pipeline.state
    if stored and stored["_version_hash"] == local.get("_version_hash"):
        return
    reset = _resources(stored) - _resources(local) if stored and _is_newer(local, stored) else set()
    if stored or is_used(pipeline):
        pipeline.drop()
    if stored:
        pipeline.sync_destination()
    if reset:
        with pipeline.managed_state(extract_state=True) as state:
            for source, resource in reset:
                del state["sources"][source]["resources"][resource]


def _is_newer(local: TPipelineState, stored: TPipelineState) -> bool:
    return bool(_resources(local)) and local["_state_version"] > stored["_state_version"]


def _resources(state: TPipelineState) -> set[tuple[str, str]]:
    """Source and name of the resources that have a state."""
    kept: Any = state.get("sources", {})
    return {(source, resource) for source in kept for resource in kept[source].get("resources", {})}


def is_foreign(pipeline: dlt.Pipeline) -> bool:
    """Whether the working folder has another state than the destination."""
    stored: Any = _stored_state(pipeline) or {}
    return (bool(stored) or is_used(pipeline)) and stored.get("_version_hash") != pipeline.state.get("_version_hash")


def is_used(pipeline: dlt.Pipeline) -> bool:
    """Whether something was loaded from the working folder."""
    return bool(pipeline.state.get("sources")) or pipeline.default_schema_name is not None


def _keeps_state(pipeline: dlt.Pipeline) -> bool:
    """Whether the destination keeps the state, so that it comes back from there."""
    try:
        return isinstance(pipeline.destination_client(), WithStateSync)
    except (SchemaNotFoundError, ValueError):  # the folder is half-written
        return True


def _stored_state(pipeline: dlt.Pipeline) -> TPipelineState | None:
    """The state in the destination; where none can be kept, that of the folder stands for it."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            return pipeline.state
        try:
            return load_pipeline_state_from_destination(pipeline.pipeline_name, client)
        except DestinationUndefinedEntity:
            return None


@contextmanager
def writable(folder: str | Path | None) -> Iterator[None]:
    """
    Around work on a working folder.

    Raises:
        ConfigurationError: it cannot be written.

    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(unwritable(error, folder)) from error


def unwritable(error: OSError, folder: str | Path | None = None) -> str:
    """What to tell of a folder that cannot be written."""
    where = error.filename or folder or "dlt's data folder"
    return (
        f"The working folder cannot be written: {os.strerror(error.errno or 0)} ({where}). Make it writable, free some"
        " space, or set DLT_DATA_DIR to another folder. What is in the destination is safe, and is all that counts."
    )


def _held(name: str, home: str) -> AbstractContextManager[None]:
    """The run lock of a pipeline's destination and dataset, for all runs of this user."""
    taken = f"Pipeline `{name}` is running already, with the same tests and dataset; this run has nothing to do."
    # not in the run's own folder: schedulers give each run a new one
    return alone(user_folder() / f"{name}_{home[: 2 * _SHORT + 1]}.lock", taken)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
