"""The tolerant reader of answers; all shapes here are invented, since the API documents none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usertesting_source.tables.answers import METADATA, Answer, read_answer
from usertesting_source.tables.payloads import snake, vocabulary

OFFER = [{"id": "o1", "label": "Tea"}, {"id": "o2", "label": "Coffee"}]


def read(task_type: str | None, answer: object) -> Answer:
    return read_answer(task_type, {"startTimeMs": 0, "endTimeMs": 1, "skipped": False, "answer": answer})


@pytest.mark.parametrize(
    "content",
    [
        4,
        4.0,
        "4",
        [4],
        {"value": 4},
        {"rating": "4"},
        {"answer": {"value": 4}},
        {"answer": {"response": {"score": 4}}},
        {"ratingScaleAnswer": {"rating": 4}},
        {"value": 4, "score": 4},
        {"selected": {"value": 4, "label": "Good"}},
    ],
)
def test_a_rating_is_found_under_plausible_names(content: object) -> None:
    """A rating is read whether it comes bare, as a string, in a list, or a level or two down."""
    answer = read("RATING_SCALE", {"ratingScale": content})
    assert (answer.answered, answer.kind, answer.number, answer.understood) == (
        True,
        "rating_scale",
        4.0,
        True,
    )


@pytest.mark.parametrize("content", [True, {"value": True}, {"value": 4, "score": 80}, {"stars": 4}, {"value": "four"}])
def test_what_is_no_clear_number_is_not_guessed(content: object) -> None:
    """Booleans, two numbers that disagree and unknown names leave the number null, and are reported."""
    answer = read("RATING_SCALE", {"ratingScale": content})
    assert (answer.answered, answer.number, answer.understood) == (True, None, False)


@pytest.mark.parametrize(
    ("scale", "highest"),
    [
        ({"scaleMax": 5}, 5.0),
        ({"scale": 7}, 7.0),
        ({"scale": {"min": 1, "max": 7}}, 7.0),
        ({"scale": [1, 2, 3, 4, 5]}, 5.0),
        ({"numberOfPoints": "5"}, 5.0),
        ({"max": 5, "steps": 7}, None),
        ({"scaleMax": 3}, None),
        ({}, None),
    ],
)
def test_the_scale_is_read_when_it_fits(scale: dict[str, Any], highest: float | None) -> None:
    """The end of the scale is null when names disagree, or when the rating is above it."""
    assert read("RATING_SCALE", {"ratingScale": {"value": 4, **scale}}).scale_max == highest


@pytest.mark.parametrize(("content", "number"), [(0, 0.0), ({"score": 10}, 10.0), (11, None), (-1, None)])
def test_nps_is_a_number_from_0_to_10(content: object, number: float | None) -> None:
    """An NPS answer outside of 0 to 10 is null; the scale always ends at 10."""
    answer = read("NPS", {"nps": content})
    assert (answer.number, answer.scale_max, answer.understood) == (number, 10.0, number is not None)


@pytest.mark.parametrize(
    "content",
    [
        ["Coffee"],
        "Coffee",
        {"selectedOptions": ["Coffee"]},
        {"selectedOptions": [{"id": "o2", "label": "Coffee"}], "options": OFFER, "multiSelect": True},
        {"selectedOptionIds": ["o2"], "options": OFFER},
        {"selectedOption": {"text": "Coffee"}, "choices": OFFER},
        {"selected": "o2", "options": OFFER},
        {"options": [{"label": "Tea", "selected": False}, {"label": "Coffee", "selected": True}]},
        {"answer": {"choices": ["Coffee"]}},
        {"response": {"value": {"id": "o2", "name": "Coffee"}}},
        {"options": ["Coffee"], "multiSelect": False},
        {"values": ["Coffee"], "randomizedOptions": True, "maxLimit": 2},
    ],
)
def test_only_what_was_chosen_is_an_option(content: object) -> None:
    """Of a choice only the chosen options are read, never what was merely offered."""
    answer = read("MULTIPLE_CHOICE", {"multipleChoice": content})
    assert [(option.position, option.label) for option in answer.options] == [(1, "Coffee")]
    assert (answer.answered, answer.text, answer.understood) == (True, "Coffee", True)


@pytest.mark.parametrize(
    "content",
    [
        {"options": [{"label": "Tea", "selected": False}, {"label": "Coffee", "selected": False}]},
        {"options": ["Tea", "Coffee"], "multiSelect": False},
        {"options": ["Tea", "Coffee", "Milk"], "multiSelect": True, "maxLimit": 2},
        {"selectedOptions": [], "options": OFFER},
        {"multiSelect": True, "randomizedOptions": False, "maxLimit": 3},
    ],
)
def test_an_offer_alone_is_no_answer(content: object) -> None:
    """Offered options and settings without a choice leave the task unanswered."""
    answer = read("MULTIPLE_CHOICE", {"multipleChoice": content})
    assert (answer.answered, answer.options, answer.understood) == (False, (), True)


@pytest.mark.parametrize(
    "content",
    [
        ["Tea", "Milk"],
        {"ranking": ["Tea", "Milk"]},
        {"rankedOptions": [{"label": "Milk", "rank": 2}, {"label": "Tea", "rank": 1}]},
        {
            "items": [
                {"option": {"label": "Milk"}, "position": 1},
                {"option": {"label": "Tea"}, "position": 0},
            ]
        },
        {"Milk": 2, "Tea": 1},
        {"order": {"1": "Tea", "2": "Milk"}},
        {"options": ["Tea", "Milk"]},
        {"options": ["Tea", "Milk"], "multiSelect": False, "maxLimit": 1},
        {"options": [{"id": "o1", "label": "Tea"}, {"id": "o3", "label": "Milk"}], "randomizedOptions": True},
        {"options": [{"label": "Milk", "rank": 2}, {"label": "Coffee", "rank": None}, {"label": "Tea", "rank": 1}]},
        {"options": {"1": "Tea", "2": "Milk"}},
        {"choices": ["Tea", "Milk"]},
        {"answer": {"options": ["Tea", "Milk"]}},
    ],
)
def test_ranks_come_in_order(content: object) -> None:
    """Ranked options come in the order of their ranks, counted from 1."""
    answer = read("RANK_ORDER", {"rankOrder": content})
    assert [(option.position, option.label) for option in answer.options] == [(1, "Tea"), (2, "Milk")]
    assert (answer.text, answer.answered, answer.understood) == ("Tea; Milk", True, True)


@pytest.mark.parametrize(
    "content",
    [
        {"Ease": "Good", "Look": "Poor"},
        {"rows": [{"label": "Ease", "value": "Good"}, {"row": "Look", "column": "Poor"}, {"label": "Price"}]},
        {
            "answers": [
                {"row": {"text": "Ease"}, "selectedColumn": {"text": "Good"}},
                {"row": "Look", "answer": "Poor"},
            ]
        },
        {
            "rows": [{"id": "r1", "label": "Ease"}, {"id": "r2", "label": "Look"}],
            "columns": [{"id": "c1", "label": "Good"}, {"id": "c2", "label": "Poor"}],
            "answers": [{"rowId": "r1", "columnId": "c1"}, {"rowId": "r2", "columnId": "c2"}],
        },
    ],
)
def test_a_matrix_gives_a_row_each(content: object) -> None:
    """Each answered row of a matrix is an option: its label, and what it was given."""
    answer = read("MATRIX", {"matrix": content})
    assert [(option.label, option.value) for option in answer.options] == [("Ease", "Good"), ("Look", "Poor")]
    assert answer.text == "Ease: Good; Look: Poor"


@pytest.mark.parametrize(
    "content",
    [
        "I was lost",
        {"text": " I was lost "},
        {"transcript": "I was lost", "text": "What happened?"},
        {"answer": {"text": "I was lost"}},
        {"transcript": [{"text": "I was lost"}]},
    ],
)
def test_words_are_found(content: object) -> None:
    """What was written or said is read, and preferred to what may be the prompt."""
    assert read("WRITTEN", {"written": content}).text == "I was lost"


@pytest.mark.parametrize(
    ("content", "success"),
    [
        ({"success": True}, True),
        ({"status": "FAILURE"}, False),
        ({"outcome": "Gave up"}, False),
        ({"result": {"success": False}, "status": "completed"}, False),
        ("SUCCESS", True),
        (False, False),
        ({"status": "true", "result": "failed"}, None),
        ({"finalUrl": "https://shop.example/cart"}, None),
    ],
)
@pytest.mark.parametrize("kind", ["url", "figma"])
def test_navigation_tells_success(kind: str, content: object, success: bool | None) -> None:
    """A plain success counts before a status; words that contradict each other leave it null."""
    answer = read(kind.upper(), {kind: content})
    assert (answer.success, answer.understood) == (success, success is not None)


def test_success_is_not_read_where_nobody_navigates() -> None:
    """A rating has no success, and a kind we do not know has one only when a boolean says so."""
    assert read("RATING_SCALE", {"ratingScale": {"value": 1, "success": True}}).success is None
    assert read("CARD_SORT", {"cardSort": {"success": True}}).success is True
    assert read("CARD_SORT", {"cardSort": {"status": "completed"}}).success is None


def test_prototype_settings_are_no_answer() -> None:
    """The documented settings of a Figma task alone leave it unanswered."""
    settings = {
        "prototypeUrl": "https://p.example",
        "figmaPrototypeTitle": "Cart",
        "figmaPrototypeDisplaySetting": "x",
    }
    assert read("FIGMA", {"figma": settings}) == Answer(kind="figma", shape=read("FIGMA", {"figma": settings}).shape)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"nps": None, "ratingScale": {"value": 3}}, "rating_scale"),
        ({"nps": {}, "ratingScale": {"value": 3}}, "rating_scale"),
        ({"$case": "ratingScale", "ratingScale": {"value": 3}}, "rating_scale"),
        ({"value": 3}, "written"),
        (3, "written"),
        ({"cardSort": {"piles": 3}}, "card_sort"),
        ({"nps": 3, "ratingScale": {"value": 3}}, "multiple"),
        ({"nps": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_kind_is_the_only_key_that_holds_something(answer: object, kind: str | None) -> None:
    """The answer names its kind; the task's type steps in only where the answer has no such key."""
    assert read("WRITTEN", answer).kind == kind


