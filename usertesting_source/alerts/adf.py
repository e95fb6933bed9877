"""Messages as Jira issues: a summary, and a description in ADF (Cloud, v3) or wiki markup (v2). Pure."""

from __future__ import annotations

import re
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

__all__ = ["document", "readable", "title", "wiki"]

TITLE_CHARS = 255
PROBLEMS_SHOWN = 30
TESTS_SHOWN = 50

Node = dict[str, Any]


def title(message: Message) -> str:
    """`Checkout redesign: Task 3: failed (+1 more)`, in at most 255 characters on one line."""
    where = "UserTesting" if message.is_digest else cut(test_name(message.first), 120)
    return cut(f"{where}: {headline(message)}", TITLE_CHARS)


def document(message: Message, style: Style) -> Node:
    """The description as an Atlassian Document."""
    content = _counts(message, style) if message.is_digest else _session(message, style)
    return {"type": "doc", "version": 1, "content": content}


def wiki(message: Message, style: Style) -> str:
    """The description in the wiki markup of Jira Data Center."""
    return "\n\n".join(filter(None, (_wiki(node) for node in document(message, style)["content"])))


def readable(node: Node | str) -> str:
    """A description as plain lines."""
    return node if isinstance(node, str) else "\n".join(_plain(part) for part in node["content"])


def _session(message: Message, style: Style) -> list[Node]:
    first = message.first
    nodes = [node for signal in message.signals[:PROBLEMS_SHOWN] for node in _problem(signal, style)]
    if len(message.signals) > PROBLEMS_SHOWN:
        nodes.append(_paragraph(_text(f"… and {len(message.signals) - PROBLEMS_SHOWN} more in this session")))
    facts = [
        [_text("Test: "), _text(test_name(first), link(first, style))],
        [_text(f"Test ID: {first.test_id}")],
        [_text(f"Session ID: {first.session_id}")],
        [_text(f"Finished: {stamp(first.finish_time)}")],
    ]
    return [*nodes, _list(facts)]


def _problem(signal: Signal, style: Style) -> list[Node]:
    line = [_strong(problem(signal)), _text(f" ({signal.severity}, rule {signal.rule_id})")]
    if text := cut(signal.finding.task_text or "", 300):
        line += [{"type": "hardBreak"}, _text(text)]
    words = quoted(signal, style)
    quote = [{"type": "blockquote", "content": [_paragraph(_text(words))]}] if words else []
    return [_paragraph(*line), *quote]


def _counts(message: Message, style: Style) -> list[Node]:
    counts = tally(message)
    lines = [
        [
            _text(test_name(signal), link(signal, style)),
            _text(f": {count} sessions" if count > 1 else ": 1 session"),
        ]
        for signal, count in counts[:TESTS_SHOWN]
    ]
    more = [_paragraph(_text(f"… and {len(counts) - TESTS_SHOWN} more tests"))] if counts[TESTS_SHOWN:] else []
    return [_paragraph(_text(f"{headline(message)}.")), _list(lines), *more]


def _paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def _list(items: list[list[Node]]) -> Node:
    nodes = [{"type": "listItem", "content": [_paragraph(*item)]} for item in items]
    return {"type": "bulletList", "content": nodes}


def _text(words: str, href: str | None = None) -> Node:
    marks = {"marks": [{"type": "link", "attrs": {"href": href}}]} if href else {}
    return {"type": "text", "text": words, **marks}


def _strong(words: str) -> Node:
    return {"type": "text", "text": words, "marks": [{"type": "strong"}]}


def _wiki(node: Node) -> str:
    """One node in wiki markup: the participant's words are escaped, so that they stay words."""
    inside = [_wiki(part) for part in node.get("content", ())]
    if node["type"] == "text":
        return _marked(node)
    if node["type"] == "hardBreak":
        return "\n"
    if node["type"] == "blockquote":
        return f"bq. {''.join(inside)}"
    if node["type"] == "listItem":
        return f"* {''.join(inside)}"
    return "\n".join(inside) if node["type"] == "bulletList" else "".join(inside)


def _marked(node: Node) -> str:
    words = re.sub(r"([\\{}\[\]*_+^~|!#?-])", r"\\\1", node["text"])
    mark: Node = next(iter(node.get("marks", ())), {})
    if mark.get("type") == "link":
        return f"[{words}|{mark['attrs']['href']}]"
    return f"*{words}*" if mark.get("type") == "strong" else words


def _plain(node: Node) -> str:
    inside = [_plain(part) for part in node.get("content", ())]
    if node["type"] == "text":
        mark: Node = next(iter(node.get("marks", ())), {})
        return f"{node['text']}: {mark['attrs']['href']}" if mark.get("type") == "link" else str(node["text"])
    if node["type"] == "hardBreak":
        return "\n"
    before = {"blockquote": "> ", "listItem": "• "}.get(node["type"], "")
    return before + ("\n" if node["type"] == "bulletList" else "").join(inside)
