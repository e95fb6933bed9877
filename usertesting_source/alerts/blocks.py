"""Messages as Slack's Block Kit, kept within its limits. Pure."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

from .message import (
    Message,
    Style,
    cut,
    headline,
    link,
    problem,
    quoted,
    stamp,
    tally,
    test_name,
)
from .signals import Signal

__all__ = ["escape", "payload", "readable"]

HEADER_CHARS = 150
PROBLEMS_SHOWN = 8
TESTS_SHOWN = 20

_ICONS = {"high": ":red_circle:", "medium": ":large_orange_circle:", "low": ":large_yellow_circle:"}
_SIGNS = {
    ":red_circle:": "🔴",
    ":large_orange_circle:": "🟠",
    ":large_yellow_circle:": "🟡",
    ":repeat:": "🔁",
}
_REPEAT = ":repeat: May be a repeat: an earlier try broke off before Slack answered."


def payload(message: Message, style: Style) -> dict[str, Any]:
    """The body of the POST: `text` for notifications, `blocks` for the channel."""
    blocks = _digest(message, style) if message.is_digest else _alert(message, style)
    if message.tried_at:
        blocks.append(_context(_REPEAT))
    return {
        "text": _fit(_notification(message), 1000),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def readable(body: dict[str, Any]) -> str:
    """A payload as plain lines, with icons, dates and links as a reader sees them."""
    return "\n".join(_plain(block) for block in body["blocks"])


def _notification(message: Message) -> str:
    if message.is_digest:
        return f":warning: UserTesting alert: {headline(message)}"
    first = message.first
    return (
        f":warning: UserTesting alert: {test_name(first)} · {headline(message)}"
        f" · Session ID: {first.session_id} · Finish time: {stamp(first.finish_time)}"
    )


def _alert(message: Message, style: Style) -> list[dict[str, Any]]:
    first, shown = message.first, message.signals[:PROBLEMS_SHOWN]
    blocks = [_header(test_name(first)), *(_section(_problem(signal, style)) for signal in shown)]
    if len(message.signals) > len(shown):
        blocks.append(_context(f"… and {len(message.signals) - len(shown)} more in this session"))
    facts = [
        f"Session `{escape(first.session_id)}`",
        f"finished {_date(first.finish_time)}",
        _page(first, style),
    ]
    return [*blocks, _context(" · ".join(facts))]


def _problem(signal: Signal, style: Style) -> str:
    line = f"{_ICONS[signal.severity]} *{escape(problem(signal))}*"
    if signal.finding.task_text:
        line += f"\n{escape(cut(signal.finding.task_text, 150))}"
    words = quoted(signal, style)
    return f"{line}\n> {escape(_plainly(words))}" if words else line


def _plainly(words: str) -> str:
    """`words` with a blank of no width around what Slack would take for bold, struck, code or an icon."""
    return re.sub(r"[*_~`]|:(?=[\w+-]+:)", "\u200b\\g<0>\u200b", words)


def _digest(message: Message, style: Style) -> list[dict[str, Any]]:
    counts = tally(message)
    blocks = [_header(headline(message)), *(_section(_line(*count, style)) for count in counts[:TESTS_SHOWN])]
    if len(counts) > TESTS_SHOWN:
        blocks.append(_context(f"… and {len(counts) - TESTS_SHOWN} more tests"))
    return blocks


def _line(signal: Signal, count: int, style: Style) -> str:
    sessions = "1 session" if count == 1 else f"{count} sessions"
    return f"*{_fit(test_name(signal), 150)}*: {sessions} · {_page(signal, style)}"


def _header(words: str) -> dict[str, Any]:
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": _fit(words, HEADER_CHARS), "emoji": True},
    }


def _section(markup: str) -> dict[str, Any]:
    # verbatim: Slack then makes no mentions and no links out of plain words
    return {"type": "section", "text": {"type": "mrkdwn", "text": markup, "verbatim": True}}


def _context(markup: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": markup, "verbatim": True}]}


def _page(signal: Signal, style: Style) -> str:
    return f"<{escape(link(signal, style))}|Results of the test>"


def _date(when: datetime | None) -> str:
    if when is None:
        return stamp(None)
    return f"<!date^{int(when.timestamp())}^{{date_short_pretty}} {{time}}|{stamp(when)}>"


def escape(words: str) -> str:
    """`words` without a meaning for Slack: no markup in angle brackets, no @channel."""
    safe = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"@(?=(channel|here|everyone)\b)", "@\u200b", safe, flags=re.IGNORECASE)


def _fit(words: str, limit: int) -> str:
    size, short = limit, cut(words, limit)
    while len(escape(cut(short, size))) > limit:
        size -= 1
    return escape(cut(short, size))


def _plain(block: dict[str, Any]) -> str:
    words = " ".join(part["text"] for part in [block.get("text"), *block.get("elements", [])] if part)
    words = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", words)
    words = re.sub(r"<([^|>]*)\|([^>]*)>", r"\2: \1", words)
    words = re.sub(r"[*`]", "", words)
    for name, sign in _SIGNS.items():
        words = words.replace(name, sign)
    return html.unescape(words)