def test_several_kinds_are_left_alone() -> None:
    """When several kinds hold something, nothing is read, and it is reported."""
    answer = read("NPS", {"nps": 9, "ratingScale": {"value": 3}})
    assert (answer.answered, answer.number, answer.understood) == (True, None, False)


@pytest.mark.parametrize(
    ("task_type", "response"),
    [
        ("NPS", {"skipped": True, "answer": {"nps": 9}}),
        ("SKIPPED", {"answer": {"nps": 9}}),
        ("NPS", {"skipped": False, "answer": None}),
        ("NPS", {"skipped": False, "answer": {"nps": {"value": None}}}),
        ("BLANK", {"skipped": False, "answer": {"blank": {}}}),
        ("WRITTEN", {"answer": {"written": {"text": "  "}}}),
        ("NPS", {}),
        ("NPS", None),
        (None, None),
    ],
)
def test_nothing_answered_is_nothing_read(task_type: str | None, response: dict[str, Any] | None) -> None:
    """Skipped tasks, missing answers and empty ones are unanswered, and there is nothing to report."""
    answer = read_answer(task_type, response)
    assert (answer.answered, answer.number, answer.text, answer.understood) == (False, None, None, True)


def test_flags_of_a_kind_without_an_answer_are_nothing_to_tell() -> None:
    """An image that was viewed; but words in a kind that nobody knows are told as not understood."""
    assert read("IMAGE", {"image": {"viewed": True}}).understood
    assert not read("SKETCH", {"sketch": {"viewed": True, "note": "a boat"}}).understood


