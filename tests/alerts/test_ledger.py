"""Each signal is told once: over re-runs, crashes, late loads, failures and lost folders."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from tests.support.fake_jira import EMAIL, TOKEN, FakeJira
from tests.support.fake_slack import FakeSlack
from tests.support.warehouse import NOW, Loader, failed, rated, session, wrote
from usertesting_source.alerts import rules
from usertesting_source.alerts.channel import Channel, ChannelRefused, MaybeDelivered, NotDelivered
from usertesting_source.alerts.jira import JiraChannel, JiraProject
from usertesting_source.alerts.ledger import PIPELINE
from usertesting_source.alerts.message import Message, Style
from usertesting_source.alerts.sessions import arrived
from usertesting_source.alerts.signals import Rule, Session
from usertesting_source.alerts.slack import SlackChannel
from usertesting_source.alerts.tell import Report, only_teller, tell
from usertesting_source.errors import AnotherRunIsActive, DestinationLocked

FAILED = Rule("failed_task", "high", rules.failed_task())
RATING = Rule("low_rating", "medium", rules.low_rating())
KEYWORD = Rule("keyword", "low", rules.keyword(["crash"]))
LATER = NOW + timedelta(hours=1)


class Recorder:
    """A channel that remembers what it took, and fails as its script says."""

    per = "session"

    def __init__(self, name: str = "slack", settle: timedelta = timedelta(0)) -> None:
        self.name, self.settle = name, settle
        self.taken: list[Message] = []
        self.script: list[BaseException | None] = []
        self.finds = False

    def render(self, message: Message) -> dict[str, Any]:
        return {"sessions": message.sessions}

    def preview(self, payload: dict[str, Any]) -> str:
        return str(payload)

    def find(self, message: Message) -> str | None:
        return next((f"ID-{one.key}" for one in self.taken if self.finds and one.key == message.key), None)

    def send(self, message: Message) -> str | None:
        error = self.script.pop(0) if self.script else None
        if not isinstance(error, NotDelivered):
            self.taken.append(message)
        if error is not None:
            raise error
        return f"ID-{message.key}"

    @property
    def told(self) -> list[tuple[str, ...]]:
        """The session and the rules of each message."""
        return [(*one.sessions, *sorted({s.rule_id for s in one.signals})) for one in self.taken]


class Crash(BaseException):
    """The process is gone."""


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


@pytest.fixture
def channel() -> Recorder:
    return Recorder()


Look = Callable[..., Report]


@pytest.fixture
def look(loader: Loader, channel: Recorder) -> Look:
    """One run of the alerts, by default with the first run behind it."""

    def run(to: Channel = channel, at: datetime = NOW, using: Sequence[Rule] = (FAILED, RATING), **more: Any) -> Report:
        return tell(loader.warehouse(), using, to, clock=lambda: at, **more)

    return run


@pytest.fixture
def started(look: Look) -> Look:
    look(at=NOW - timedelta(minutes=5))
    return look


def test_a_first_run_tells_nothing_that_was_there_before(loader: Loader, look: Look, channel: Recorder) -> None:
    """It says from when on it tells, and does."""
    loader.load(session("old", failed(), finished=NOW - timedelta(hours=1)))
    report = look(at=NOW)
    assert (report.first_run, report.complete, channel.taken) == (NOW, True, [])
    loader.load(session("new", failed(), finished=NOW + timedelta(minutes=1)))
    look(at=LATER)
    assert channel.told == [("new", "failed_task")]


def test_a_first_run_tells_what_finished_since(loader: Loader, look: Look, channel: Recorder) -> None:
    """`--since`, on the first run and, going further back, on a later one."""
    for days in (1, 3, 5):
        loader.load(session(f"s{days}", failed(), finished=NOW - timedelta(days=days)))
    look(since=NOW - timedelta(days=2))
    assert channel.told == [("s1", "failed_task")]
    loader.backdate(hours=48)
    look(since=NOW - timedelta(days=4))
    look(since=NOW - timedelta(days=4))
    assert channel.told == [("s1", "failed_task"), ("s3", "failed_task")]


def test_all_signals_of_a_session_are_one_message_told_once(loader: Loader, started: Look, channel: Recorder) -> None:
    """However often the alerts run."""
    loader.load(session("s1", failed(), rated(1)), session("s2", rated(5)))
    for _ in range(3):
        assert started().complete
    assert channel.told == [("s1", "failed_task", "low_rating")]
    assert [(row["status"], row["attempts"]) for row in loader.ledger()] == [("sent", 1)] * 2
    assert {row["external_id"] for row in loader.ledger()} == {f"ID-{channel.taken[0].key}"}


def test_a_session_that_is_loaded_late_is_told(loader: Loader, started: Look, channel: Recorder) -> None:
    """It finished before others that were told, and reached the warehouse after them."""
    loader.load(session("s2", failed(), finished=NOW + timedelta(days=2)))
    started(at=NOW + timedelta(days=2))
    loader.backdate(hours=48)
    loader.load(session("s1", failed(), finished=NOW + timedelta(hours=1)))
    started(at=NOW + timedelta(days=4))
    assert channel.told == [("s2", "failed_task"), ("s1", "failed_task")]


def test_only_late_loads_are_read_again(loader: Loader, started: Look) -> None:
    """A poll does not read all history."""
    loader.load(session("s1", failed()))
    loader.backdate(hours=48)
    loader.load(session("s2", failed()))
    long_ago = NOW - timedelta(days=9)
    with loader.warehouse().open() as db:
        newest = db.rows("SELECT MAX(inserted_at) AS t FROM {_dlt_loads}")[0]["t"]
        assert arrived(db, long_ago, newest) == ["s2"]
        assert sorted(arrived(db, long_ago, None)) == ["s1", "s2"]


def test_a_transcript_that_comes_later_is_read(loader: Loader, started: Look, channel: Recorder) -> None:
    """What the answers showed is not told again with it."""
    both = (FAILED, KEYWORD)
    loader.load(session("s1", failed()))
    started(using=both)
    loader.backdate(hours=48)
    loader.load(session("s1", failed(), transcript="and then, a crash"))
    started(using=both, at=NOW + timedelta(days=2))
    assert channel.told == [("s1", "failed_task"), ("s1", "keyword")]


def test_a_session_loaded_again_is_not_told_again(loader: Loader, started: Look, channel: Recorder) -> None:
    """Not even with new answers to the same task; a signal that is new is told."""
    loader.load(session("s1", rated(1)))
    started()
    loader.load(session("s1", rated(2)))
    started()
    loader.load(session("s1", rated(2), failed()))
    started()
    assert channel.told == [("s1", "low_rating"), ("s1", "failed_task")]


def test_a_wiped_working_folder_tells_nothing_again(loader: Loader, started: Look, channel: Recorder) -> None:
    """The table is the memory: on a build server the folder is new each time."""
    loader.load(session("s1", failed()))
    started()
    shutil.rmtree(loader.folder / "pipelines" / PIPELINE)
    started()
    assert len(channel.taken) == 1


def test_removed_sessions_are_not_told(loader: Loader, started: Look, channel: Recorder) -> None:
    """A refunded participant is nobody's problem."""
    loader.load(session("s1", failed(), removed_at=NOW))
    started()
    assert channel.taken == []


