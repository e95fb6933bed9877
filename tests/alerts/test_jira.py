"""Jira: what is created, how it is found again, and how each kind of refusal ends."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from tests.support.fake_jira import EMAIL, TOKEN, FakeJira, words
from tests.support.messages import FINISHED, many, message, signal
from usertesting_source.alerts.channel import ChannelRefused, MaybeDelivered, NotDelivered
from usertesting_source.alerts.jira import JiraChannel, JiraProject
from usertesting_source.alerts.message import Message, Style, group
from usertesting_source.alerts.signals import Signal


@pytest.fixture
def jira(httpserver: HTTPServer) -> Iterator[FakeJira]:
    yield FakeJira(httpserver)
    httpserver.check()


def channel_to(url: str, style: Style | None = None, **project: Any) -> JiraChannel:
    account = {"email": EMAIL, "api_token": TOKEN} | project
    return JiraChannel(JiraProject(url, "UX", **account), style or Style(), timeout=1, backoff=0.01)


@pytest.fixture
def channel(jira: FakeJira) -> JiraChannel:
    return channel_to(jira.url)


def told(*signals: Signal) -> Message:
    return message(*signals, channel="jira")


def test_an_issue_holds_the_task_and_its_session(jira: FakeJira, channel: JiraChannel) -> None:
    """Summary, description, type and labels as the vendor's tutorial has them, and the label of the key."""
    key = channel.send(told(signal(quote="I clicked everywhere"), signal(number=5, what="rated 1 of 5")))
    fields = jira.issues[key or ""]
    assert fields["summary"] == "Checkout redesign: Task 3: failed (+1 more)"
    assert fields["issuetype"] == {"name": "Task"}
    assert fields["labels"][:2] == ["usertesting", "ux-research"]
    assert fields["labels"][2].startswith("ut-")
    said = words(fields["description"])
    for part in ("Task 3: failed", "Find the returns page", "I clicked everywhere", "Task 5: rated 1 of 5"):
        assert part in said
    for part in ("Test ID: test1", "Session ID: s1", "Finished: 2024-11-21 12:25 UTC"):
        assert part in said
    assert "https://app.usertesting.com/tests/test1/results" in str(fields["description"])


def test_data_center_gets_wiki_markup_and_a_bearer_token(httpserver: HTTPServer) -> None:
    """`api_version = 2` without an email."""
    jira = FakeJira(httpserver, api_version=2)
    jira.bearer = TOKEN
    channel = channel_to(jira.url, email=None, api_version=2)
    key = channel.send(told(signal(quote="{code} [link|http://evil] *loud*")))
    text = jira.issues[key or ""]["description"]
    assert "*Task 3: failed*" in text
    assert r"bq. \{code\} \[link\|http://evil\] \*loud\*" in text
    assert "[Checkout redesign|https://app.usertesting.com/tests/test1/results]" in text
    assert channel.find(told(signal(quote="{code} [link|http://evil] *loud*"))) == key


def test_an_issue_is_found_by_its_label(jira: FakeJira, channel: JiraChannel) -> None:
    """The label is the same whenever the same signals are told, in whatever order."""
    one, two = signal(), signal(number=5)
    assert channel.find(told(one, two)) is None
    key = channel.send(told(one, two))
    assert channel.find(told(two, one)) == key
    assert channel.find(told(one)) is None


def test_fields_are_a_setting(jira: FakeJira) -> None:
    """Priorities, components and custom fields go as they are; the key label is never lost."""
    channel = channel_to(
        jira.url, issue_type="Bug", labels=("mine",), fields={"priority": {"name": "High"}, "labels": ["lost"]}
    )
    fields = jira.issues[channel.send(told()) or ""]
    assert fields["priority"] == {"name": "High"}
    assert fields["issuetype"] == {"name": "Bug"}
    assert fields["labels"][0] == "mine"
    assert len(fields["labels"]) == 2


def test_without_text_no_word_of_the_participant_leaves(jira: FakeJira) -> None:
    """`include_text = false`."""
    channel = channel_to(jira.url, Style(include_text=False))
    channel.send(told(signal(quote="my secret")))
    assert "secret" not in str(jira.issues)


def test_issues_are_made_per_session_or_per_task() -> None:
    """One for a session and its rules by default."""
    signals = [signal(number=1), signal(number=2), signal(number=2, rule_id="low_rating"), signal("s2")]
    assert len(group(signals, "jira", "session")) == 2
    assert len(group(signals, "jira", "task")) == 3


