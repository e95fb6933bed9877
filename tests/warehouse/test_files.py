"""Files: Delta tables, where rows replace each other as in a database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from click.testing import CliRunner, Result
from deltalake import DeltaTable

from tests.support.lab import DETAILS, Lab, ago, all_ids, environment, later, pipeline_in
from usertesting_source import load
from usertesting_source.cli.main import main
from usertesting_source.errors import ConfigurationError
from usertesting_source.sample_api import SampleApi, simple_study


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A test of three sessions."""
    study = simple_study(n=3, newest=ago(hours=1), every=timedelta(minutes=5))
    with SampleApi([study], rate_limit=None) as api:
        yield Lab(api, tmp_path, resources=["sessions", *DETAILS])


def in_folder(folder: Path, **options: Any) -> dlt.Pipeline:
    """A pipeline into files below `folder`."""
    return pipeline_in(folder, destination=dlt.destinations.filesystem(str(folder / "lake")), **options)


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    """What a reader of the Delta table finds."""
    found: list[dict[str, Any]] = DeltaTable(str(folder / "lake/usertesting" / table)).to_pyarrow_table().to_pylist()
    return found


def test_a_folder_holds_each_session_once(lab: Lab, tmp_path: Path) -> None:
    """New ones come, a removed one is marked in its row, an issue has one row; loaded anew nothing is there twice."""
    api = lab.api
    bad = api.add_session(api.test_ids[0])
    api.faults.status["details", bad] = 404
    source = lab.source()
    assert load(in_folder(tmp_path), source).exit_code == 3
    assert source.resources["sessions"].compute_table_schema().get("table_format") is None
    gone = api.add_session(api.test_ids[0])
    with later(hours=1):
        assert load(in_folder(tmp_path), lab.source()).exit_code == 3
        api.remove_session(gone)
        del api.faults.status["details", bad]
    with later(hours=2):
        load(in_folder(tmp_path), lab.source(), full=True)
    assert sorted(row["session_id"] for row in rows(tmp_path, "sessions")) == sorted([*all_ids(api), gone])
    assert [row["session_id"] for row in rows(tmp_path, "sessions") if row["removed_at"]] == [gone]
    assert sorted(row["session_id"] for row in rows(tmp_path, "session_details")) == sorted([*all_ids(api), gone])
    assert [(row["session_id"], row["status"]) for row in rows(tmp_path, "load_issues")] == [(bad, "resolved")]
    tasks = [(row["session_id"], row["task_number"]) for row in rows(tmp_path, "session_details__tasks")]
    assert len(tasks) == len(set(tasks)) > 0


@pytest.mark.parametrize("table_format", ["hive", "native"])
def test_plain_files_are_refused(lab: Lab, tmp_path: Path, table_format: Any) -> None:
    """Dlt appends to them without a word: eight sessions became sixteen."""
    source = lab.source()
    source.resources["session_details"].apply_hints(table_format=table_format)
    with pytest.raises(ConfigurationError, match=r"twice.*Delta.*DuckDB"):
        load(in_folder(tmp_path), source)
    assert lab.api.count() == 0


def test_the_command_has_the_formats(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delta unless said; Iceberg needs a package, which is named before anything is asked for; packages too."""
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "lake"))
    given = environment(lab.api, RESOURCES="session_details")

    def run(*options: str) -> Result:
        return CliRunner().invoke(main, ["load", *options], env=given)

    with monkeypatch.context() as without:
        without.setattr("usertesting_source.warehouse.packages.find_spec", lambda _name: None)
        iceberg = run("--destination", "filesystem", "--table-format", "iceberg")
    assert iceberg.exit_code == 1
    assert "pyiceberg" in iceberg.stderr
    assert lab.api.count() == 0
    assert run("--destination", "filesystem").exit_code == 0
    assert sorted(row["session_id"] for row in rows(tmp_path, "session_details")) == all_ids(lab.api)
    assert load(lab.pipeline(), lab.source(), file_format="jsonl").exit_code == 0
    trace: Any = lab.pipeline().last_trace
    jobs = trace.last_normalize_info.load_packages[0].jobs
    names = [job.file_path for kind in jobs.values() for job in kind if "session_details" in job.file_path]
    assert names
    assert all(".jsonl" in name for name in names)


def test_a_bare_machine_asks_for_nothing_that_is_loaded(lab: Lab, tmp_path: Path) -> None:
    """The state comes back from the files."""
    assert load(in_folder(tmp_path), lab.source()).exit_code == 0
    shutil.rmtree(tmp_path / "pipelines")
    lab.api.add_session(lab.api.test_ids[0])
    assert load(in_folder(tmp_path), lab.source()).exit_code == 0
    assert sorted(lab.asked("details")) == all_ids(lab.api)
    assert sorted(row["session_id"] for row in rows(tmp_path, "session_details")) == all_ids(lab.api)