def test_tables_may_be_missing(tmp_path: Path) -> None:
    """Who loads details alone gets alerts too, named by the test's id."""
    loader, channel = Loader(tmp_path, only=("session_details", "session_details__tasks")), Recorder()
    tell(loader.warehouse(), [FAILED], channel, clock=lambda: NOW)
    loader.load(session("s1", failed(), finished=LATER))
    tell(loader.warehouse(), [FAILED], channel, clock=lambda: LATER)
    assert channel.taken[0].first.test_title is None


def test_an_empty_warehouse_is_no_error(look: Look) -> None:
    """The alerts may be started before the first load."""
    assert look().complete
    assert look(dry_run=True).complete


def test_a_dry_run_sends_and_writes_nothing(loader: Loader, look: Look, channel: Recorder) -> None:
    """It shows what the next run sends."""
    loader.load(session("s1", failed()))
    report = look(since=NOW - timedelta(days=1), dry_run=True)
    assert [payload for _, payload in report.messages] == [{"sessions": ["s1"]}]
    assert channel.taken == []
    with loader.warehouse().open() as db:
        assert db.columns("alerts") == []


def test_a_flood_becomes_a_digest(loader: Loader, started: Look, channel: Recorder) -> None:
    """The most severe first, then one message for the rest, which is then told."""
    loader.load(*(session(f"s{n}", rated(1)) for n in range(5)), session("bad", failed()))
    started(max_alerts=2)
    started(max_alerts=2)
    assert [len(one.sessions) for one in channel.taken] == [1, 1, 4]
    assert channel.told[0] == ("bad", "failed_task")
    assert {row["status"] for row in loader.ledger()} == {"sent"}


