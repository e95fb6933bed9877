"""Rules: what fires, what stays silent, and that nothing raises."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.alerts import rules
from usertesting_source.alerts.signals import Finding, Pace, Rule, Session, Signal, detect

BUILT_IN = [
    Rule("low_rating", "high", rules.low_rating()),
    Rule("failed_task", "high", rules.failed_task()),
    Rule("low_nps", "medium", rules.low_nps()),
    Rule("keyword", "medium", rules.keyword(["crash"], [r"gave\s+up"])),
    Rule("skipped_task", "low", rules.skipped_task()),
    Rule("slow_task", "low", rules.slow_task()),
    Rule("low_qx", "medium", rules.low_qx()),
]


def session(*tasks: dict[str, Any], **more: Any) -> Session:
    numbered = [{"task_uuid": f"t{n}", "task_number": n, "start_time_ms": 0, **task} for n, task in enumerate(tasks, 1)]
    return Session("s1", "test1", tasks=numbered, **more)


def signals(subject: Session, *only: str) -> list[Signal]:
    detection = detect(subject, [rule for rule in BUILT_IN if not only or rule.id in only])
    assert not detection.broken
    return detection.signals


def whats(subject: Session, *only: str) -> list[str]:
    return [signal.finding.what for signal in signals(subject, *only)]


def rating(value: object, top: object, **more: Any) -> dict[str, Any]:
    kind = {"task_type": "RATING_SCALE", "answer_kind": "rating_scale"}
    return {**kind, "answer_number": value, "answer_scale_max": top, **more}


@pytest.mark.parametrize(("value", "top"), [(1, 5), (2, 5), (2, 7), (4, 10), (40, 100), (1, 3)])
def test_a_rating_in_the_lowest_two_fifths_of_its_scale_fires(value: float, top: float) -> None:
    """2 of 5 means 4 of 10: the threshold follows the scale."""
    assert whats(session(rating(value, top))) == [f"rated {value} of {top}"]


@pytest.mark.parametrize(
    ("value", "top"),
    [(3, 5), (3, 7), (5, 10), (2, None), (None, 5), (-1, 5), (6, 5), ("1", 5), (True, 5), (float("nan"), 5), (1, "5")],
)
def test_a_good_or_unreadable_rating_is_silent(value: object, top: object) -> None:
    """Nothing is guessed: without a number on a known scale there is no signal."""
    assert whats(session(rating(value, top))) == []


@pytest.mark.parametrize(
    ("value", "fires"),
    [(0, True), (6, True), (6.5, False), (7, False), (10, False), (11, False), (-1, False), (None, False)],
)
def test_nps_fires_for_detractors(value: float | None, fires: bool) -> None:
    """6 and below, of 0 to 10."""
    assert bool(whats(session({"task_type": "NPS", "answer_kind": "nps", "answer_number": value}))) is fires


@pytest.mark.parametrize(
    ("success", "fires"),
    [(False, True), (0, True), (True, False), (1, False), (None, False), ("false", False), (0.0, False)],
)
def test_only_a_clear_failure_fires(success: object, fires: bool) -> None:
    """False as databases hand it back; nothing that only looks like it."""
    assert bool(whats(session({"task_type": "FIGMA", "answer_success": success}))) is fires


def test_a_failed_task_quotes_what_was_said_meanwhile() -> None:
    """A task without an answer text is told with the words of the transcript during the task."""
    cues = [
        {"start_ms": 1_000, "text": "Before."},
        {"start_ms": 21_000, "text": "Where is the"},
        {"start_ms": 25_000, "text": "return button?"},
        {"start_ms": 40_000, "text": "After."},
    ]
    task = {"answer_success": False, "start_time_ms": 20_000, "end_time_ms": 40_000}
    (signal,) = signals(session(task, cues=cues))
    assert signal.finding.quote == "Where is the return button?"


def test_keywords_are_whole_words_in_any_case() -> None:
    """`crash` is found in `CRASH!` and not in `crashed`."""
    found = whats(session({"task_type": "WRITTEN", "answer_text": "It will CRASH!"}, {"answer_text": "it crashed"}))
    assert found == ['mentions "crash"']


def test_a_pattern_finds_words_in_the_transcript_and_quotes_around_it() -> None:
    """A transcript is told once, with the words around the match."""
    (signal,) = signals(session(transcript=f"{'so ' * 60}then I gave  up on it and {'left ' * 60}"))
    assert signal.finding.what == r"matches /gave\s+up/ (transcript)"
    assert signal.finding.task_uuid is None
    assert "then I gave up on it" in (signal.finding.quote or "")
    assert len(signal.finding.quote or "") < 200


@pytest.mark.parametrize("reach", range(60, 90))
def test_a_number_at_the_edge_of_a_quote_is_masked_whole(reach: int) -> None:
    """A quote is cut around the word that was found, perhaps in the middle of a phone number."""
    filler = "x" * reach
    (signal,) = signals(session(transcript=f"030 1234567 {filler} crash {filler} 030 1234567"))
    assert not re.search(r"\d", signal.finding.quote or "")


def test_a_keyword_told_from_an_answer_is_not_told_again_from_the_transcript() -> None:
    """A spoken answer is in the transcript too."""
    found = whats(session({"task_type": "VERBAL", "answer_text": "a crash"}, transcript="well, a crash"))
    assert found == ['mentions "crash"']


def test_labels_of_choices_are_not_taken_for_words_of_the_participant() -> None:
    """The option "it may crash" was written by the researcher."""
    assert whats(session({"answer_kind": "multiple_choice", "answer_text": "it may crash"})) == []


def test_keywords_are_looked_for_only_where_they_are_wanted() -> None:
    """`look_in` leaves written answers out."""
    rule = Rule("keyword", "low", rules.keyword(["crash"], look_in=["transcript"]))
    subject = session({"task_type": "WRITTEN", "answer_text": "a crash"})
    assert detect(subject, [rule]).signals == []


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ({"task_type": "WRITTEN", "skipped": True}, ["skipped"]),
        ({"task_type": "WRITTEN", "skipped": False, "answered": False}, ["left unanswered"]),
        ({"task_type": "WRITTEN", "skipped": False, "answered": None}, []),
        ({"task_type": "WRITTEN", "answered": False, "start_time_ms": None}, []),
        ({"task_type": "BLANK", "answered": False}, []),
        ({"task_type": "UNRECOGNIZED", "answered": False}, []),
    ],
)
def test_skipped_and_unanswered_tasks(task: dict[str, Any], found: list[str]) -> None:
    """A task that asks for nothing, or was never shown, cannot be left unanswered."""
    assert whats(session(task), "skipped_task") == found


@pytest.mark.parametrize(
    ("seconds", "median", "sessions", "fires"),
    [(300, 100, 10, True), (299, 100, 10, False), (300, 100, 9, False), (50, 1, 10, False), (300, 0, 10, False)],
)
def test_slow_tasks_need_ten_sessions_and_a_minute(seconds: int, median: float, sessions: int, fires: bool) -> None:
    """Three times the median, once the median means something."""
    subject = session({"end_time_ms": seconds * 1000}, pace={"t1": Pace(median, sessions)})
    assert bool(whats(subject, "slow_task")) is fires


@pytest.mark.parametrize(
    ("response", "fires"),
    [
        *[({"score": 39}, True), ('{"score": 12.5}', True), ({"score": 40}, False), ({"sequence": "BA"}, False)],
        *[(None, False), ("not JSON", False), ({"score": "10"}, False), ([1], False), ({"score": -1}, False)],
    ],
)
def test_qx_scores_are_read_from_json_in_any_form(response: object, fires: bool) -> None:
    """Some databases hand JSON back as text, some as objects."""
    group = {"task_group_uuid": "g1", "task_group_response": response}
    assert bool(whats(session(task_groups=[group]), "low_qx")) is fires


def test_all_rules_of_a_session_fire_side_by_side() -> None:
    """Several signals of one session, each with its own key."""
    found = signals(session({"answer_success": False}, rating(1, 5), {"answer_kind": "nps", "answer_number": 3}))
    assert [signal.rule_id for signal in found] == ["low_rating", "failed_task", "low_nps"]
    assert len({signal.key for signal in found}) == 3


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (None, 0),
        ("", 0),
        ("angry", 1),
        (Finding("angry", quote="Argh"), 1),
        (["one", Finding("two", task_uuid="t2")], 2),
    ],
)
def test_a_rule_of_ones_own_may_answer_in_any_form(answer: Any, count: int) -> None:
    """None, a text, a finding or several."""
    own = Rule("own", "low", rules.own_rule(lambda _: answer))
    assert len(detect(session(), [own]).signals) == count


@pytest.mark.parametrize("answer", [True, 7, {"what": "angry"}, [None], [["angry"]], Finding(None)])  # type: ignore[arg-type]  # on purpose
def test_a_rule_of_ones_own_that_answers_otherwise_is_refused(answer: Any) -> None:
    """It is named as broken, and nothing is made up from what it returned."""
    own = Rule("own", "low", rules.own_rule(lambda _: answer))
    detection = detect(session(), [own])
    assert (detection.signals, detection.broken) == ([], {"own": "TypeError"})


def test_a_rule_that_exits_ends_no_run() -> None:
    """`sys.exit` in a rule is a fault of the rule."""
    own = Rule("own", "low", rules.own_rule(lambda _: sys.exit(3)))
    assert detect(session(), [own]).broken == {"own": "SystemExit"}


def test_no_word_of_an_own_rule_is_told_where_text_stays() -> None:
    """With `told_as` only the rule's name and the task are told."""
    own = Rule("own", "low", rules.own_rule(lambda _: Finding("said Argh", "Argh", "t2", 2, "Argh?"), "delivery"))
    (signal,) = detect(session(), [own]).signals
    assert signal.finding == Finding("delivery", None, "t2", 2)


