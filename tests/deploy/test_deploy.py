"""
The files of deploy/, as far as a minute of CI carries: each is run as its scheduler runs it, or its steps are.

Airflow, Dagster and Prefect need environments of their own: `run.py`, by hand.
"""

from __future__ import annotations

import os
import pwd
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.support.lab import ROOT, environment, machine
from tests.support.postgres import server
from usertesting_source.errors import CredentialsError
from usertesting_source.sample_api import SampleApi, simple_study

DEPLOY = ROOT / "usertesting_source" / "deploy"


@pytest.fixture(scope="module")
def api() -> Iterator[SampleApi]:
    """Four sessions, and no quota."""
    with SampleApi([simple_study(n=4)], rate_limit=None) as sample:
        yield sample


@pytest.fixture
def settings(api: SampleApi, tmp_path: Path) -> dict[str, str]:
    """What a user sets to load them on a machine of one's own, where `usertesting` is on the path."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    command = programs / "usertesting"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m usertesting_source "$@"\n')
    command.chmod(0o755)
    path = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    return {**machine(tmp_path), **environment(api), **path}


def sh(script: str, variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script with these variables alone, as schedulers do."""
    return subprocess.run(
        ["/bin/bash", "-e", "-c", script], env=variables, cwd=folder, capture_output=True, text=True, timeout=120
    )


def details_in(database: Path) -> int:
    """How many sessions a DuckDB file has details of."""
    with duckdb.connect(str(database)) as db:
        ((count,),) = db.sql("select count(*) from usertesting.session_details").fetchall()
    return int(count)


def test_python_files_compile() -> None:
    """Also those whose schedulers are not installed here."""
    files = sorted(DEPLOY.glob("*/*.py"))
    assert len(files) >= 4
    for file in files:
        compile(file.read_text(), file.name, "exec")