def test_a_channel_added_later_has_its_own_first_run(loader: Loader, started: Look) -> None:
    """It is not flooded with what the other one was told."""
    loader.load(session("s1", failed(), finished=NOW - timedelta(hours=1)))
    started()
    jira = Recorder("jira")
    assert started(to=jira).first_run == NOW
    loader.load(session("s2", failed(), finished=LATER))
    started(to=jira, at=LATER)
    assert jira.told == [("s2", "failed_task")]


def test_a_rule_added_later_starts_at_the_run_before(loader: Loader, look: Look, channel: Recorder) -> None:
    """A reload of old sessions does not flood the channel because of it."""
    look(using=[FAILED], at=NOW - timedelta(minutes=5))
    loader.load(session("s1", rated(1), finished=NOW))
    look(using=[FAILED], at=LATER)
    loader.load(session("s1", rated(1), finished=NOW), session("s2", rated(1), finished=LATER))
    look(at=LATER + timedelta(hours=1))
    assert channel.told == [("s2", "low_rating")]


def test_a_rule_that_raises_sees_its_sessions_again(loader: Loader, started: Look, channel: Recorder) -> None:
    """Once it is mended."""

    def bad(_: Session) -> str:
        raise KeyError

    loader.load(session("s1", failed()))
    report = started(using=[FAILED, Rule("own", "low", rules.own_rule(bad))])
    assert report.broken == {"own": "KeyError in session s1"}
    assert not report.complete
    loader.backdate(hours=48)
    started(using=[FAILED, Rule("own", "low", rules.own_rule(lambda _: "hm"))])
    assert channel.told == [("s1", "failed_task"), ("s1", "own")]


def test_a_crash_before_sending_repeats_nothing(loader: Loader, started: Look, channel: Recorder) -> None:
    """What was decided and not begun is told later, and not called a repeat."""

    def crash_after_one() -> bool:
        if channel.taken:
            raise Crash
        return False

    loader.load(session("s1", failed()), session("s2", failed()))
    with pytest.raises(Crash):
        started(stopped=crash_after_one)
    assert started().complete
    assert sorted(told[0] for told in channel.told) == ["s1", "s2"]
    assert [one.tried_at for one in channel.taken] == [None, None]


def test_slack_is_told_that_a_message_may_be_a_repeat(loader: Loader, started: Look, httpserver: HTTPServer) -> None:
    """After a crash between sending and recording nobody can know; the message says so."""
    slack = FakeSlack(httpserver)
    to = SlackChannel(slack.url, Style(), timeout=1)
    started(to=to)
    loader.load(session("s1", failed(), finished=LATER))
    slack.script = [1.5]
    report = started(to=to, at=LATER)
    assert report.errors == ["Session s1: Slack did not answer (TimeoutError)"]
    assert started(to=to, at=LATER).complete
    assert started(to=to, at=LATER).quiet
    assert ["May be a repeat" in words for words in slack.words] == [False, True]


def test_jira_is_searched_after_a_crash(loader: Loader, started: Look, httpserver: HTTPServer) -> None:
    """The issue is found by its label, and there is one."""
    jira = FakeJira(httpserver)
    to = JiraChannel(JiraProject(jira.url, "UX", EMAIL, TOKEN), Style(), timeout=1)
    started(to=to)
    loader.load(session("s1", failed(), finished=LATER))
    jira.script = [1.5]
    assert not started(to=to, at=LATER).complete
    assert started(to=to, at=LATER).complete
    assert (len(jira.issues), jira.creations, len(jira.searches)) == (1, 1, 1)
    assert [row["external_id"] for row in loader.ledger()] == ["UX-1"]


