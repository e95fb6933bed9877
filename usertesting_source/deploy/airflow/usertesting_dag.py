"""
Airflow 3: UserTesting sessions into the warehouse, a task per credential.

Put this file into the folder of DAGs, with usertesting-source and the extra of the warehouse in the workers'
environment. Settings and secrets are dlt's, in the environment of the workers or in `.dlt/` of their working folder:
SOURCES__USERTESTING__TEST_IDS, SOURCES__USERTESTING__CREDENTIALS__CLIENT_ID, DESTINATION__POSTGRES__CREDENTIALS, ...

Each credential has a quota of its own, and so a task and a pool of one slot (`airflow pools set usertesting 1
"UserTesting API"`), which other DAGs that use the credential share.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

# names of configuration sections: a second credential has `sources.agency.credentials`, `sources.agency.test_ids`
CREDENTIALS = os.environ.get("USERTESTING_CREDENTIALS", "usertesting").split(",")
DESTINATION = os.environ.get("USERTESTING_DESTINATION", "postgres")
DATASET = os.environ.get("USERTESTING_DATASET", "usertesting")
MAX_MINUTES = 50.0


@task(execution_timeout=timedelta(minutes=MAX_MINUTES + 10), retries=2, retry_delay=timedelta(minutes=5))
def load_sessions(credential: str) -> dict:
    """What is new, in at most `MAX_MINUTES`; the next run goes on with what is left."""
    import dlt  # the scheduler reads this file every few seconds: nothing heavy is imported for that

    from usertesting_source import load, usertesting_source

    pipeline = dlt.pipeline(credential, destination=DESTINATION, dataset_name=DATASET)
    source = usertesting_source.clone(section=credential)()
    summary = load(pipeline, source, max_minutes=MAX_MINUTES, if_running="skip")
    if summary.skipped:
        raise AirflowSkipException("another run loads the same")
    summary.raise_for_status(unfinished_ok=True)
    if summary.left:
        raise AirflowSkipException(f"{summary.left} requests left to the next run: what comes after this waits for it")
    return summary.as_dict()


@dag(
    dag_id="usertesting",
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["usertesting"],
)
def usertesting() -> None:
    """One task per credential; what builds on the tables (dbt, say) goes behind them."""
    for credential in CREDENTIALS:  # not .expand(): all instances of a mapped task share one pool
        load_sessions.override(task_id=f"load_{credential}", pool=credential)(credential)


usertesting()