def test_a_digest_is_one_issue(jira: FakeJira, channel: JiraChannel) -> None:
    """Beyond `max_alerts` nobody wants issues."""
    key = channel.send(many(30, "jira"))
    assert jira.issues[key or ""]["summary"] == "UserTesting: 30 more sessions showed a problem"
    assert "Test 0 : 15 sessions" in words(jira.issues[key or ""]["description"])


def test_fields_that_jira_does_not_take_are_named(jira: FakeJira, channel: JiraChannel) -> None:
    """As Jira says them."""
    jira.script = [(400, {"errorMessages": ["Bad"], "errors": {"customfield_10010": "Team is required."}})]
    with pytest.raises(NotDelivered, match="400: Bad; customfield_10010: Team is required"):
        channel.send(told())


@pytest.mark.parametrize(
    ("status", "says"), [(401, "alerts.jira.api_token"), (403, "permission"), (404, "alerts.jira.project_key")]
)
def test_a_refused_account_is_a_clear_error(jira: FakeJira, channel: JiraChannel, status: int, says: str) -> None:
    """It names what to check, and not the token."""
    jira.script = [(status, {"errorMessages": ["No."]})]
    with pytest.raises(ChannelRefused, match=says) as caught:
        channel.send(told())
    assert TOKEN not in str(caught.value)


def test_an_address_without_jira_is_a_clear_error(jira: FakeJira, channel: JiraChannel) -> None:
    """A login page, or a redirect to one, is no Jira."""
    for script in ((200, "<html>log in</html>"), (302, "", {"Location": "/login"})):
        jira.script = [script]
        with pytest.raises(ChannelRefused, match=r"alerts\.jira\.base_url"):
            channel.send(told())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_errors_are_tried_again(jira: FakeJira, channel: JiraChannel, status: int) -> None:
    """429 after the time that Retry-After says."""
    jira.script = [(status, {}, {"Retry-After": "1"} if status == 429 else {})]
    assert channel.send(told()) == "UX-1"
    assert jira.creations == 2


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateways_error_leaves_open_whether_an_issue_exists(
    jira: FakeJira, channel: JiraChannel, status: int
) -> None:
    """So it is not tried again blindly."""
    jira.script = [(status, "bad gateway")]
    with pytest.raises(MaybeDelivered):
        channel.send(told())
    assert jira.creations == 1


def test_an_answer_that_never_comes_leaves_an_issue_that_is_found(jira: FakeJira, channel: JiraChannel) -> None:
    """Created, then cut off: the search finds it."""
    jira.script = [1.5]
    with pytest.raises(MaybeDelivered):
        channel.send(told())
    assert jira.creations == 1
    assert channel.find(told()) == "UX-1"


def test_a_search_that_fails_creates_nothing(jira: FakeJira, channel: JiraChannel) -> None:
    """Who cannot look cannot know."""
    jira.search_script = [(400, {"errorMessages": ["The value 'UX' does not exist for the field 'project'."]})]
    with pytest.raises(NotDelivered, match="does not exist"):
        channel.find(replace(told(), tried_at=FINISHED))
    assert jira.creations == 0


def test_an_unreachable_jira_is_not_delivered() -> None:
    """Nothing left this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotDelivered, match="cannot be reached"):
        channel_to(f"http://127.0.0.1:{port}").send(told())


def test_no_log_and_no_repr_holds_the_token(
    jira: FakeJira, channel: JiraChannel, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at the level of debugging."""
    with caplog.at_level(logging.DEBUG):
        channel.send(told())
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(JiraProject("https://x.atlassian.net", "UX", api_token=TOKEN))


TEXTS = st.text(max_size=400)


@given(st.lists(TEXTS, min_size=1, max_size=40), TEXTS, TEXTS, st.sampled_from([2, 3]))
def test_every_issue_keeps_within_jiras_limits(quotes: list[str], title: str, task: str, version: int) -> None:
    """Whatever the texts, however many the signals."""
    channel = channel_to("https://x.atlassian.net", api_version=version)
    signals = [signal(number=n, quote=q, title=title, task_text=task) for n, q in enumerate(quotes, 1)]
    fields = channel.render(told(*signals))["fields"]
    checker = FakeJira.__new__(FakeJira)
    checker._version = version
    assert checker._faults(fields) == {}


def test_a_reader_at_a_terminal_sees_plain_lines(channel: JiraChannel) -> None:
    """The preview of a dry run."""
    shown = channel.preview(channel.render(told(signal(quote="I give up"))))
    assert shown.splitlines()[0] == "Checkout redesign: Task 3: failed"
    assert "> I give up" in shown
    assert "• Session ID: s1" in shown
    assert "usertesting, ux-research, ut-" in shown
