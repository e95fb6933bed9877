"""Sessions that no document describes, for the sample API to serve beside good ones."""

from __future__ import annotations

import uuid
from typing import Any

ANY_JSON: list[Any] = [
    "great",
    "",
    "123",
    "null",
    '{"a": 1}',
    'it\'s "quoted", back\\slashed,\non two lines, ü \U0001f600',
    5,
    -1.5,
    0,
    2**53 + 1,
    True,
    False,
    [],
    {},
    ["a", 1, None, {"b": [True]}],
    {"rating": {"value": 3}},
    None,
]
"""What an answer may be: any JSON, though the documents say an object."""


def odd_answers() -> dict[str, Any]:
    """The details of a session in which the answers, and the responses of the groups, are any JSON."""
    return {
        "taskGroups": [{"uuid": f"g-{n}", "type": "QX_SCORE", "response": odd} for n, odd in enumerate(ANY_JSON)],
        "tasks": [
            {
                "uuid": f"t-{n}",
                "text": "Say something.",
                "type": "WRITTEN",
                "response": {"startTimeMs": 0, "endTimeMs": 9, "skipped": False, "answer": odd},
            }
            for n, odd in enumerate(ANY_JSON)
        ],
    }


def _nested(depth: int) -> Any:
    """Lists in lists, `depth` of them."""
    inner: Any = "the innermost"
    for _ in range(depth):
        inner = [inner]
    return inner


def _many(about: str) -> dict[str, Any]:
    """Three hundred fields that nobody has seen before, half of them named like a field."""
    named = {f"{about}{chr(97 + n // 26)}{chr(97 + n % 26)}": n for n in range(150)}
    return named | {str(uuid.uuid5(uuid.NAMESPACE_URL, f"{about}/{n}")): f"value {n}" for n in range(150)}


def odd_sessions(about: str = "first") -> dict[str, dict[str, Any]]:
    """The details of sessions, by what is odd about them; the names of new fields differ with `about`."""
    response = {"startTimeMs": 0, "endTimeMs": 9, "skipped": False, "answer": {"written": {"text": "fine"}}}
    task = {"uuid": "t-1", "text": "Say something.", "type": "WRITTEN", "response": response}
    demographic = {"id": "d", "code": "AGE", "label": "Age?", "value": "30", "type": None}
    return {
        "a list under a long name": {"k" * 238: [1, 2, {"three": 3}], "tasks": [task | {"k" * 238: [1, 2]}]},
        "an object under a long name": {"k" * 238: {"k" * 238: {"k" * 238: 1}}},
        "nested lists": {"nest": _nested(300), "tasks": [task | {"nest": _nested(300)}]},
        "many fields": _many(about),
        "many fields everywhere": {
            "sessionParticipant": {"participantId": "p", "demographicsInfo": [demographic | _many(about)]}
            | _many(about),
            "taskGroups": [{"uuid": "g", "type": "QX_SCORE", "response": {"score": 1}} | _many(about)],
            "tasks": [task | _many(about) | {"response": response | _many(about)}],
        },
        "names that collide": {
            "newField": 1,
            "new_field": 2,
            "NewField": {"three": 3},
            "testId": "not this one",
            "_dlt_id": "own",
            "extraJson": "mine",
            "tasks": [task | {"response": response | {"taskUuid": "other", "newField": 4}, "new_field": 5}],
        },
        "parts of other types": {
            "sessionParticipant": "anonymous",
            "taskGroups": {"g": 1},
            "tasks": ["t", 7, None, task | {"response": "said without a response"}, task | {"response": ["a", "b"]}],
        },
        "values of other types": {
            "audienceId": {"id": "a"},
            "tasks": [task | {"response": response | {"startTimeMs": "soon", "skipped": "no"}}],
        },
        "names of tables and columns": {"tasks": [task | {"answerOptions": "x", "answer_json__v_text": 1}], "list": 3},
        "private characters": {"mood": "\uf02613", "tasks": [task | {"text": "\uf02d12:00", "mood": "\uf026sNaN"}]},
        "a time": {"mood": "2026-02-28T00:00:00Z", "pace": 5, "optional": True},
        "no time": {"mood": 2**63 - 1, "pace": 1e308, "optional": "yes"},
        "nearly a time": {"mood": "9999-99-99T99:99:99Z", "pace": "12", "optional": 7},
        "halves of characters": {"mood": "\ud83d", "\ud83d": 1, "n\x00ul": [2]},
    }
