"""One alert process per machine and dataset."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from dlt import Pipeline

from ..warehouse.lock import alone as hold

__all__ = ["alone"]


def alone(pipeline: Pipeline) -> AbstractContextManager[None]:
    """
    Holds the lock of `pipeline` and its dataset.

    Raises:
        AnotherRunIsActive: another process holds it.

    """
    dataset = pipeline.dataset_name
    taken = f"Another alert process is at work on the dataset {dataset}; it tells what is new."
    return hold(Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}.{dataset}.lock", taken)
