"""
Reading JSON that may hold anything: the pieces that the API promises, or None.

Everything here takes any JSON and raises nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any

from ..scrub import without_signatures

_LARGEST = 2**63 - 1
_DEEPEST = 60  # dlt's JSON encoder gives up at 254 levels
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMERAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")


def names(words: str) -> tuple[str, ...]:
    """A vocabulary, written as words with spaces between."""
    return tuple(words.split())


def snake(name: str) -> str:
    """`ratingScale` as `rating_scale`, as dlt names columns."""
    return _WORD_BORDER.sub("_", name).strip("_").lower()


def camel(name: str) -> str:
    """`rating_scale` as `ratingScale`, as the API names fields."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def mapping(value: object) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[dict[str, Any]]:
    """The objects in `value`, a list; what is no object is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """`value` for a text column: strings as they are, anything else as JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def number(value: object) -> float | None:
    """`value` as a finite number, also when it is written as a string; booleans are no numbers."""
    if isinstance(value, str) and _NUMERAL.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= _LARGEST else None


def count(value: object) -> int | None:
    """`value` as a whole number that fits into 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _LARGEST else None
    read = number(value)
    return None if read is None else round(read)


def flag(value: object) -> bool | None:
    """`value` if it is a boolean."""
    return value if isinstance(value, bool) else None


def epoch_ms(value: object) -> datetime | None:
    """The moment `value` milliseconds after 1970, UTC."""
    read = number(value)
    try:
        return None if read is None else datetime.fromtimestamp(read / 1000, tz=timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def storable(value: Any, depth: int = 0) -> Any:
    """
    `value` with what no warehouse takes put right, everything else as it came.

    Half surrogate pairs (an emoji cut in two) and NUL characters are replaced, numbers beyond 64 bits and
    what is nested too deeply become strings, NaN and infinity become null, signed URLs lose their signature.
    """
    if isinstance(value, str):
        return _storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else str(value)
    if isinstance(value, (dict, list)) and depth >= _DEEPEST:
        return _storable_text(json.dumps(value))
    if isinstance(value, dict):
        return {_storable_text(key): storable(inner, depth + 1) for key, inner in value.items()}
    return [storable(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def _storable_text(value: str) -> str:
    return without_signatures(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value))


def extras(payload: Mapping[str, Any], known: Collection[str], taken: Collection[str]) -> dict[str, Any]:
    """
    The fields of `payload` that are not `known`: what the API may add one day, to land as columns.

    Fields are left out whose column would be one of `taken`, or one of dlt's own.
    """
    return {
        key: value
        for key, value in payload.items()
        if key not in known and snake(key) not in taken and snake(key).partition("_")[0] not in ("", "dlt")
    }