@pytest.mark.parametrize(
    ("skipped", "fires"),
    [(True, True), (1, True), (1.0, True), (Decimal(1), True), ("1", False), (Decimal("sNaN"), False), (False, False)],
)
def test_only_a_clear_skip_fires(skipped: object, fires: bool) -> None:
    """True as databases hand it back; a signalling NaN, which cannot be compared, is no skip."""
    assert bool(whats(session({"task_type": "WRITTEN", "skipped": skipped}), "skipped_task")) is fires


def test_a_rule_that_raises_keeps_no_other_from_telling() -> None:
    """It is reported with the kind of error and without its text, which may hold an answer."""

    def bad(_: Session) -> None:
        raise ValueError("the participant said x")

    own = Rule("own", "low", rules.own_rule(bad))
    detection = detect(session({"answer_success": False}), [own, *BUILT_IN])
    assert detection.broken == {"own": "ValueError"}
    assert [signal.rule_id for signal in detection.signals] == ["failed_task"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ["task_uuid", "task_number", "task_text", "task_type", "start_time_ms", "end_time_ms", "skipped", "answered"]
ANSWER = ["answer_kind", "answer_number", "answer_scale_max", "answer_success", "answer_text", "answer_json"]
TASK = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS + ANSWER, ANYTHING))
GROUP = st.fixed_dictionaries({}, optional={"task_group_uuid": ANYTHING, "task_group_response": ANYTHING})


@given(st.lists(TASK, max_size=3), st.lists(GROUP, max_size=2), st.none() | st.text(max_size=50))
def test_no_shape_of_rows_makes_a_rule_raise(tasks: list[Any], groups: list[Any], transcript: str | None) -> None:
    """Whatever the undocumented answers turn out to be."""
    subject = Session("s", "t", tasks=tasks, task_groups=groups, transcript=transcript, pace={"x": Pace(1, 99)})
    detection = detect(subject, BUILT_IN)
    assert detection.broken == {}
    assert len({signal.key for signal in detection.signals}) == len(detection.signals)


@given(st.floats(0, 100), st.floats(0.1, 100))
def test_a_low_rating_is_low_in_proportion(value: float, top: float) -> None:
    """It fires exactly for values on the scale up to 40 % of it."""
    assert bool(whats(session(rating(value, top)))) is (value <= top and value * 5 <= 2 * top)
