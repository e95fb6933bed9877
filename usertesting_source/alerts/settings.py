"""
Exact look-ups in dlt's configuration, with errors that name key, value and remedy.

dlt's own injection would also try shorter names for a missing key: `EMAIL` for `alerts.jira.email`.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.utils import deserialize_value

from .. import config
from ..errors import ConfigurationError

__all__ = ["flag", "names", "numeric", "secret", "table", "text", "whole"]

T = TypeVar("T")


def _get(key: str, kind: type[T], remedy: str) -> T | None:
    value = _raw(key)
    try:
        return None if value is None else deserialize_value(key, value, kind)
    except ConfigurationException:
        raise config.wrong(key, value, remedy) from None


def _raw(key: str) -> Any:
    """The value of `key`, also where it stands inside a table that the environment gives as JSON."""
    value: Any = dlt.config.get(key)
    outer, _, name = key.rpartition(".")
    if value is not None or not outer:
        return value
    table = _raw(outer)
    if isinstance(table, str):
        try:
            table = json.loads(table)
        except ValueError:
            return None
    return table.get(name) if isinstance(table, dict) else None


def text(key: str) -> str | None:
    """A text; None when it is not set or empty."""
    return (_get(key, str, "write a text") or "").strip() or None


def flag(key: str, default: bool) -> bool:
    """`true` or `false`."""
    value = _get(key, bool, "write true or false")
    return default if value is None else value


def numeric(key: str, default: float) -> float:
    """A number that is not negative."""
    value = _get(key, float, "write a number")
    if value is None:
        return default
    if not 0 <= value < float("inf"):
        raise config.wrong(key, value, "write a number that is not negative")
    return value


def whole(key: str, default: int) -> int:
    """A whole number that is not negative."""
    value = numeric(key, default)
    if value != int(value):
        raise config.wrong(key, value, "write a whole number")
    return int(value)


def names(key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A list of texts; in the environment, texts with commas between."""
    value: object = _raw(key)
    try:
        return default if value is None else config.names(key, value)
    except ConfigurationError:
        raise config.wrong(key, value, 'write a list of texts such as ["a", "b"]') from None


def table(key: str) -> dict[str, Any]:
    """A TOML table or, in the environment, a JSON object."""
    return dict(_get(key, dict, "write a table") or {})


def secret(key: str, what: str) -> str:
    """
    A secret, which no error shows.

    Raises:
        ConfigurationError: it is missing.

    """
    value: Any = dlt.secrets.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            f"`{key}` is missing: put {what} into .dlt/secrets.toml, or set {config.environment(key)}."
        )
    return value.strip()
