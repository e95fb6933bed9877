"""The section `explore` of dlt's configuration, looked up by its exact keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dlt

from ..config import wrong


def value(key: str) -> Any:
    """What is set for a key with all its sections; in the environment a table or a list is JSON. None: nothing."""
    found: Any = dlt.config.get(key)
    if isinstance(found, str) and found.lstrip().startswith(("{", "[")):
        try:
            return json.loads(found)
        except ValueError:
            return found
    return found


def texts(key: str, given: Any) -> tuple[str, ...]:
    """
    `given` as a list of texts, without blanks around them.

    Raises:
        ConfigurationError: it is none.

    """
    items = [given] if isinstance(given, str) else given or []
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in items):
        raise wrong(key, given, 'give a list of texts, such as ["one", "another"]')
    return tuple(item.strip() for item in items)


def table(key: str) -> Mapping[str, Any]:
    """
    A table of the settings; empty when it is not set.

    Raises:
        ConfigurationError: it is no table.

    """
    found = value(key)
    if not isinstance(found or {}, Mapping):
        raise wrong(key, found, 'write a line for each, such as price = ["price", "cost*"]')
    return found or {}
