"""Slack: what is posted, and how each kind of refusal ends."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from tests.support.fake_slack import FakeSlack, fault
from tests.support.messages import FINISHED, many, message, signal
from usertesting_source.alerts.channel import ChannelRefused, MaybeDelivered, NotDelivered
from usertesting_source.alerts.message import Style, digest, group
from usertesting_source.alerts.slack import SlackChannel


@pytest.fixture
def slack(httpserver: HTTPServer) -> Iterator[FakeSlack]:
    yield FakeSlack(httpserver)
    httpserver.check()


@pytest.fixture
def channel(slack: FakeSlack) -> SlackChannel:
    return SlackChannel(slack.url, Style(), timeout=1)


def offline(**style: Any) -> SlackChannel:
    return SlackChannel("https://dry.run", Style(**style))


def test_a_message_says_what_went_wrong_where_and_for_whom(slack: FakeSlack, channel: SlackChannel) -> None:
    """Title, task, the participant's words, session, finish time in the reader's zone, and the results page."""
    channel.send(message(signal(quote="I clicked everywhere"), signal(number=5, what="rated 1 of 5")))
    (said,) = slack.words
    for part in ("Checkout redesign", "Task 3: failed", "Find the returns page", "> I clicked everywhere", "`s1`"):
        assert part in said
    assert "Task 5: rated 1 of 5" in said
    assert f"<!date^{int(FINISHED.timestamp())}^{{date_short_pretty}} {{time}}|2024-11-21 12:25 UTC>" in said
    assert "<https://app.usertesting.com/tests/test1/results|" in said


def test_the_text_for_notifications_has_test_session_task_and_time(slack: FakeSlack, channel: SlackChannel) -> None:
    """What a phone shows, and what the vendor's example holds."""
    channel.send(message())
    text = slack.posts[0]["text"]
    for part in ("UserTesting alert", "Checkout redesign", "Task 3: failed", "Session ID: s1", "2024-11-21 12:25"):
        assert part in text


def test_a_test_without_a_title_is_named_by_its_id(slack: FakeSlack, channel: SlackChannel) -> None:
    """Tests given by id alone have no title."""
    channel.send(message(signal(title=None)))
    assert "Test test1" in slack.words[0]


def test_a_quote_has_no_markup_and_no_address(slack: FakeSlack, channel: SlackChannel) -> None:
    """Slack makes nothing bold and no icon of the participant's words, and who they are stays here."""
    channel.send(message(signal(quote="*loud* and :smile: from <v Maria>ana@example.org</v>")))
    said = slack.words[0]
    assert "*\u200bloud\u200b*" in said
    assert ":smile:" not in said
    assert "[e-mail]" in said
    assert "ana@" not in said
    assert "Maria" not in said


def test_participants_cannot_mention_or_mark_up(slack: FakeSlack, channel: SlackChannel) -> None:
    """Whatever they write stays words: no @channel, no links of theirs."""
    channel.send(message(signal(quote="<!channel> @here & <https://evil.example|click> @everyone\n> hi")))
    said = slack.words[0]
    assert "&lt;!channel&gt; @\u200bhere &amp; &lt;https://evil.example|click&gt; @\u200beveryone &gt; hi" in said
    assert all(block["text"].get("verbatim", True) for block in slack.posts[0]["blocks"] if "text" in block)


def test_quotes_are_cut_to_200_characters(slack: FakeSlack, channel: SlackChannel) -> None:
    """Short and scannable."""
    channel.send(message(signal(quote="word " * 100)))
    (quote,) = [line for line in slack.posts[0]["blocks"][1]["text"]["text"].splitlines() if line.startswith("> ")]
    assert len(quote) - 2 <= 200
    assert quote.endswith("…")


def test_without_text_no_word_of_the_participant_leaves() -> None:
    """`include_text = false`."""
    payload = offline(include_text=False).render(message(signal(quote="my secret")))
    assert "secret" not in str(payload)
    assert "Task 3: failed" in str(payload)


def test_the_results_page_is_a_setting() -> None:
    """For other regions, or for a page of one's own."""
    payload = offline(result_url="https://ut.example/{test_id}/{session_id}").render(message())
    assert "<https://ut.example/test1/s1|" in str(payload)


def test_a_digest_counts_sessions_per_test(slack: FakeSlack, channel: SlackChannel) -> None:
    """One message instead of many."""
    channel.send(many(5))
    assert "5 more sessions showed a problem" in slack.words[0]
    assert "*Test 0*: 3 sessions" in slack.words[0]
    assert "*Test 1*: 2 sessions" in slack.words[0]


