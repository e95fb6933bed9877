"""The command `usertesting` beyond a load: what it shows, what it writes, what it tries."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
import time_machine
import tomlkit
from click.testing import CliRunner, Result
from dlt.common.runtime.collector_base import Collector
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.support.lab import ROOT, Lab, environment, later, pipeline_in, source_of
from usertesting_source import load
from usertesting_source.cli.init import DEPLOY, SCHEDULERS, TEMPLATES
from usertesting_source.cli.main import COMMANDS, main
from usertesting_source.cli.picked import chosen, put_into
from usertesting_source.cli.reference import reference
from usertesting_source.cli.show import Announced, Screen
from usertesting_source.cli.tests import table
from usertesting_source.errors import NotInstalled
from usertesting_source.extras import needed
from usertesting_source.outcome import Plan, Summary, Tally
from usertesting_source.sample_api import SampleApi, shop_studies
from usertesting_source.stop import asked_by_signals

Command = Callable[..., Result]
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def api() -> Iterator[SampleApi]:
    """The invented shop: three tests and a classic one, in two workspaces."""
    with SampleApi(shop_studies(sessions=6), rate_limit=None) as sample:
        yield sample


@pytest.fixture
def command(api: SampleApi) -> Command:
    """`usertesting ...`, in this process."""

    def run(*words: str, stdin: str | None = None, **settings: str | None) -> Result:
        return CliRunner().invoke(main, words, input=stdin, env=environment(api, **settings))

    return run


def test_help_does_not_wait_for_dlt() -> None:
    """Nor does the version: both are there at once, with one line for each command."""
    code = "import sys; from usertesting_source.cli.main import run\n"
    code += "try: run(['{}'])\nfinally: assert 'dlt' not in sys.modules"
    told = [
        subprocess.run([sys.executable, "-c", code.format(word)], capture_output=True, text=True)
        for word in ("--help", "--version")
    ]
    assert [one.returncode for one in told] == [0, 0], told
    words = " ".join(told[0].stdout.split())
    for name, line in COMMANDS.items():
        assert f"{name} {line}" in words
    assert re.search(r"\d+\.\d+", told[1].stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    """`-h` of each of them."""
    result = CliRunner().invoke(main, [name, "-h"])
    assert result.exit_code == 0, result.output
    assert f" {name} " in result.output.splitlines()[0]


def test_the_docs_are_those_of_the_commands() -> None:
    """`python -m usertesting_source.cli.reference > docs/commands.md` after a change."""
    assert (ROOT / "docs/commands.md").read_text(encoding="utf-8") == reference()


# -- tests -----------------------------------------------------------------------------------


def test_in_a_pipe_it_is_a_line_a_test(command: Command, api: SampleApi) -> None:
    """With tabs; whole ids, whatever the width; nothing has to be configured."""
    result = command("tests", TEST_IDS=None)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert result.exit_code == 0, result.stderr
    assert {row[0] for row in rows if row[-1] == "yes"} == set(api.test_ids)
    assert {row[6] for row in rows} == {"Shop research", "Product design"}
    assert sorted((row[4] for row in rows), reverse=True) == [row[4] for row in rows]


def test_words_of_the_title_narrow_the_list(command: Command) -> None:
    """All of them, whatever the case; as JSON, and as CSV."""
    as_json = json.loads(command("tests", "--json", "SURVEY", "check").stdout)
    assert [row["title"] for row in as_json] == ["Checkout survey"]
    as_csv = list(csv.DictReader(StringIO(command("tests", "--csv", "survey").stdout)))
    assert as_csv == as_json


@pytest.mark.parametrize("width", [60, 80])
def test_ids_are_whole_on_a_narrow_terminal(width: int) -> None:
    """They are there to be copied."""
    row = dict.fromkeys(("type", "product_type", "ordered_at", "workspace"), "something") | {
        "id": NOBODY,
        "title": "A title that is much longer than the line",
        "served": "yes",
    }
    shown = StringIO()
    Console(width=width, file=shown).print(table([row], numbered=True))
    assert NOBODY in shown.getvalue()
    assert max(map(len, shown.getvalue().splitlines())) <= width


def test_an_unknown_workspace_is_an_error_once(command: Command) -> None:
    """With its id, and exit code 1."""
    result = command("tests", "--workspace-id", NOBODY)
    assert result.exit_code == 1
    assert result.stderr.count(f"Workspace {NOBODY} could not be listed") == len(result.stderr.splitlines()) == 1


def test_picked_tests_are_in_the_configuration(command: Command, api: SampleApi, tmp_path: Path) -> None:
    """With their titles beside them; what else is there stays; picked twice they are there once; a load finds them."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text("# mine\n[sources.usertesting]\noverlap_days = 3 # days\n")
    first = command("tests", "--pick", "survey", stdin="9\n1\n", TEST_IDS=None)
    assert "choose from 1 to 1" in first.output
    assert command("tests", "--pick", stdin="all\n", TEST_IDS=None).exit_code == 0
    text = (tmp_path / ".dlt/config.toml").read_text()
    assert text.startswith("# mine\n[sources.usertesting]\noverlap_days = 3 # days\n")
    assert "# Checkout survey" in text
    ids = tomlkit.parse(text)["sources"]["usertesting"]["test_ids"]
    assert sorted(ids) == sorted(api.test_ids)