def test_the_shape_tells_names_and_never_values() -> None:
    """What is reported about an answer are the names of its keys; a key that is no name is hidden."""
    shape = read("WRITTEN", {"written": {"what I typed": "secret", "parts": [{"word": "secret"}]}}).shape
    assert shape == ("written", "written.*", "written.parts", "written.parts[].word")


_KEYS = st.sampled_from(
    vocabulary(
        """value answer selected selectedOptions options rows columns answers rank label id success scale text
        ranking ratingScale multipleChoice matrix rankOrder url"""
    )
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
_TYPES = st.none() | st.sampled_from(["NPS", "RATING_SCALE", "MULTIPLE_CHOICE", "RANK_ORDER", "MATRIX", "URL", "NEW"])


def _holds_something(content: object) -> bool:
    """Whether anything is written there, besides settings and what was merely offered."""
    if isinstance(content, dict):
        return any(_holds_something(value) for key, value in content.items() if snake(key) not in METADATA)
    if isinstance(content, list):
        return any(_holds_something(value) for value in content)
    return content.strip() != "" if isinstance(content, str) else content is not None


@settings(max_examples=500)
@given(_TYPES | st.text(max_size=5), _JSON)
def test_an_answer_that_holds_something_is_never_unanswered(task_type: str | None, answer: object) -> None:
    """Whatever came: when it cannot be read it is answered all the same, and told as not understood."""
    if _holds_something(answer) and task_type != "SKIPPED":
        assert read(task_type, answer).answered


@pytest.mark.parametrize("kind", ["multipleChoice", "rankOrder"])
@pytest.mark.parametrize("options", [[{"foo": 1}], {"foo": {"bar": 1}}, [[1]], [True]])
def test_options_that_cannot_be_read_are_answered(kind: str, options: object) -> None:
    """Where the options are the choice itself, those of an unknown shape still are one."""
    answer = read(None, {kind: {"options": options}})
    assert (answer.answered, answer.options, answer.understood) == (True, (), False)


@pytest.mark.parametrize(
    "answer",
    [
        {"nps": {}, "comment": "I like it"},
        {"nps": 9, "NPS": ""},
        {"written": {"text": "Said", "Text": ""}},
        {"written": {"pages": {"first": {"lines": {"words": {"word": "deep"}}}}}},
        {"rankOrder": {"options": [{"foo": 1}]}},
    ],
)
def test_nothing_hides_what_was_answered(answer: object) -> None:
    """Not an empty kind beside it, not a name that differs by its case alone, not the depth."""
    assert read("NPS", answer).answered


@given(_TYPES | st.text(max_size=5), _JSON)
def test_any_json_can_be_read(task_type: str | None, answer: object) -> None:
    """No answer raises; what is read holds to its types and ranges."""
    read_it = read(task_type, answer)
    assert read_it.understood or read_it.answered
    assert read_it.number is None or math.isfinite(read_it.number)
    assert read_it.kind != "nps" or read_it.number is None or 0 <= read_it.number <= 10
    assert all(option.label or option.value for option in read_it.options)


@pytest.mark.parametrize("kind", ["nps", "multipleChoice", "rankOrder", "matrix", "written", "url", "cardSort"])
def test_what_is_nested_without_end_is_not_followed(kind: str) -> None:
    """A list in a list, or an answer in an answer, hundreds of levels deep, is not understood, and no more."""
    lists: object = "end"
    objects: object = "end"
    for _ in range(800):
        lists, objects = [lists], {"answer": objects}
    assert not read(None, {kind: lists}).understood
    assert not read(None, {kind: objects}).understood


@given(_JSON)
def test_a_response_may_be_anything(answer: Any) -> None:
    """Not even a response that is no object raises."""
    assert isinstance(read_answer("NPS", answer), Answer)


@pytest.mark.parametrize(
    "content",
    [
        {"selectedOptions": ["Tea"], "options": ["Tea", "Milk"]},
        {"selectedOptions": [{"id": "1"}], "options": [{"id": "1", "label": "Tea"}, {"id": "2", "label": "Milk"}]},
        {"options": [{"label": "Tea", "selected": True}, {"label": "Milk", "selected": False}]},
    ],
)
def test_what_was_offered_is_told_apart_from_what_was_chosen(content: object) -> None:
    """So that an option that nobody took has a bar of zero."""
    read = read_answer("MULTIPLE_CHOICE", {"answer": {"multipleChoice": content}})
    assert ([option.label for option in read.options], read.offered) == (["Tea"], ("Tea", "Milk"))


def test_a_list_that_may_be_the_choice_itself_is_no_offer() -> None:
    """Options alone are what was chosen."""
    read = read_answer("MULTIPLE_CHOICE", {"answer": {"multipleChoice": {"options": ["Tea"]}}})
    assert ([option.label for option in read.options], read.offered) == (["Tea"], ())