def test_a_possible_repeat_says_so(slack: FakeSlack, channel: SlackChannel) -> None:
    """After a crash between sending and recording nobody can know."""
    channel.send(replace(message(), tried_at=FINISHED))
    assert "May be a repeat" in slack.words[0]


@given(st.lists(st.text(max_size=400), min_size=1, max_size=70), st.text(max_size=500), st.text(max_size=4000))
def test_every_message_keeps_within_slacks_limits(quotes: list[str], title: str, task: str) -> None:
    """Whatever the texts, however many the signals."""
    signals = [signal(number=n, quote=q, title=title, task_text=task, what=task) for n, q in enumerate(quotes, 1)]
    assert fault(offline().render(message(*signals))) is None


def test_a_digest_of_many_tests_keeps_within_slacks_limits() -> None:
    """Hundreds of sessions in a hundred tests."""
    signals = [signal(f"s{n}", test_id=f"test{n % 100}", title="&" * 300) for n in range(300)]
    assert fault(offline().render(digest(group(signals, "slack"), "slack"))) is None


def test_a_reader_at_a_terminal_sees_no_markup() -> None:
    """The preview of a dry run."""
    channel = offline()
    shown = channel.preview(channel.render(message(signal(quote="a < b & c"))))
    assert "🔴 Task 3: failed" in shown
    assert "> a < b & c" in shown
    assert "finished 2024-11-21 12:25 UTC" in shown
    assert "Results of the test: https://app.usertesting.com/tests/test1/results" in shown


def test_a_429_is_waited_out(slack: FakeSlack, channel: SlackChannel) -> None:
    """As long as Retry-After says."""
    slack.script = [(429, "rate_limited", {"Retry-After": "1"})]
    began = time.monotonic()
    channel.send(message())
    assert time.monotonic() - began >= 1
    assert len(slack.posts) == 1


def test_a_long_429_is_left_to_the_next_run(slack: FakeSlack, channel: SlackChannel) -> None:
    """An hour's wait would hold up everything else."""
    slack.script = [(429, "rate_limited", {"Retry-After": "3600"})]
    with pytest.raises(NotDelivered, match="429"):
        channel.send(message())
    assert slack.requests == 1


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors_are_tried_again(slack: FakeSlack, channel: SlackChannel, status: int) -> None:
    """A hiccup of Slack's is nobody's business."""
    slack.script = [status]
    channel.send(message())
    assert (slack.requests, len(slack.posts)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, "no_service", "removed"),
        (403, "invalid_token", "revoked"),
        (410, "channel_is_archived", "archived"),
        (403, "action_prohibited", "administrator"),
        (404, "something_new", "something_new"),
    ],
)
def test_a_webhook_that_is_gone_is_a_clear_error(
    slack: FakeSlack, channel: SlackChannel, status: int, body: str, says: str
) -> None:
    """It names the cause and the key to change, and not the address, which is a secret."""
    slack.script = [(status, body)]
    with pytest.raises(ChannelRefused, match=says) as caught:
        channel.send(message())
    assert "alerts.slack.webhook_url" in str(caught.value)
    assert "B000" not in str(caught.value)


def test_a_message_that_slack_does_not_take_is_not_delivered(slack: FakeSlack, channel: SlackChannel) -> None:
    """The reason is Slack's own."""
    slack.script = [(400, "invalid_payload")]
    with pytest.raises(NotDelivered, match="400 invalid_payload"):
        channel.send(message())


def test_a_page_instead_of_an_ok_is_not_delivered(slack: FakeSlack, channel: SlackChannel) -> None:
    """A proxy's login page has status 200 too."""
    slack.script = [(200, "<html>please log in</html>")]
    with pytest.raises(NotDelivered):
        channel.send(message())


def test_an_answer_that_never_comes_may_have_been_delivered(slack: FakeSlack, channel: SlackChannel) -> None:
    """The message is not sent again in the same run, since it may be there already."""
    slack.script = [1.5]
    with pytest.raises(MaybeDelivered):
        channel.send(message())
    assert slack.requests == 1


def test_an_unreachable_slack_is_not_delivered() -> None:
    """Nothing left this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotDelivered, match="cannot be reached"):
        SlackChannel(f"http://127.0.0.1:{port}/services/T/B/secret", Style(), timeout=1).send(message())


def test_no_log_holds_the_webhook(slack: FakeSlack, channel: SlackChannel, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at the level of debugging, and not when a request is repeated."""
    with caplog.at_level(logging.DEBUG):
        slack.script = [500]
        channel.send(message())
    assert "/services/" not in "".join(record.getMessage() for record in caplog.records if record.name != "werkzeug")
