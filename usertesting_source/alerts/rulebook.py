"""
Which rules are on: the tables under `alerts.rules`, for the rules of the package and for a user's own.

The keys of a rule of the package, besides `enabled` and `severity`, are the parameters of its function in `rules.py`:
their annotations say how a key is read, and their defaults stand there alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from ..config import wrong
from ..errors import ConfigurationError
from . import rules, settings
from .signals import SEVERITIES, Check, Rule

__all__ = ["active_rules"]

SECTION = "alerts.rules"
_COMMON = frozenset({"enabled", "severity"})


@dataclass(frozen=True)
class _BuiltIn:
    """
    A rule of the package.

    Attributes:
        make: its function in `rules.py`.
        wants: keys of which one must be given, or the rule is off.

    """

    make: Callable[..., Check]
    severity: str
    enabled: bool = True
    needs_pace: bool = False
    wants: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """All keys of its table."""
        return _COMMON | signature(self.make).parameters.keys()


_BUILT_IN = {
    "failed_task": _BuiltIn(rules.failed_task, "high"),
    "low_rating": _BuiltIn(rules.low_rating, "high"),
    "low_nps": _BuiltIn(rules.low_nps, "medium"),
    "keyword": _BuiltIn(rules.keyword, "medium", wants=("keywords", "patterns")),
    "low_qx": _BuiltIn(rules.low_qx, "medium", enabled=False),
    "skipped_task": _BuiltIn(rules.skipped_task, "low", enabled=False),
    "slow_task": _BuiltIn(rules.slow_task, "low", enabled=False, needs_pace=True),
}
_READERS: Mapping[Any, Callable[[str, Any], Any]] = {
    float: settings.numeric,
    int: settings.whole,
    bool: settings.flag,
    Sequence[str]: settings.names,
}


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
    for rule_id, rule in _BUILT_IN.items():
        key = f"{SECTION}.{rule_id}"
        values = _values(key, rule.make)
        is_on = settings.flag(f"{key}.enabled", rule.enabled)
        if is_on and (not rule.wants or any(values[name] for name in rule.wants)):
            yield Rule(rule_id, _severity(key, rule.severity), rule.make(**values), rule.needs_pace)


def _values(key: str, make: Callable[..., Check]) -> dict[str, Any]:
    """What the function of a rule is called with."""
    parameters = signature(make, eval_str=True).parameters.values()
    values = {one.name: _READERS[one.annotation](f"{key}.{one.name}", one.default) for one in parameters}
    for name in values.keys() & _CHECKS.keys():
        _CHECKS[name](f"{key}.{name}", values[name])
    return values


def _check_top(key: str, top: float) -> None:
    if top == 0:
        raise wrong(key, top, "write the top of the scale that the threshold is on, such as 5")


def _check_patterns(key: str, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise wrong(key, pattern, f"it is no regular expression ({error})") from None


def _check_places(key: str, places: Sequence[str]) -> None:
    if not set(places) <= set(rules.SPEECH):
        raise wrong(key, list(places), f"choose from {', '.join(rules.SPEECH)}")


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "of": _check_top,
    "patterns": _check_patterns,
    "look_in": _check_places,
}


def _own(tables: dict[str, Any]) -> Iterator[Rule]:
    for rule_id, table in tables.items():
        key = f"{SECTION}.{rule_id}"
        if rule_id not in _BUILT_IN and settings.flag(f"{key}.enabled", True):
            function = _imported(f"{key}.function", table["function"])
            told_as = None if settings.flag("alerts.include_text", True) else rule_id.replace("_", " ")
            yield Rule(rule_id, _severity(key, "medium"), rules.own_rule(function, told_as))


def _severity(key: str, default: str) -> str:
    value = settings.text(f"{key}.severity") or default
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
        if rule_id not in _BUILT_IN and "function" not in table:
            known = ", ".join(_BUILT_IN)
            raise ConfigurationError(f"[{key}]: no such rule. Choose from {known}, or name a function in it")
        allowed = _BUILT_IN[rule_id].keys if rule_id in _BUILT_IN else _COMMON | {"function"}
        unknown = sorted(table.keys() - allowed)
        if unknown:
            raise ConfigurationError(f"{key}.{unknown[0]}: no such key. Choose from {', '.join(sorted(allowed))}")
