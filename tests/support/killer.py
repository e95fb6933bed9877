"""
Loads in processes of their own, which kill themselves (SIGKILL) at a chosen point.

A point is a file opened for writing, moved or deleted, or a request sent: between two such points a process changes
nothing that outlives it, apart from the insides of DuckDB. So every state that a crash can leave behind can be chosen.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.lab import machine, pipeline_in, settings_of
from usertesting_source import load, usertesting_source
from usertesting_source.sample_api import SampleApi

WRITES = os.O_WRONLY | os.O_RDWR
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "http.client.send"}
KILLED = -signal.SIGKILL

CONTEXT = multiprocessing.get_context("forkserver")
_IMPORTED = [
    "tests.support.killer",
    "dlt.common.libs.pyarrow",
    "dlt.destinations.impl.duckdb.duck",
    "dlt._workspace._plugins",
    "pendulum.locales.en.locale",
    "pyarrow.compute",
    "pyarrow.parquet",
    "sqlglot.dialects.duckdb",
]


@dataclass
class Job:
    """One load in a process of its own; `kill_at` counts points from 1, 0: it lives."""

    folder: Path
    settings: dict[str, Any]
    chunk: int = 10
    kill_at: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def job_of(api: SampleApi, folder: Path, *, chunk: int = 10, **settings: Any) -> Job:
    """A load of all that `api` serves, without a quota."""
    return Job(folder, settings_of(api, **settings), chunk)


def start(job: Job, sender: Any = None) -> Any:
    """Starts a job in a process, which is forked off one that has imported everything: a start costs no second."""
    CONTEXT.set_forkserver_preload(_IMPORTED)
    process = CONTEXT.Process(target=_load, args=(job, sender))
    process.start()
    return process


def run(job: Job) -> tuple[int, int]:
    """Runs a job; returns the exit code of its process, and how many points it passed (0 when it did not end well)."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = start(job, sender)
    sender.close()
    process.join()
    passed = 0
    with receiver, suppress(EOFError):
        passed = receiver.recv()
    code = process.exitcode
    process.close()
    return code, passed


def _load(job: Job, sender: Any) -> None:
    os.chdir(job.folder)
    os.environ.update(machine(job.folder))
    count = _kill_at(job.kill_at)
    source = usertesting_source(**job.settings)
    summary = load(pipeline_in(job.folder), source, job.chunk, raise_errors=False, **job.options)
    if summary.error is not None:
        sys.stderr.write(f"{summary.error}\n")
    if sender is not None:
        sender.send(count())
    sys.exit(summary.exit_code)


def _kill_at(point: int) -> Callable[[], int]:
    """Counts points from now on, and ends the process at the one given."""
    passed = 0

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal passed
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
            passed += 1
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return lambda: passed
