"""`python pipelines/alert.py` as a user types it: settings, output, exit codes, watching and stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from tests.support.fake_jira import EMAIL, TOKEN, FakeJira
from tests.support.fake_slack import FakeSlack
from tests.support.lab import ago, now
from tests.support.warehouse import Loader, failed, rated, session, wrote
from usertesting_source.alerts.tell import only_teller
from usertesting_source.cli import alert
from usertesting_source.cli.invented import demo_source
from usertesting_source.sample_api import SampleApi, simple_study

ALERT = Path(__file__).parents[2] / "pipelines" / "alert.py"
WEBHOOK = "ALERTS__SLACK__WEBHOOK_URL"
PERIOD = 0.1
"""The vendor's minute, for ten requests, scaled down."""
INTERVAL = 1.5
"""Seconds between two looks."""
NOWHERE = ("--dry-run", "--destination", "nowhere")
Run = Callable[..., Result]


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """The warehouse that the command finds in its working folder."""
    monkeypatch.setenv("PIPELINES_DIR", str(tmp_path / "pipelines"))
    return Loader(tmp_path, database="usertesting_data.duckdb")


@pytest.fixture
def slack(httpserver: HTTPServer) -> Iterator[FakeSlack]:
    yield FakeSlack(httpserver)
    httpserver.check()


@pytest.fixture
def run(loader: Loader) -> Run:
    """Runs the command in this process, with more environment."""

    def command(*options: str, **environment: str) -> Result:
        result = CliRunner().invoke(alert.main, options, env=environment)
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    return command


@pytest.fixture
def tell_slack(run: Run, slack: FakeSlack) -> Run:
    """The command with Slack set up."""
    return lambda *options, **more: run("--to", "slack", *options, **{WEBHOOK: slack.url, **more})


