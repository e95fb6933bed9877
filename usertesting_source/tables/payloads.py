"""
Reading JSON that may hold anything: the pieces that the API promises, or None.

Everything here takes any JSON; only `storable`, which comes first, may raise.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timezone
from typing import Any

from ..scrub import without_signatures

_LARGEST = 2**63 - 1
_DEEPEST = 60  # dlt's JSON encoder gives up at 254 levels
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
# the last ones are for private use: dlt marks types with them, and takes the rest of a text for a number, say
_UNSTORABLE = re.compile("[\x00\ud800-\udfff\uf026-\uf02e]")
_NUMERAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")


def vocabulary(words: str) -> tuple[str, ...]:
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


def as_text(value: object) -> str | None:
    """`value` for a text column: strings as they are, anything else as JSON, null as None."""
    if value is None or isinstance(value, str):
        return value
    return _dumped(value)


def as_number(value: object) -> float | None:
    """`value` as a finite number, also when it is written as a string; booleans are no numbers."""
    if isinstance(value, str) and _NUMERAL.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= _LARGEST else None


def as_count(value: object) -> int | None:
    """`value` as a whole number that fits into 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _LARGEST else None
    read = as_number(value)
    return None if read is None else round(read)


def as_flag(value: object) -> bool | None:
    """`value` if it is a boolean."""
    return value if isinstance(value, bool) else None


def as_json(value: Any) -> Any:
    """
    `value` for a JSON column, so that dlt stores it as it came.

    Objects and lists are left as they are. A scalar is written as JSON, twice: dlt reads a text as JSON once before it
    stores it, and would put any other scalar into a column beside this one.
    """
    return value if value is None or isinstance(value, (dict, list)) else _dumped(_dumped(value))


def epoch_ms(value: object) -> datetime | None:
    """The moment `value` milliseconds after 1970, UTC."""
    read = as_number(value)
    try:
        return None if read is None else datetime.fromtimestamp(read / 1000, tz=timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("it is nested too deeply to be stored") from None


def storable(value: Any, depth: int = 0) -> Any:
    """
    `value` with what no warehouse takes put right, everything else as it came.

    Half surrogate pairs (an emoji cut in two), NUL and dlt's own characters are replaced, numbers beyond 64 bits and
    what is nested too deeply become strings, NaN and infinity become null, signed URLs lose their signature.

    Raises:
        ValueError: when it is nested so deeply that it cannot be written as JSON.

    """
    if isinstance(value, str):
        return _storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else str(value)
    if isinstance(value, (dict, list)) and depth >= _DEEPEST:
        return _storable_text(_dumped(value))
    if isinstance(value, dict):
        return {_storable_text(key): storable(inner, depth + 1) for key, inner in value.items()}
    return [storable(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def _storable_text(value: str) -> str:
    return without_signatures(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value))