def test_the_cron_line_loads_and_its_log_has_dates(settings: dict[str, str], tmp_path: Path) -> None:
    """As cron runs it: from another folder, by /bin/sh, with next to no environment."""
    shutil.copy(DEPLOY / "cron" / "load.sh", tmp_path)
    (line,) = re.findall(r"^# +(\*/5 .*)$", (tmp_path / "load.sh").read_text(), re.MULTILINE)
    command = line.split(maxsplit=5)[5].replace("/srv/usertesting", str(tmp_path))
    bare = {**settings, "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        ran = subprocess.run(["/bin/sh", "-c", command], env=bare, cwd="/", capture_output=True, text=True, timeout=120)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), (tmp_path / "load.log").read_text()
    log = (tmp_path / "load.log").read_text()
    assert "All loaded" in log
    assert "Nothing new" in log
    assert len(re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ load$", log, re.MULTILINE)) == 2
    assert len(re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ exit code 0$", log, re.MULTILINE)) == 2
    assert details_in(tmp_path / "usertesting_data.duckdb") == 4


def _unit(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def _moved(text: str, folder: Path) -> str:
    return text.replace("/srv/usertesting", str(folder)).replace("/var/lib/usertesting", str(folder))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_systemd_units_are_well_formed(settings: dict[str, str], tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of them."""
    units = tmp_path / "units"
    units.mkdir()
    for file in sorted((DEPLOY / "systemd").iterdir()):
        (units / file.name).write_text(_moved(file.read_text(), tmp_path))
    ran = sh("systemd-analyze verify --man=no ./usertesting.service ./usertesting.timer", settings, units)
    assert ran.returncode == 0, ran.stderr
    assert "usertesting" not in ran.stderr


def test_the_systemd_service_loads(settings: dict[str, str], tmp_path: Path) -> None:
    """Its command, in its folder and with its environment."""
    text = _moved((DEPLOY / "systemd" / "usertesting.service").read_text(), tmp_path)
    own = dict(pair.split("=", 1) for line in _unit(text, "Environment") for pair in shlex.split(line))
    (command,), (folder,) = _unit(text, "ExecStart"), _unit(text, "WorkingDirectory")
    ran = sh(command, {**settings, **own}, Path(folder))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "alive").read_text()
    assert details_in(tmp_path / "usertesting_data.duckdb") == 4


def _dockerfile(scheduler: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: word and rest."""
    text = (DEPLOY / scheduler / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_polls_as_a_plain_user_and_stops_well(settings: dict[str, str], tmp_path: Path) -> None:
    """Its entry point as its user: a poll, a healthy health check, and a stop by `docker stop`."""
    steps = _dockerfile("docker")
    words = [word for word, _ in steps]
    assert ("USER", "usertesting") in steps
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "root" not in dict(steps)["USER"]
    data = tmp_path / "data"
    data.mkdir()
    lines = [rest.replace("/data", str(data)) for word, rest in steps if word == "ENV"]
    own = dict(pair.split("=", 1) for line in lines for pair in line.split())
    command = [*yaml.safe_load(dict(steps)["ENTRYPOINT"]), *yaml.safe_load(dict(steps)["CMD"])]
    command = [part.replace("/data", str(data)) for part in command]
    nobody = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 and _is_readable_by_all() else None
    for path in (tmp_path, data):
        os.chown(path, nobody if nobody is not None else -1, -1)
    with subprocess.Popen(
        command, env={**settings, **own}, cwd=tmp_path, user=nobody, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not (data / "alive").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        check = dict(steps)["HEALTHCHECK"].partition("CMD ")[2].replace("/data", str(data))
        assert sh(check, settings, data).returncode == 0
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert details_in(data / "usertesting_data.duckdb") == 4


def _is_readable_by_all() -> bool:
    folders = [*Path(sys.executable).resolve().parents, *ROOT.parents, *Path.cwd().parents]
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in folders)


def test_the_workflow_goes_on_from_what_the_destination_holds(
    api: SampleApi, settings: dict[str, str], tmp_path: Path
) -> None:
    """Its steps on two bare runners one after the other: the second one fetches nothing again."""
    workflow = yaml.safe_load((DEPLOY / "github/.github/workflows/usertesting.yml").read_text())
    assert workflow["concurrency"] == {"group": "usertesting", "cancel-in-progress": False}
    job = workflow["jobs"]["load"]
    minutes = re.search(r"--max-minutes (\d+)", str(job["steps"]))
    assert minutes
    assert int(minutes[1]) < job["timeout-minutes"]
    steps = {step["name"]: step for step in job["steps"] if "run" in step}
    with server(tmp_path / "pg") as address:
        secrets = {"POSTGRES_CREDENTIALS": address, "USERTESTING_CLIENT_ID": api.client_id}
        secrets["USERTESTING_CLIENT_SECRET"] = api.client_secret
        told = []
        for runner in ("one", "two"):
            home = tmp_path / runner
            home.mkdir()
            own = {key: secrets[value.split(".")[1].strip(" }")] for key, value in steps["Load"]["env"].items()}
            bare = {**settings, **machine(home), **own, "GITHUB_STEP_SUMMARY": str(home / "step.md")}
            before = api.count("details")
            for name in ("Load", "Summary"):
                ran = sh(steps[name]["run"], bare, home)
                assert ran.returncode == 0, ran.stdout + ran.stderr
            told.append((api.count("details") - before, (home / "step.md").read_text()))
    assert [spent for spent, _ in told] == [4, 0]
    assert '"outcome": "loaded"' in told[0][1]
    assert '"outcome": "nothing_new"' in told[1][1]


class Context:
    """What Lambda tells a handler."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        """Until it is killed."""
        return round(self.seconds * 1000)


def test_the_lambda_handler_stops_in_time_and_goes_on(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its time nearly over it leaves work; the next one loads it; an error is raised, so that Lambda counts it."""
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("DESTINATION", "duckdb")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{tmp_path}/lambda.duckdb")
    handler: Callable[[Any, Any], dict[str, Any]] = runpy.run_path(str(DEPLOY / "lambda" / "handler.py"))["handler"]
    assert handler({}, Context(60.0))["outcome"] in ("stopped", "loaded")
    last = handler({}, Context(900.0))
    assert (last["exit_code"], last["left"]) == (0, 0)
    assert details_in(tmp_path / "lambda.duckdb") == 4
    monkeypatch.setenv("SOURCES__USERTESTING__CREDENTIALS__CLIENT_SECRET", "wrong")
    with pytest.raises(CredentialsError):
        handler({}, Context(900.0))


def test_every_file_is_in_the_wheel() -> None:
    """`usertesting init --scheduler` copies them from there."""
    import tomllib

    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    package = ROOT / "usertesting_source"
    shipped = {file for pattern in patterns["usertesting_source"] for file in package.glob(pattern)}
    assert {file for file in DEPLOY.rglob("*") if file.is_file() and "__pycache__" not in file.parts} <= shipped