def test_jira_is_given_time_to_show_a_new_issue(loader: Loader, started: Look) -> None:
    """Its search lags behind; within two minutes an empty search proves nothing."""
    to = Recorder("jira", settle=timedelta(minutes=2))
    started(to=to)
    loader.load(session("s1", failed(), finished=LATER))
    to.script = [Crash()]
    with pytest.raises(Crash):
        started(to=to, at=LATER)
    assert started(to=to, at=LATER + timedelta(seconds=119)).waiting == 1
    to.finds = True
    assert started(to=to, at=LATER + timedelta(seconds=119)).complete
    assert len(to.taken) == 1


def test_a_later_signal_does_not_hide_in_a_message_that_may_be_a_repeat(
    loader: Loader, started: Look, channel: Recorder
) -> None:
    """The issue found by its label holds the old signals alone."""
    loader.load(session("s1", failed()))
    channel.script, channel.finds = [MaybeDelivered("cut off")], True
    started()
    loader.load(session("s1", failed(), rated(1)))
    started()
    assert channel.told == [("s1", "failed_task"), ("s1", "low_rating")]


def test_what_was_not_delivered_is_tried_again(loader: Loader, started: Look, channel: Recorder) -> None:
    """By the next runs, then at growing intervals."""
    loader.load(session("s1", failed()))
    channel.script = [NotDelivered("busy")] * 4
    assert [started().errors for _ in range(3)] == [["Session s1: busy"]] * 3
    assert started(at=NOW + timedelta(minutes=9)).quiet
    assert loader.ledger()[0]["status"] == "failed"
    assert started(at=NOW + timedelta(minutes=10)).errors
    assert started(at=NOW + timedelta(minutes=29)).quiet
    assert started(at=NOW + timedelta(minutes=30)).complete
    assert channel.told == [("s1", "failed_task")]
    assert [(row["status"], row["attempts"], row["last_error"]) for row in loader.ledger()] == [("sent", 5, None)]


def test_twenty_failures_are_enough(loader: Loader, started: Look, channel: Recorder) -> None:
    """After three and a half days; the ledger keeps the reason."""
    loader.load(session("s1", failed()))
    channel.script = [NotDelivered("never")] * 9
    started()
    with loader.warehouse().open() as db:
        db.execute("UPDATE {alerts} SET attempts = %s WHERE status = 'failed'", 19)
    assert started(at=NOW + timedelta(hours=6)).errors
    assert started(at=NOW + timedelta(days=60)).quiet
    row = loader.ledger()[0]
    assert (row["status"], row["attempts"], row["last_error"]) == ("failed", 20, "never")


def test_a_channel_that_refuses_is_asked_once_a_run(loader: Loader, started: Look, channel: Recorder) -> None:
    """These tries do not count; all is told later, and not called a repeat."""
    loader.load(session("s1", failed()), session("s2", failed()))
    for _ in range(2):
        channel.script = [ChannelRefused("revoked")]
        report = started()
        assert (report.errors, report.waiting) == (["revoked"], 1)
    assert {row["attempts"] for row in loader.ledger()} == {0}
    assert started().complete
    assert [one.tried_at for one in channel.taken] == [None, None]


def test_a_stop_leaves_the_rest_to_the_next_run(loader: Loader, started: Look, channel: Recorder) -> None:
    """The message in hand is finished."""
    loader.load(session("s1", failed()), session("s2", failed()))
    report = started(stopped=lambda: bool(channel.taken))
    assert (len(report.told), report.waiting) == (1, 1)
    started()
    assert len(channel.taken) == 2


def test_a_signal_that_is_none_any_more_is_dropped(loader: Loader, started: Look, channel: Recorder) -> None:
    """The session was loaded anew before it could be told."""
    loader.load(session("s1", failed()))
    channel.script = [NotDelivered("busy")]
    started()
    loader.load(session("s1", failed(answer_success=True)))
    assert started().quiet
    assert channel.taken == []
    assert "does not fire any more" in loader.ledger()[0]["last_error"]