@given(st.text(max_size=20), st.integers(1, 9))
def test_what_is_chosen_is_there(text: str, count: int) -> None:
    """Whatever is typed: numbers of the list, each once, or an error."""
    import click

    try:
        numbers = chosen(text, count)
    except click.BadParameter:
        return
    assert numbers
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(1, count + 1))


def test_a_file_without_the_section_gets_it(tmp_path: Path) -> None:
    """And one that is not there is made."""
    path = tmp_path / "deep" / "config.toml"
    assert put_into(path, {NOBODY: "One\nof two lines"}) == 1
    assert put_into(path, {NOBODY.upper(): "Again"}) == 0
    assert tomlkit.parse(path.read_text())["sources"]["usertesting"]["test_ids"] == [NOBODY]


# -- init ------------------------------------------------------------------------------------


def test_init_writes_what_a_folder_needs(command: Command, tmp_path: Path) -> None:
    """The secrets for the user alone, and out of git; what is there is kept; the settings can be used."""
    (tmp_path / ".gitignore").write_text("mine\n*.duckdb\n")
    assert command("init").exit_code == 0
    assert stat.S_IMODE((tmp_path / ".dlt/secrets.toml").stat().st_mode) == 0o600
    assert (tmp_path / ".gitignore").read_text() == "mine\n*.duckdb\n.dlt/secrets.toml\n*.duckdb.wal\n"
    (tmp_path / ".dlt/secrets.toml").write_text("mine")
    assert "kept   .dlt/secrets.toml" in command("init").stdout
    assert (tmp_path / ".dlt/secrets.toml").read_text() == "mine"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_init_brings_all_files_of_a_scheduler(command: Command, tmp_path: Path, scheduler: str) -> None:
    """Where it looks for them."""
    assert command("init", "--scheduler", scheduler).exit_code == 0
    theirs = [file.relative_to(DEPLOY / scheduler) for file in (DEPLOY / scheduler).rglob("*") if file.is_file()]
    assert [name for name in theirs if name.suffix != ".pyc" and not (tmp_path / name).exists()] == []
    assert all(os.access(file, os.X_OK) for file in tmp_path.glob("*.sh"))


def test_a_checkout_has_the_same_settings_files() -> None:
    """`.dlt` of the project, and what `init` writes."""
    for name in ("config.toml", "example.secrets.toml"):
        assert (ROOT / ".dlt" / name).read_text() == (TEMPLATES / name).read_text()


# -- check -----------------------------------------------------------------------------------


def test_check_without_tests_still_tries_the_credentials(command: Command) -> None:
    """The tests are wrong, and named so; the credentials are right, and named so."""
    result = command("check", TEST_IDS=None)
    assert result.exit_code == 1
    assert "wrong  Nothing to load" in result.stdout
    assert "ok     credentials work" in result.stdout
    assert "1 of them classic" in result.stdout


