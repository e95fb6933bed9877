"""
Secrets that an answer repeats, taken out of it: tokens in use, and what makes a URL a signed one. Pure.

Every pattern here takes time in proportion to the text, which participants write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote_plus, unquote

REMOVED = "[removed]"
LEAST_SECRET = 8  # shorter ones protect nothing, and would be found in any text

_QUERY = re.compile(r"""[?#](?:[^\s"'<>\\]|\\u0026|\\/)+""")
_BETWEEN = re.compile(r"[?&;#]|\\u0026")
_PREFIXES = ("x-amz-", "x-goog-", "x-oss-")
_SUFFIXES = ("token", "signature", "secret", "apikey", "api_key", "api-key", "key-pair-id")
_TOKEN = re.compile(r"(?i:\bbearer)\s+\S+|(?<![\w-])eyJ[\w-]*(?:\.[\w-]*)*")


def without_signatures(text: str) -> str:
    """`text`, in which URLs that a signature or a token opens have lost their query; other URLs stay as they are."""
    return _QUERY.sub(lambda query: "" if _is_signed(query[0]) else query[0], text)


def _is_signed(query: str) -> bool:
    """Whether one of its parameters is a secret, also within a URL that is a parameter itself."""
    return any(_is_secret(*part.partition("=")) for part in _BETWEEN.split(unquote(unquote(query))))


def _is_secret(name: str, _: str, value: str) -> bool:
    low = name.lower()
    return value != "" and (low.startswith(_PREFIXES) or low.endswith(_SUFFIXES) or low == "sig" or name == "Policy")


class Scrubber:
    """
    Takes certain secrets out, and all signatures.

    Args:
        secrets: as they are sent; in a form or a URL they are written another way.

    """

    def __init__(self, secrets: Iterable[str]) -> None:
        long_enough = (secret for secret in secrets if len(secret) >= LEAST_SECRET)
        self._written = tuple({form for secret in long_enough for form in (secret, quote_plus(secret))})

    def text(self, text: str) -> str:
        """`text` without them."""
        for written in self._written:
            text = text.replace(written, REMOVED)
        return without_signatures(text)

    def said(self, text: str, limit: int = 200) -> str:
        """What a message of ours may repeat of `text`: besides, no token of any kind, and not all of it."""
        return _TOKEN.sub(REMOVED, self.text(text))[:limit]

    def payload(self, payload: Any) -> Any:
        """A payload with all its texts and keys without them; changed in place, however deep it is."""
        root = [payload]
        waiting: list[Any] = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                for key in list(node):
                    node[self.text(key)] = node.pop(key)
            for place, inner in list(node.items() if isinstance(node, dict) else enumerate(node)):
                if isinstance(inner, str):
                    node[place] = self.text(inner)
                elif isinstance(inner, (dict, list)):
                    waiting.append(inner)
        return root[0]
