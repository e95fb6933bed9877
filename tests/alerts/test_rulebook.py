"""Which rules are on, with which thresholds; and that the settings file says the same."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from usertesting_source.alerts import rules
from usertesting_source.alerts.rulebook import active_rules
from usertesting_source.alerts.signals import Session, detect

CONFIG = Path(__file__).parents[2] / ".dlt" / "config.toml"
EXAMPLES = {"enabled", "severity", "keywords", "patterns"}
"""Keys that the settings file shows with a value other than the default."""


@pytest.fixture
def shown() -> dict[str, dict[str, Any]]:
    """The rules that stand as comments in .dlt/config.toml."""
    comment = CONFIG.read_text().partition("# Rules.")[2].partition("\n\n")[0]
    lines = [line.removeprefix("# ") for line in comment.splitlines()[1:]]
    tables: dict[str, dict[str, Any]] = tomlkit.parse("\n".join(lines)).unwrap()["alerts"]["rules"]
    return tables


def ids() -> list[str]:
    return [rule.id for rule in active_rules()]


def test_a_few_rules_are_on_by_themselves() -> None:
    """Those that no team wants to miss; keywords only once there are some."""
    assert ids() == ["failed_task", "low_rating", "low_nps"]


@pytest.mark.parametrize("key", ["KEYWORDS", "PATTERNS"])
def test_keywords_are_on_once_there_are_some(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Words or patterns."""
    monkeypatch.setenv(f"ALERTS__RULES__KEYWORD__{key}", "crash")
    assert ids() == ["failed_task", "low_rating", "low_nps", "keyword"]


def test_the_settings_file_shows_every_key_with_its_default(
    shown: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read when a line is left commented out; and all lines together are settings that can be used."""
    own = shown.pop("delivery")
    assert own == {"function": "house_rules:delivery", "severity": "low"}
    for rule_id, keys in shown.items():
        defaults = {name: one.default for name, one in signature(getattr(rules, rule_id)).parameters.items()}
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in keys.items()}
        assert said.keys() - {"enabled", "severity"} == defaults.keys(), rule_id
        assert {name: said[name] for name in said.keys() - EXAMPLES} == {
            name: defaults[name] for name in defaults.keys() - EXAMPLES
        }, rule_id
    monkeypatch.setenv("ALERTS__RULES", json.dumps(shown))
    assert {rule.id for rule in active_rules()} == {"failed_task", *shown}


def test_thresholds_of_the_settings_reach_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rating of 4 of 5 is low for who says so."""
    rating = {"answer_kind": "rating_scale", "answer_number": 4, "answer_scale_max": 5}
    session = Session("s", "t", tasks=[rating])
    assert detect(session, active_rules()).signals == []
    monkeypatch.setenv("ALERTS__RULES__LOW_RATING__THRESHOLD", "8")
    monkeypatch.setenv("ALERTS__RULES__LOW_RATING__OF", "10")
    assert [signal.rule_id for signal in detect(session, active_rules()).signals] == ["low_rating"]


@pytest.mark.parametrize(("include_text", "what"), [("true", "said Argh"), ("false", "house rule")])
def test_include_text_covers_rules_of_ones_own(
    include_text: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an own rule says may hold a participant's words: they stay, and the rule's name is told."""
    (tmp_path / "words_rule.py").write_text("def check(session):\n    return 'said Argh'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ALERTS__INCLUDE_TEXT", include_text)
    monkeypatch.setenv("ALERTS__RULES", json.dumps({"house_rule": {"function": "words_rule:check"}}))
    own = [rule for rule in active_rules() if rule.id == "house_rule"]
    assert [signal.finding.what for signal in detect(Session("s1", "test1"), own).signals] == [what]