def test_two_processes_do_not_tell_at_once(loader: Loader) -> None:
    """The second one on a machine is told that there is a first one."""
    pipeline = loader.warehouse().pipeline
    with only_teller(pipeline), pytest.raises(AnotherRunIsActive), only_teller(pipeline):
        pass
    with only_teller(pipeline):
        pass


@pytest.fixture
def held(loader: Loader) -> Iterator[None]:
    """Another process holds the DuckDB file."""
    loader.load(session("s1", failed()))
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(loader.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.mark.usefixtures("held")
def test_a_held_duckdb_file_is_waited_for_and_then_named(loader: Loader, channel: Recorder) -> None:
    """Nothing is told meanwhile."""
    with pytest.raises(DestinationLocked, match="Another program held the DuckDB file"):
        tell(loader.warehouse(patience=0.6), [FAILED], channel)
    assert channel.taken == []


ENDS = st.sampled_from([None, None, NotDelivered("no"), MaybeDelivered("cut off"), Crash(), ChannelRefused("revoked")])


def test_through_any_mix_of_failures_each_signal_is_told_once(loader: Loader, tmp_path: Path) -> None:
    """Where the channel can be searched; where not, more than once only with the remark that it may be a repeat."""
    using = [FAILED, RATING]
    loader.load(session("old", failed(), finished=NOW - timedelta(hours=1)))
    tell(loader.warehouse(), using, Recorder(), clock=lambda: NOW)
    counter = itertools.count()

    @given(st.lists(st.tuples(st.integers(0, 2), st.lists(ENDS, max_size=3)), min_size=1, max_size=4), st.booleans())
    @settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def check(runs: list[tuple[int, list[BaseException | None]]], finds: bool) -> None:
        folder, channel = tmp_path / f"mix {next(counter)}", Recorder()
        shutil.copytree(loader.folder / "pipelines", folder / "pipelines")
        shutil.copy(loader.database, folder)
        copy = Loader(folder)
        channel.finds = finds

        def look_at(moment: datetime, **more: Any) -> None:
            tell(copy.warehouse(), using, channel, clock=lambda: moment, **more)

        count = 0
        for hours, (arrivals, script) in enumerate([*runs, (1, [])], start=1):
            fresh = [session(f"s{count + n}", failed(), rated(1), finished=LATER) for n in range(arrivals)]
            count += arrivals
            if fresh:
                copy.insert(*fresh)
            channel.script = list(script)
            try:
                look_at(NOW + timedelta(hours=6 * hours), max_alerts=2)
            except Crash:
                shutil.rmtree(folder / "pipelines" / PIPELINE)
        channel.script = []
        for more in range(1, 4):
            look_at(NOW + timedelta(days=9 + more))
        told = [(s.session_id, s.rule_id) for one in channel.taken if one.tried_at is None for s in one.signals]
        assert len(told) == len(set(told))
        assert set(told) == {(f"s{n}", rule) for n in range(count) for rule in ("failed_task", "low_rating")}
        assert not (finds and [one for one in channel.taken if one.tried_at])

    check()


def test_written_words_reach_the_message(loader: Loader, started: Look, channel: Recorder) -> None:
    """From the warehouse, with title and time."""
    loader.load(session("s1", wrote("it is a crash course"), score=12), title="A test")
    started(using=[KEYWORD, Rule("low_qx", "low", rules.low_qx())])
    first, second = channel.taken[0].signals
    assert {first.finding.what, second.finding.what} == {'mentions "crash"', "QXscore 12 of 100"}
    assert (first.test_title, first.finish_time) == ("A test", NOW)


def test_slow_tasks_are_measured_against_their_test(loader: Loader, started: Look, channel: Recorder) -> None:
    """Ten sessions took a quarter of a minute."""
    usual = [session(f"u{n}", wrote("fine"), finished=NOW - timedelta(days=1)) for n in range(10)]
    loader.load(*usual, session("slow", wrote("fine", end_time_ms=120_000 + 200_000), finished=NOW))
    started(using=[Rule("slow_task", "low", rules.slow_task(), needs_pace=True)])
    assert channel.told == [("slow", "slow_task")]
    assert channel.taken[0].first.finding.what == "took 3:20 min, usually 0:15 min"
