"""
Prefect 3: UserTesting sessions into the warehouse, every 15 minutes.

    python usertesting_flow.py        # serves the schedule from this process; needs prefect

Settings and secrets are dlt's: `.dlt/` of the working folder, or the environment (SOURCES__USERTESTING__TEST_IDS, ...).
"""

from __future__ import annotations

import os

import dlt
from prefect import flow
from prefect.states import Completed

from usertesting_source import load, usertesting_source

DESTINATION = os.environ.get("USERTESTING_DESTINATION", "postgres")
DATASET = os.environ.get("USERTESTING_DATASET", "usertesting")
MAX_MINUTES = 50.0


@flow(name="usertesting", retries=2, retry_delay_seconds=300)
def usertesting():
    """What is new, in at most `MAX_MINUTES`; the next run goes on with what is left."""
    pipeline = dlt.pipeline("usertesting", destination=DESTINATION, dataset_name=DATASET)
    summary = load(pipeline, usertesting_source(), max_minutes=MAX_MINUTES, if_running="skip")
    summary.raise_for_status(unfinished_ok=True)
    return Completed(name=summary.outcome, message=f"{summary.requests} requests", data=summary.as_dict())


if __name__ == "__main__":
    usertesting.serve(name="every-15-minutes", cron="*/15 * * * *", limit=1)
