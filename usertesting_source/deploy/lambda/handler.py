"""
AWS Lambda: one load per invocation, which ends in good time and is gone on with by the next one.

Environment: DESTINATION (any SQL destination of dlt; a DuckDB file would not outlive the invocation), DATASET, and the
settings and secrets as dlt reads them (SOURCES__USERTESTING__TEST_IDS, SOURCES__USERTESTING__CREDENTIALS__CLIENT_ID,
DESTINATION__POSTGRES__CREDENTIALS, ...). State comes from the destination, so that nothing has to be kept here.
"""

import os

# the one folder that can be written
os.environ.setdefault("DLT_DATA_DIR", "/tmp/dlt")  # noqa: S108
os.environ.setdefault("XDG_STATE_HOME", "/tmp/state")  # noqa: S108

import dlt

from usertesting_source import load, usertesting_source

RESERVE_MS = 60_000  # for the last commit


def handler(event, context):
    """Returns how the load ended; raises what Lambda has to count as an error."""
    pipeline = dlt.pipeline(
        "usertesting",
        destination=os.environ.get("DESTINATION", "postgres"),
        dataset_name=os.environ.get("DATASET", "usertesting"),
    )
    minutes = max(context.get_remaining_time_in_millis() - RESERVE_MS, 1_000) / 60_000
    summary = load(pipeline, usertesting_source(), max_minutes=minutes, if_running="skip")
    summary.raise_for_status(unfinished_ok=True)
    return summary.as_dict()
