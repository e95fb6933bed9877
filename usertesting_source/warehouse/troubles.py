"""What a destination's error says, in a paragraph that a user can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException, LookupTrace
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.pipeline.exceptions import PipelineStepFailed

LENGTH = 400
_NEWER_FILE = "database file with version number"
NEWER_FILE = (
    "the file was written by DuckDB 2, which dlt does not support yet: this package keeps to DuckDB 1. Either move the"
    " file away and load again (everything is fetched anew), or rewrite it, in Python with DuckDB 2:"
    " duckdb.sql(\"attach 'old.duckdb' as old; attach 'new.duckdb' as new (storage_version 'v1.0.0');"
    ' copy from database old to new").'
)


def told(error: BaseException, pipeline: dlt.Pipeline) -> str:
    """Which key is missing; what to install; or else what the destination says, cut between words."""
    root = root_of(error)
    if isinstance(root, ConfigFieldMissingException):
        return missing(root)
    if isinstance(root, MissingDependencyException):
        return f"it needs the package{'s' if len(root.dependencies) > 1 else ''} {', '.join(root.dependencies)}:" + (
            f" pip install {' '.join(map(repr, root.dependencies))}."
        )
    said = str(root.inner_exc if isinstance(root, DestinationConnectionError) else root).strip()
    if _NEWER_FILE in said:
        return NEWER_FILE
    name = pipeline.destination.destination_name if pipeline.destination else "..."
    text = shorten(said or type(root).__name__, LENGTH, placeholder=" …")
    end = "…" if text.endswith("…") else "."
    where = f"[destination.{name}.credentials] of .dlt/secrets.toml"
    return f"{text.rstrip('.…')}{end} Its credentials are in section {where}."


def missing(error: ConfigFieldMissingException) -> str:
    """The settings that dlt did not find."""
    keys = list(dict.fromkeys(".".join((*sections, name)) for sections, name in _lacking(error.traces)))
    section = keys[0].rpartition(".")[0]
    are = "is" if len(keys) == 1 else "are"
    return (
        f"{', '.join(f'`{key}`' for key in keys)} {are} not set: put {'it' if len(keys) == 1 else 'them'} into section"
        f" [{section}] of .dlt/secrets.toml (or .dlt/config.toml, if it is no secret), or into the environment as"
        f" {', '.join(key.upper().replace('.', '__') for key in keys)}."
    )


def root_of(error: BaseException) -> BaseException:
    """What lies inside a step that failed."""
    inner: Any = getattr(error, "exception", None)
    return root_of(inner) if isinstance(inner, BaseException) else error


def step_of(error: BaseException) -> str:
    """The step of dlt that failed."""
    return str(error.step) if isinstance(error, PipelineStepFailed) else "load"


def _lacking(traces: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Sections and name of each field that was looked for in vain; dlt tells each place where it looked, best first."""
    for name, looked in traces.items():
        inside = [one for one in looked if hasattr(one, "traces")]
        for one in inside[:1]:  # of a union, the first form
            yield from _lacking({key: value for key, value in one.traces.items() if key not in one.resolved_fields_set})
        if not inside:
            yield from ((sections, name) for sections in _best(looked))


def _best(looked: Iterable[LookupTrace]) -> list[tuple[str, ...]]:
    found = [tuple(one.sections) for one in looked]
    return [max(found, key=len)] if found and not any(one.value is not None for one in looked) else []