def test_check_tries_each_named_test_and_the_bucket(command: Command, api: SampleApi, tmp_path: Path) -> None:
    """One that is not there, and a bucket that cannot be written, are wrong; the rest is not."""
    (tmp_path / "file").write_text("no folder")
    ids = ",".join([*api.test_ids, NOBODY])
    result = command("check", TEST_IDS=ids, VIDEO_BUCKET_URL=f"file://{tmp_path}/file/videos")
    assert result.exit_code == 1
    assert result.stdout.count("\nok     test ") + result.stdout.startswith("ok     test ") == 3
    assert [NOBODY in line for line in result.stdout.splitlines() if line.startswith("wrong")] == [True, False]
    assert "video_bucket_url" in result.stdout


def test_check_names_wrong_credentials_once(command: Command) -> None:
    """And says nothing good of them."""
    result = command("check", CREDENTIALS__CLIENT_SECRET="wrong")
    assert result.exit_code == 1
    assert result.stdout.count("wrong  ") == 1
    assert "credentials work" not in result.stdout


def test_check_leaves_nothing_behind(command: Command, tmp_path: Path) -> None:
    """No file, no dataset; and beside data that is there no table."""
    assert command("check").exit_code == 0
    assert not list(tmp_path.glob("*.duckdb"))


def test_check_names_the_section_of_a_destination_that_has_no_settings(command: Command) -> None:
    """In one paragraph, with the keys; the API is tried all the same."""
    result = command("check", "--destination", "postgres")
    assert result.exit_code == 1
    assert "ok     credentials work" in result.stdout
    (wrong,) = [line for line in result.stdout.splitlines() if line.startswith("wrong")]
    assert "[destination.postgres.credentials]" in wrong
    assert "DESTINATION__POSTGRES__CREDENTIALS__PASSWORD" in wrong


# -- which tests are loaded --------------------------------------------------------------------


def test_a_misspelt_setting_is_refused_with_the_right_one(command: Command, tmp_path: Path) -> None:
    """In the environment, and in the file; and the folder that was looked in is named."""
    result = command("load", TEST_IDZ="1")
    assert result.exit_code == 1
    assert "`sources.usertesting.test_idz` is no setting: did you mean `test_ids`?" in result.stderr
    assert str(tmp_path / ".dlt") in result.stderr
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt/config.toml").write_text("[sources.usertesting]\noverlap = 3\n")
    run = subprocess.run([sys.executable, "-m", "usertesting_source", "load"], capture_output=True, text=True)
    assert "did you mean `overlap_days`?" in run.stderr


def test_a_test_by_its_title(command: Command) -> None:
    """Whatever its case; one that nobody has is named."""
    result = command("load", "--test", "checkout SURVEY", "--resources", "tests,sessions")
    assert result.exit_code == 0, result.output
    assert "Plan  1 test" in result.stdout
    assert "No test is called 'Checkin'" in command("load", "--test", "Checkin").stdout


def test_plain_ids_get_their_titles_once_a_day(api: SampleApi, tmp_path: Path) -> None:
    """From as few workspaces as it takes; the next run knows them, and a day later they are asked for again."""
    lab = Lab(api, tmp_path, resources=["tests"], look_up_titles=True)
    looked = [api.count("workspace") + api.count("workspaces")]
    for hours in (0, 1, 25):
        with later(hours=hours):
            assert lab.load().exit_code == 0
        looked.append(api.count("workspace") + api.count("workspaces"))
    first, second, third = (after - before for before, after in pairwise(looked))
    assert (second, first) == (0, third)
    assert 0 < first <= 7
    titles = {title for (title,) in lab.query("select title from tests")}
    assert titles == {"First impressions of the product page", "Checkout survey", "Find the return policy"}
    before = api.count("workspace")
    one = next(study.test_id for study in shop_studies(sessions=6) if study.title == "Checkout survey")
    assert Lab(api, tmp_path / "other", resources=["tests"], look_up_titles=True, test_ids=[one]).load().exit_code == 0
    assert api.count("workspace") - before <= 2


