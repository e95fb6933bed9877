"""
Runs a scheduler's file as the scheduler itself does, by hand: each has an environment of its own.

    python tests/deploy/run.py airflow /tmp/airflow/bin      # pip install apache-airflow==3.* and this package there
    python tests/deploy/run.py dagster /tmp/dagster/bin      # dagster==1.13.* dagster-dlt
    python tests/deploy/run.py prefect /tmp/prefect/bin      # prefect==3.*

Twice, against the sample API and into a DuckDB file: the second run has to find everything loaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from tests.support.lab import environment, machine
from usertesting_source.sample_api import SampleApi, simple_study

DEPLOY = Path(__file__).parents[2] / "usertesting_source" / "deploy"
COMMANDS = {
    "airflow": [
        "airflow db migrate",
        "airflow pools set usertesting 1 one-credential",
        "airflow pools set agency 1 another-credential",
        "airflow dags list-import-errors",
        "airflow dags reserialize",
        "airflow dags test usertesting",
        "airflow dags test usertesting",
    ],
    "dagster": [
        "dagster definitions validate -f usertesting_dagster.py",
        "dagster asset list -f usertesting_dagster.py",
        "dagster job execute -f usertesting_dagster.py -j usertesting_load",
        "dagster job execute -f usertesting_dagster.py -j usertesting_load",
    ],
    "prefect": [
        'python -c "from usertesting_flow import usertesting; print(usertesting())"',
        'python -c "from usertesting_flow import usertesting; print(usertesting())"',
    ],
}


def main(scheduler: str, programs: str) -> None:
    """Runs it; ends with an error when a command does, or when a session is not there once."""
    studies = [simple_study(n=10, seed=seed) for seed in (1, 2)]
    with tempfile.TemporaryDirectory() as folder, SampleApi(studies, rate_limit=None) as api:
        home = Path(folder)
        shutil.copytree(DEPLOY / scheduler, home / "dags")
        one, two = (environment(api, TEST_IDS=test_id) for test_id in api.test_ids)
        another = {key.replace("SOURCES__USERTESTING", "SOURCES__AGENCY"): value for key, value in two.items()}
        variables: dict[str, Any] = {
            **os.environ,
            **machine(home),
            **(one if scheduler == "airflow" else environment(api, TEST_IDS=",".join(api.test_ids))),
            **another,
            "USERTESTING_CREDENTIALS": "usertesting,agency",
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "USERTESTING_DESTINATION": "duckdb",
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{home}/loaded.duckdb",
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "DAGSTER_HOME": folder,
            "PREFECT_HOME": folder,
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
        for command in COMMANDS[scheduler]:
            began = time.monotonic()
            ran = subprocess.run(
                command, shell=True, env=variables, cwd=home / "dags", capture_output=True, text=True, timeout=300
            )
            print(f"== {command}  ({time.monotonic() - began:.0f} s, exit code {ran.returncode})")
            print((ran.stdout + ran.stderr)[-2500:])
            if ran.returncode:
                sys.exit(1)
        with duckdb.connect(str(home / "loaded.duckdb")) as db:
            loaded = db.sql("select count(*), count(distinct session_id) from usertesting.session_details").fetchall()
            runs = db.sql("select outcome, requests from usertesting.load_runs order by ended_at").fetchall()
        print(f"sessions, distinct: {loaded}; runs: {runs}; details asked for: {api.count('details')}")
        if loaded != [(20, 20)] or sorted({outcome for outcome, _ in runs}) != ["loaded", "nothing_new"]:
            sys.exit("Not loaded once.")


if __name__ == "__main__":
    main(*sys.argv[1:])
