"""Sessions that no document describes, for the sample API to serve beside good ones."""

from __future__ import annotations

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