def test_ids_narrow_workspaces_and_some_are_left_out(command: Command, api: SampleApi) -> None:
    """A test that is in none of them is named; one that is excluded is not loaded, whoever names it."""
    first, second, third = api.test_ids
    plan = command("load", "--resources", "tests", TEST_IDS=f"{first},{NOBODY}", WORKSPACE_IDS="*")
    assert plan.exit_code == 3
    assert "Plan  1 test" in plan.stdout
    assert f"Test {NOBODY} is in none of the workspaces" in plan.stdout
    less = command("load", "--resources", "tests", TEST_IDS=f"{second},{third}", EXCLUDE_TEST_IDS=third)
    assert "Plan  1 test" in less.stdout


def test_quiet_says_nothing_and_json_says_it_all(command: Command) -> None:
    """One object a poll, for a machine; a failure is told all the same."""
    quiet = command("load", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")
    lines = command("load", "--json").stdout.splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["nothing_new"]
    bad = command("load", "--quiet", TEST_IDS=NOBODY)
    assert bad.exit_code == 3
    assert NOBODY in bad.stderr
    stopped = command("load", "--json", TEST_IDS="1")
    assert json.loads(stopped.stdout)["error"]["type"] == "ConfigurationError"


def test_a_package_that_is_missing_is_named_with_a_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the packages' own names, for the Python that runs: this package need not be where pip looks."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(NotInstalled) as error, needed("report", "The report"):
        import altair  # noqa: F401
    command = str(error.value).partition("To install it: ")[2]
    assert shlex.split(command)[:4] == [sys.executable, "-m", "pip", "install"]
    assert {re.split(r"[<>=]", word)[0] for word in shlex.split(command)[4:]} == {
        "altair",
        "jinja2",
        "vl-convert-python",
    }
    dry = subprocess.run([*shlex.split(command), "--dry-run", "--no-index", "-q"], capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr


# -- what is seen meanwhile ----------------------------------------------------------------------


def test_the_time_left_is_always_visible() -> None:
    """Done of total, pace and time left; and while the quota waits, a countdown that goes on by itself."""
    with time_machine.travel(0, tick=False):
        screen = Screen(Console(file=StringIO(), force_terminal=True, width=80))
        screen.planned(Plan(tests=1, listed=1, due={"session_details": 600}, rate_limit=10, rate_period=60.0))
    tally = Tally(due=Counter({("session_details", "a"): 600}), asked=Counter({("session_details", "a"): 120}))
    screen.progressed(tally, 121)
    screen.waits(43.0)
    pace, left, following = screen.facts()
    assert pace.endswith("/min")
    assert left == "48 min left"
    assert following in ("next in 43 s", "next in 42 s")
    screen.polled(Summary())


def test_dlts_own_progress_shows_it_too(api: SampleApi, tmp_path: Path) -> None:
    """`dlt.pipeline(..., progress=...)`: requests answered, of those that are due."""
    counts: list[tuple[int, int | None]] = []

    class Counts(Collector):
        def update(
            self,
            name: str,
            inc: int = 1,
            total: int | None = None,
            inc_total: int | None = None,  # noqa: ARG002 - dlt's own signature
            message: str | None = None,  # noqa: ARG002 - dlt's own signature
            label: str = "",  # noqa: ARG002 - dlt's own signature
        ) -> None:
            if name == "Requests":
                counts.append((inc, total))

        def _start(self, step: str) -> None: ...

        def _stop(self) -> None: ...

    source = source_of(api, resources=["session_details"])
    load(pipeline_in(tmp_path, progress=Counts()), source)
    assert sum(inc for inc, _ in counts) == 6
    assert {total for _, total in counts} == {6}


def test_ctrl_c_is_heard_at_once(api: SampleApi, tmp_path: Path) -> None:
    """It is said what happens, and how to end at once."""
    shown = StringIO()
    stop = Announced(Console(file=shown))
    with asked_by_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
    stop.ask()
    assert shown.getvalue() == "Stopping after this request; again to stop now.\n"
