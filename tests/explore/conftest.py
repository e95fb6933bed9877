"""The demo's invented studies, loaded once for all tests of what people read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support import lab


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's DuckDB file and its snapshot, as `usertesting load --demo` leaves them; read only."""
    from usertesting_source import load
    from usertesting_source.cli.invented import DEMO_DATABASE, DEMO_SESSIONS
    from usertesting_source.sample_api import SampleApi, shop_studies

    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch, SampleApi(shop_studies(sessions=DEMO_SESSIONS), rate_limit=None) as api:
        patch.chdir(folder)
        for key, value in lab.machine(folder).items():
            patch.setenv(key, value)
        source = lab.source_of(api, workspace_ids=["*"])
        load(lab.pipeline_in(folder, name="usertesting_demo", database=DEMO_DATABASE), source, 500)
    return folder


@pytest.fixture
def demo(demo_files: Path, tmp_path: Path) -> Path:
    """The working folder of this test, in which the demo is loaded: commands find it with `--demo`."""
    for file in demo_files.glob("*.duckdb"):
        shutil.copy2(file, tmp_path)
    assert Path(os.getcwd()) == tmp_path  # noqa: PTH109 - where the commands look
    return tmp_path
