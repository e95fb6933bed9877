"""
Shapes of JSON values, written as Python values, and what of a value does not fit.

A word is a kind of value, a set of words one of these words, a list of one shape a list of such values, a dictionary an
object: a field whose name ends in `?` may be missing, others may be there besides. A tuple is any of its shapes; None
is null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Shape: TypeAlias = Any
"""Shapes hold shapes, which mypy cannot say of dictionaries without naming each."""

UUID, TIME, URL, TEXT, NUMBER, WHOLE, FLAG, OBJECT = "UUID", "time", "URL", "text", "number", "whole", "flag", "object"

_TEXTS = {
    UUID: re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    TIME: re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    URL: re.compile(r"https?://\S+"),
    TEXT: re.compile(r".*", re.DOTALL),
}
_OTHERS = {bool: FLAG, dict: OBJECT, type(None): None}


@dataclass(frozen=True)
class Between:
    """A number that is neither lower nor higher than these."""

    low: float
    high: float


def faults(shape: Shape, value: object, place: str = "the answer") -> Iterator[str]:
    """What of `value` is not as `shape` says, each with its place."""
    if isinstance(shape, tuple):
        found = [list(faults(one, value, place)) for one in shape]
        yield from min(found, key=len)
    elif isinstance(shape, dict) and isinstance(value, dict):
        yield from _of_fields(shape, value, place)
    elif isinstance(shape, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from faults(shape[0], item, f"{place}[{number}]")
    elif not _fits(shape, value):
        yield f"{place} is {value!r:.80}, not {shape!r:.80}"


def _of_fields(shape: Mapping[str, Shape], value: Mapping[str, object], place: str) -> Iterator[str]:
    for field, inside in shape.items():
        name = field.rstrip("?")
        if name in value:
            yield from faults(inside, value[name], f"{place}.{name}")
        elif name == field:
            yield f"{place} has no {name}"


def _fits(shape: Shape, value: object) -> bool:
    """Whether a value is of a shape that holds no other shapes."""
    if isinstance(value, str):
        if isinstance(shape, str) and shape in _TEXTS:
            return bool(_TEXTS[shape].fullmatch(value))
        return isinstance(shape, set) and value in shape
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return type(value) in _OTHERS and shape == _OTHERS[type(value)]
    if isinstance(shape, Between):
        return shape.low <= value <= shape.high
    return shape == NUMBER or (shape == WHOLE and isinstance(value, int))
