"""One alert process per machine and dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt import Pipeline
from filelock import FileLock, Timeout

from ..errors import AnotherRunIsActive

__all__ = ["alone"]


@contextmanager
def alone(pipeline: Pipeline) -> Iterator[None]:
    """
    Hold the lock of `pipeline`; the operating system frees it when the process ends, however it ends.

    Raises:
        AnotherRunIsActive: another process holds it.

    """
    folder = Path(pipeline.pipelines_dir)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{pipeline.pipeline_name}.{pipeline.dataset_name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AnotherRunIsActive(
            f"Another alert process is at work on the dataset {pipeline.dataset_name}; it tells what is new."
        ) from None
    try:
        yield
    finally:
        lock.release()
