"""`python pipelines/load.py` as a user types it: output, exit codes, errors in one paragraph."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.lab import environment
from usertesting_source.cli.load import main
from usertesting_source.sample_api import SampleApi, simple_study

LOAD = str(Path(__file__).parents[2] / "pipelines" / "load.py")
NOBODY = "00000000-0000-4000-8000-000000000000"
Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[SampleApi]:
    """A sample API with one survey of three sessions, and no quota."""
    with SampleApi([simple_study(n=3, product_type="SURVEY")], rate_limit=None) as sample:
        yield sample


@pytest.fixture
def run(api: SampleApi) -> Run:
    """Runs the command in this process."""

    def command(*options: str, **settings: str | None) -> Result:
        return CliRunner().invoke(main, options, env=environment(api, **settings))

    return command


def test_a_load_says_plan_and_result(run: Run) -> None:
    """The plan, a table of rows, a verdict; exit code 0; and a second run finds nothing new."""
    first = run()
    assert first.exit_code == 0, first.stderr
    assert "Plan  1 test. To load: 3 details, 3 transcripts" in first.stdout
    assert "session_details" in first.stdout
    assert "All loaded" in first.stdout
    second = run()
    assert second.exit_code == 0
    assert "Nothing new" in second.stdout


def test_cues_that_could_not_be_read_are_told() -> None:
    """How many of how many transcripts, and where the words are."""
    good, bad = "00:01.000 --> 00:02.000\nHi", "00:xx.000 --> 00:02.000\nWell"
    with SampleApi([simple_study(n=3, product_type="THINK_OUT_LOUD")], rate_limit=None) as api:
        for session, blocks in zip(api.state.listing(api.test_ids[0]), ([good], [bad, good], [bad, bad]), strict=True):
            api.change_session(session.session_id, transcript="\n\n".join(["WEBVTT", *blocks]))
        result = CliRunner().invoke(main, (), env=environment(api))
    assert result.exit_code == 0
    assert "3 cues of 2 transcripts could not be read; the WebVTT is kept in transcript_vtt." in result.stdout


BAD: dict[str, tuple[dict[str, str | None], str]] = {
    "no credentials": ({"CREDENTIALS__CLIENT_ID": None, "CREDENTIALS__CLIENT_SECRET": None}, "No credentials"),
    "half credentials": ({"CREDENTIALS__CLIENT_SECRET": None}, "client_secret` is not"),
    "wrong secret": ({"CREDENTIALS__CLIENT_SECRET": "wrong"}, "401"),
    "no uuid": ({"TEST_IDS": "12345"}, "a test id is a UUID"),
    "no tests": ({"TEST_IDS": None}, "Nothing to load"),
    "bad date": ({"START_DATE": "soon"}, "start_date"),
    "bad number": ({"OVERLAP_DAYS": "-1"}, "overlap_days"),
    "bad url": ({"BASE_URL": "api.example.com"}, "base_url"),
    "unreachable": ({"BASE_URL": "http://127.0.0.1:9"}, "cannot be reached"),
    "bad resource": ({"RESOURCES": "session"}, "choose from"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_paragraph(run: Run, case: str) -> None:
    """Exit code 1, key and remedy in one paragraph, no traceback, no secret."""
    settings, said = BAD[case]
    result = run(**settings)
    assert result.exit_code == 1, result.stdout + result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "sample-secret" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "soon"),
        ("--chunk", "0"),
        ("--resources", "nothing"),
        ("--watch", "-1"),
        ("--bogus",),
        ("--destination", "nowhere"),
    ],
)
def test_a_bad_option_is_exit_code_2(run: Run, options: tuple[str, ...]) -> None:
    """With a line that names the option."""
    result = run(*options)
    assert result.exit_code == 2
    assert options[0] in result.stderr


def test_a_test_that_cannot_be_seen_fails_alone(run: Run, api: SampleApi) -> None:
    """The other test is loaded, exit code 3, and the message gives the three meanings of a 404."""
    result = run(TEST_IDS=f"{api.test_ids[0]},{NOBODY}")
    assert result.exit_code == 3
    assert "All loaded" not in result.stdout
    assert "session_details" in result.stdout
    for word in (NOBODY, "does not exist", "workspace", "classic"):
        assert word in result.stdout


def test_verbose_shows_the_trace(run: Run) -> None:
    """For those who have to dig."""
    assert "Traceback" in run("--verbose", TEST_IDS="12345").stderr


def test_check_says_what_is_wrong_and_loads_nothing(run: Run, tmp_path: Path) -> None:
    """Exit code 1 for a test that cannot be seen, 0 when all is well."""
    good = run("--check")
    assert good.exit_code == 0, good.stdout + good.stderr
    assert "3 sessions" in good.stdout
    bad = run("--check", TEST_IDS=NOBODY)
    assert bad.exit_code == 1
    assert NOBODY in bad.stdout
    assert "Plan" not in good.stdout + bad.stdout


def test_list_tests_needs_no_test_ids(run: Run, api: SampleApi) -> None:
    """It prints what the credentials see, with nothing configured."""
    result = run("--list-tests", TEST_IDS=None)
    assert result.exit_code == 0, result.stderr
    assert api.test_ids[0] in result.stdout


def test_the_script_runs_by_itself(api: SampleApi, tmp_path: Path) -> None:
    """As `python pipelines/load.py`, in a folder without any settings file."""
    variables = os.environ | {key: value for key, value in environment(api).items() if value is not None}
    result = subprocess.run([sys.executable, LOAD], env=variables, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "All loaded" in result.stdout
    assert result.stderr == ""


def test_the_settings_file_that_comes_with_it_can_be_used(api: SampleApi, tmp_path: Path) -> None:
    """As on a checkout: `.dlt/config.toml` names the DuckDB file."""
    shutil.copytree(Path(LOAD).parents[1] / ".dlt", tmp_path / ".dlt")
    variables = os.environ | {key: value for key, value in environment(api).items() if value is not None}
    result = subprocess.run([sys.executable, LOAD], env=variables, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "usertesting_data.duckdb").exists()


def test_a_locked_duckdb_file_is_named_and_nothing_is_lost(api: SampleApi, run: Run, tmp_path: Path) -> None:
    """A load that finds the file held says what it waits for, and goes on when it is free."""
    assert run().exit_code == 0
    variables = os.environ | {key: value for key, value in environment(api).items() if value is not None}
    hold = "import duckdb; c = duckdb.connect('usertesting_data.duckdb'); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(
            [sys.executable, LOAD, "--full"], env=variables, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as loading:
            assert loading.stdout is not None
            assert "another program holds the DuckDB file" in loading.stdout.readline()
            holder.communicate("go on\n")
            assert "All loaded" in loading.stdout.read()
    assert loading.returncode == 0
