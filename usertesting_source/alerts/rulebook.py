"""Which rules are on: the tables under `alerts.rules`, for the rules of the package and for a user's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from ..config import wrong
from ..errors import ConfigurationError
from . import rules, settings
from .signals import SEVERITIES, Check, Rule

__all__ = ["active_rules"]

SECTION = "alerts.rules"
_COMMON = frozenset({"enabled", "severity"})
_SPEECH = ("written", "spoken", "transcript")


def active_rules() -> list[Rule]:
    """
    The rules that are switched on, with their thresholds.

    Raises:
        ConfigurationError: a table names no rule, a key or value is wrong, or a function cannot be imported.

    """
    tables = settings.table(SECTION)
    _check_names(tables)
    return [*_built_in(), *_own(tables)]


def _built_in() -> Iterator[Rule]:
    for rule_id, (enabled, severity, _, make) in _RULES.items():
        key = f"{SECTION}.{rule_id}"
        check = make(key)
        if settings.flag(f"{key}.enabled", enabled) and check:
            yield Rule(rule_id, _severity(key, severity), check, needs_pace=rule_id == "slow_task")


def _own(tables: dict[str, Any]) -> Iterator[Rule]:
    for rule_id, table in tables.items():
        key = f"{SECTION}.{rule_id}"
        if rule_id not in _RULES and settings.flag(f"{key}.enabled", True):
            function = _imported(f"{key}.function", table["function"])
            yield Rule(rule_id, _severity(key, "medium"), rules.own_rule(function))


def _severity(key: str, default: str) -> str:
    value = settings.text(f"{key}.severity", default) or default
    if value not in SEVERITIES:
        raise wrong(f"{key}.severity", value, f"choose from {', '.join(SEVERITIES)}")
    return value


def _imported(key: str, where: object) -> Callable[..., Any]:
    module, _, name = str(where).replace(":", ".").rpartition(".")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = f"it cannot be imported ({error}); write module:function, as seen from the working folder"
        raise wrong(key, where, remedy) from error
    if not callable(function):
        raise wrong(key, where, "it is not a function")
    return function  # type: ignore[no-any-return]  # checked just above


def _check_names(tables: dict[str, Any]) -> None:
    for rule_id, table in tables.items():
        key = f"{SECTION}.{rule_id}"
        if not isinstance(table, dict):
            raise wrong(key, table, f"write a table: [{key}]")
        if rule_id not in _RULES and "function" not in table:
            known = ", ".join(_RULES)
            raise ConfigurationError(f"[{key}]: no such rule. Choose from {known}, or name a function in it")
        allowed = _COMMON | (_RULES[rule_id][2] if rule_id in _RULES else {"function"})
        unknown = sorted(table.keys() - allowed)
        if unknown:
            raise ConfigurationError(f"{key}.{unknown[0]}: no such key. Choose from {', '.join(sorted(allowed))}")


def _low_rating(key: str) -> Check:
    of = settings.numeric(f"{key}.of", 5)
    if of == 0:
        raise wrong(f"{key}.of", of, "write the top of the scale that the threshold is on, such as 5")
    return rules.low_rating(settings.numeric(f"{key}.threshold", 2), of)


def _failed_task(_: str) -> Check:
    return rules.failed_task()


def _low_nps(key: str) -> Check:
    return rules.low_nps(settings.numeric(f"{key}.threshold", 6))


def _low_qx(key: str) -> Check:
    return rules.low_qx(settings.numeric(f"{key}.threshold", 40))


def _skipped_task(key: str) -> Check:
    return rules.skipped_task(settings.flag(f"{key}.unanswered", True))


def _slow_task(key: str) -> Check:
    return rules.slow_task(
        settings.numeric(f"{key}.threshold", 3),
        settings.whole(f"{key}.min_sessions", 10),
        settings.numeric(f"{key}.min_seconds", 60),
    )


def _keyword(key: str) -> Check | None:
    words, patterns = settings.names(f"{key}.keywords"), settings.names(f"{key}.patterns")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise wrong(f"{key}.patterns", pattern, f"it is no regular expression ({error})") from None
    look_in = settings.names(f"{key}.look_in", _SPEECH)
    if not set(look_in) <= set(_SPEECH):
        raise wrong(f"{key}.look_in", list(look_in), f"choose from {', '.join(_SPEECH)}")
    return rules.keyword(words, patterns, look_in) if words or patterns else None


# on by default, severity, keys of its own, and how it is made
_RULES: dict[str, tuple[bool, str, frozenset[str], Callable[[str], Check | None]]] = {
    "failed_task": (True, "high", frozenset(), _failed_task),
    "low_rating": (True, "high", frozenset({"threshold", "of"}), _low_rating),
    "low_nps": (True, "medium", frozenset({"threshold"}), _low_nps),
    "keyword": (True, "medium", frozenset({"keywords", "patterns", "look_in"}), _keyword),
    "low_qx": (False, "medium", frozenset({"threshold"}), _low_qx),
    "skipped_task": (False, "low", frozenset({"unanswered"}), _skipped_task),
    "slow_task": (False, "low", frozenset({"threshold", "min_sessions", "min_seconds"}), _slow_task),
}