def recent(session_id: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return session(session_id, *tasks, finished=ago(minutes=30), **more)


SINCE = ("--since", ago(hours=2).isoformat())


def test_what_is_new_is_told_once(loader: Loader, tell_slack: Run, slack: FakeSlack) -> None:
    """First run, new session, and nothing more to tell."""
    first = tell_slack()
    assert (first.exit_code, "slack: first run" in first.output) == (0, True)
    loader.load(session("s1", failed(), finished=now() + timedelta(minutes=1)))
    second = tell_slack()
    assert second.output == "slack: Task 3: failed · Checkout redesign · s1\n"
    assert (second.exit_code, len(slack.posts)) == (0, 1)
    assert tell_slack().output == "slack: nothing new to tell.\n"
    assert len(slack.posts) == 1


def test_both_channels_are_told(loader: Loader, run: Run, httpserver: HTTPServer) -> None:
    """Twice `--to`."""
    slack, jira = FakeSlack(httpserver), FakeJira(httpserver)
    loader.load(recent("s1", failed(), rated(1)))
    account = {"BASE_URL": jira.url, "EMAIL": EMAIL, "API_TOKEN": TOKEN, "PROJECT_KEY": "UX"}
    settings = {WEBHOOK: slack.url} | {f"ALERTS__JIRA__{key}": value for key, value in account.items()}
    result = run("--to", "slack", "--to", "jira", *SINCE, ALERTS__PER="task", **settings)
    assert (result.exit_code, len(slack.posts), len(jira.issues)) == (0, 1, 2)


def test_a_dry_run_needs_no_secrets_and_sends_nothing(loader: Loader, run: Run) -> None:
    """What would be sent, for a reader and, with --verbose, as JSON."""
    loader.load(recent("s1", failed(), wrote("no [bold]crash[/]")))
    words = {"ALERTS__RULES__KEYWORD__KEYWORDS": "crash,freeze"}
    result = run("--to", "slack", "--to", "jira", "--dry-run", "--verbose", *SINCE, **words)
    assert result.exit_code == 0
    for part in ("slack: would be sent, 1 of 1", "jira: would be sent, 1 of 1", "🔴 Task 3: failed", '"mrkdwn"'):
        assert part in result.output
    assert 'Task 6: mentions "crash"' in result.output
    assert "> no [bold]crash[/]" in result.output
    assert '"fields"' in result.output


def test_a_first_dry_run_says_how_to_see_more(loader: Loader, run: Run) -> None:
    """Nothing would be sent, and why."""
    loader.load(recent("s1", failed()))
    result = run("--dry-run")
    assert (result.exit_code, "--since DATE" in result.output) == (0, True)


def test_what_cannot_be_delivered_is_tried_by_the_next_run(loader: Loader, tell_slack: Run, slack: FakeSlack) -> None:
    """Exit code 3, and then 0."""
    loader.load(recent("s1", failed()), recent("s2", failed()))
    slack.script = [(404, "no_service")]
    result = tell_slack(*SINCE)
    assert result.exit_code == 3
    assert "alerts.slack.webhook_url" in result.output
    assert "1 left to the next run" in result.output
    assert (tell_slack().exit_code, len(slack.posts)) == (0, 2)


def test_a_flood_is_summed_up(loader: Loader, tell_slack: Run, slack: FakeSlack) -> None:
    """`--max-alerts`."""
    loader.load(*(recent(f"s{n}", failed()) for n in range(5)))
    assert tell_slack(*SINCE, "--max-alerts", "1").exit_code == 0
    assert [("4 more sessions" in words) for words in slack.words] == [False, True]


def test_no_text_of_participants_when_it_is_switched_off(loader: Loader, tell_slack: Run, slack: FakeSlack) -> None:
    """`include_text = false`."""
    loader.load(recent("s1", failed(answer_text="a secret of mine")))
    assert tell_slack(*SINCE, ALERTS__INCLUDE_TEXT="false").exit_code == 0
    assert "secret of mine" not in str(slack.posts)
    assert len(slack.posts) == 1


def test_a_rule_of_ones_own_is_a_function_in_the_working_folder(
    loader: Loader, tell_slack: Run, slack: FakeSlack, tmp_path: Path
) -> None:
    """Named in the configuration, beside the rules of the package."""
    (tmp_path / "house_rules.py").write_text(
        "def many_tasks(session):\n    return f'{len(session.tasks)} tasks' if len(session.tasks) > 1 else None\n"
    )
    rules = '{"many": {"function": "house_rules:many_tasks", "severity": "low"}}'
    loader.load(recent("s1", rated(5), wrote("fine")))
    result = tell_slack(*SINCE, ALERTS__RULES=rules)
    assert result.exit_code == 0, result.output
    assert ":large_yellow_circle: *2 tasks*" in slack.words[0]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("CHANNELS", "email", "alerts.channels"),
        ("SLACK__WEBHOOK_URL", "http://hooks.slack.com/services/T/B/verysecret", "alerts.slack.webhook_url"),
        ("SLACK__WEBHOOK_URL", "https://hooks.slack.com/triggers/T/B/verysecret", "incoming webhook"),
        ("MAX_ALERTS", "many", "alerts.max_alerts"),
        ("INCLUDE_TEXT", "perhaps", "alerts.include_text"),
        ("RESULT_URL", "https://x.example/{participant}", "alerts.result_url"),
        ("RULES__LOW_RATING__THRESHOLD", "low", "alerts.rules.low_rating.threshold"),
        ("RULES__LOW_RATING__SEVERITY", "urgent", "alerts.rules.low_rating.severity"),
        ("RULES__LOW_RATING__OF", "0", "alerts.rules.low_rating.of"),
        ("RULES__SLOW_TASK__MIN_SESSIONS", "2.5", "alerts.rules.slow_task.min_sessions"),
        ("RULES__KEYWORD__PATTERNS", "(", "alerts.rules.keyword.patterns"),
        ("RULES__KEYWORD__LOOK_IN", "dreams", "alerts.rules.keyword.look_in"),
        ("RULES", '{"low_rating": {"threshold": "low"}}', "alerts.rules.low_rating.threshold"),
        ("RULES", '{"low_ratng": {"threshold": 1}}', "alerts.rules.low_ratng"),
        ("RULES", '{"low_rating": {"treshold": 1}}', "alerts.rules.low_rating.treshold"),
        ("RULES", '{"mine": {"function": "nowhere:rule"}}', "alerts.rules.mine.function"),
        ("JIRA__API_VERSION", "4", "alerts.jira.api_version"),
        ("JIRA__PROJECT_KEY", 'UX" OR 1', "alerts.jira.project_key"),
        ("JIRA__BASE_URL", "http://jira.example", "alerts.jira.base_url"),
        ("JIRA__LABELS", "two words", "alerts.jira.labels"),
        ("JIRA__EMAIL", "", "alerts.jira.email"),
        ("JIRA__API_TOKEN", "", "alerts.jira.api_token"),
        ("PER", "week", "alerts.per"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_sent(run: Run, key: str, value: str, says: str) -> None:
    """Key, value and remedy; never a secret."""
    good = {
        "CHANNELS": "slack,jira",
        "SLACK__WEBHOOK_URL": "https://hooks.slack.com/services/T/B/verysecret",
        "JIRA__BASE_URL": "https://x.atlassian.net",
        "JIRA__EMAIL": EMAIL,
        "JIRA__API_TOKEN": "verysecret",
        "JIRA__PROJECT_KEY": "UX",
    }
    result = run(**{f"ALERTS__{name}": given for name, given in {**good, key: value}.items()})
    assert result.exit_code == 1
    assert says in result.output
    assert "verysecret" not in result.output


@pytest.mark.parametrize(
    "options", [("--to", "email"), ("--since", "soon"), ("--max-alerts", "-1"), ("--nope",), NOWHERE]
)
def test_a_bad_option_is_refused(run: Run, options: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert run(*options).exit_code == 2


def test_without_a_channel_it_says_what_to_set(run: Run) -> None:
    """Nothing is guessed."""
    result = run()
    assert (result.exit_code, "alerts.channels" in result.output) == (1, True)


def test_a_second_process_leaves_the_work_to_the_first(loader: Loader, tell_slack: Run) -> None:
    """It says so, and that is no error."""
    with only_teller(loader.warehouse().pipeline):
        result = tell_slack()
    assert (result.exit_code, "Another alert process" in result.output) == (0, True)


def test_the_demo_shows_alerts_on_the_sample_studies(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account, a channel or a configuration; it loads them itself."""
    monkeypatch.setattr(alert, "demo_source", lambda: demo_source(sessions=12))
    result = CliRunner().invoke(alert.main, ["--demo", "--dry-run", "--max-alerts", "5"])
    assert result.exit_code == 0, result.output
    assert "slack: would be sent, 1 of" in result.output
    assert "https://app.usertesting.com/tests/" in result.output.replace("\n", "")


@pytest.fixture
def api() -> Iterator[SampleApi]:
    """Twenty surveys with a session each, and a quota."""
    studies = [simple_study(n=1, seed=seed, newest=ago(hours=seed + 1)) for seed in range(20)]
    with SampleApi(studies, rate_limit=10, rate_period=PERIOD) as sample:
        yield sample


def settings(api: SampleApi, slack: FakeSlack) -> dict[str, str]:
    """What a user would have set; every NPS answer is a signal."""
    source = {
        "BASE_URL": api.base_url,
        "TOKEN_URL": api.token_url,
        "CREDENTIALS__CLIENT_ID": api.client_id,
        "CREDENTIALS__CLIENT_SECRET": api.client_secret,
        "TEST_IDS": ",".join(api.test_ids),
        "RATE_PERIOD": str(PERIOD),
        "RESOURCES": "sessions,session_details",
    }
    rules = {WEBHOOK: slack.url, "ALERTS__RULES__LOW_NPS__THRESHOLD": "10"}
    return {f"SOURCES__USERTESTING__{key}": value for key, value in source.items()} | rules


def test_loading_and_telling_go_together(api: SampleApi, slack: FakeSlack, run: Run) -> None:
    """`--load`: what the first load brings is old, what comes later is told."""
    environment = settings(api, slack)
    first = run("--to", "slack", "--load", **environment)
    assert (first.exit_code, slack.requests) == (0, 0), first.output
    fresh = api.add_session(api.test_ids[3])
    second = run("--to", "slack", "--load", **environment)
    assert second.exit_code == 0, second.output
    assert len(slack.posts) == 1
    assert fresh in slack.words[0]


def wait_for(what: Callable[[], bool], seconds: float) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, f"not within {seconds} seconds"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture
def watching(api: SampleApi, slack: FakeSlack, loader: Loader) -> Iterator[subprocess.Popen[str]]:
    """The command, watching."""
    command = [sys.executable, str(ALERT), "--to", "slack", "--load", "--watch", str(INTERVAL / 60)]
    path = os.pathsep.join(filter(None, [str(ALERT.parent.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **settings(api, slack), "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=loader.folder) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_new_session_is_told_within_a_poll(api: SampleApi, slack: FakeSlack, watching: subprocess.Popen[str]) -> None:
    """One among twenty tests: the poll that is under way when it comes, or the next one."""
    wait_for(lambda: api.count("details") >= 20, 60)
    wait_for(lambda: api.count("list") >= 40, 60)
    listed = api.count("list")
    fresh = api.add_session(api.test_ids[7])
    wait_for(lambda: bool(slack.posts), 60)
    assert fresh in slack.words[0]
    assert api.count("list") - listed <= 2 * 20
    watching.send_signal(signal.SIGTERM)
    assert watching.wait(20) == 0
    assert len(slack.posts) == 1


def test_fresh_sessions_go_before_a_backfill(api: SampleApi, slack: FakeSlack, watching: subprocess.Popen[str]) -> None:
    """A session that finishes meanwhile is told while hundreds of old ones still wait."""
    wait_for(lambda: api.count("details") >= 20, 60)
    for hours in range(400):
        api.add_session(api.test_ids[0], ago(hours=hours + 3))
    wait_for(lambda: api.count("details") >= 50, 60)
    fresh = api.add_session(api.test_ids[5])
    wait_for(lambda: bool(slack.posts), 30)
    assert fresh in slack.words[0]
    assert api.count("details") < 420
    watching.terminate()
    assert watching.wait(30) == 0
