"""No text takes longer than its length asks for, whatever a participant writes: twice the text, twice the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from tests.support.messages import message, signal
from usertesting_source.alerts import adf, blocks, rules
from usertesting_source.alerts.message import Style
from usertesting_source.alerts.signals import Session
from usertesting_source.scrub import Scrubber
from usertesting_source.tables import rows
from usertesting_source.times import parse_time

SHORT, LONG = 8_000, 64_000
NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
STYLE = Style()
SCRUBBER = Scrubber(["the-secret-of-the-client"])
PARTS = (
    *("http://a?", "http://", "a=1&", "?sig", "#", "%253F", "X-Amz-", "Bearer ", "eyJ-", "eyJ.", "\\u0026"),
    *("<", "<v ", "<v.", "<a ", "</a.", "<1.", "<b>", "-->", "00:01.000 --> 00:02.000\nx\n\n", "NOTE "),
    *("aA", "_", " ", "\n", "&", "&amp", "@here ", "[", "*_", "\\", '"', "{"),
)
AFTER = {"<v": (" ", "\t", ".", "a"), "<1": ("1.", "1:", " "), "<a": ("a", ".", " "), "http://a?": ("a=1&", "%3F", "?")}
TEXTS = [("", part) for part in PARTS] + [(begin, part) for begin, parts in AFTER.items() for part in parts]


def detail(text: str) -> object:
    """A session in which every text is this one."""
    answer = {"written": {"text": text}, "multipleChoice": {"options": [text]}, text: text}
    response = {"startTimeMs": 0, "endTimeMs": 1, "skipped": False, "answer": answer}
    tasks = [{"uuid": text, "text": text, "type": text, "response": response}]
    return rows.detail_row("t", {"sessionId": "s"}, {"tasks": tasks, "new": text, text: text}, NOW)


def transcript(text: str) -> object:
    """A transcript in which somebody says it."""
    return rows.transcript_row("t", "s", f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}", NOW, 200)


def alert(text: str) -> object:
    """An alert that quotes it, in every form."""
    session = Session("s", "t", text, NOW, [{"answer_text": text, "task_type": "WRITTEN"}], transcript=text)
    found = list(rules.keyword(["refund", text[:50] + "!"])(session))
    told = message(signal(quote=text, title=text, task_text=text, what=text))
    return found, blocks.readable(blocks.payload(told, STYLE)), adf.wiki(told, STYLE), adf.document(told, STYLE)


def took(work: Callable[[str], object], text: str) -> float:
    """Seconds of this thread, whatever else the machine does."""
    began = time.thread_time()
    work(text)
    return time.thread_time() - began


@pytest.mark.parametrize("work", [SCRUBBER.text, SCRUBBER.said, parse_time, detail, transcript, alert])
def test_eight_times_the_text_takes_eight_times_as_long(work: Callable[[str], object]) -> None:
    """And not 64 times, which is what a pattern costs that looks for its end from each of its beginnings."""
    slow = []
    for begin, part in TEXTS:
        short, long = (took(work, begin + part * (length // len(part))) for length in (SHORT, LONG))
        if long > 24 * max(short, 0.01):  # or something else came between: once more
            short, long = (min(took(work, begin + part * (n // len(part))) for _ in range(3)) for n in (SHORT, LONG))
        if long > 24 * max(short, 0.01):
            slow.append((begin, part, short, long))
    assert slow == []
