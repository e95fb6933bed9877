"""
A tolerant reader for the answers of tasks.

The API documents that an answer is an object with one property per kind of task (`ratingScale`, `nps`, ...),
and nothing of what is inside (`GET /api/v3/sessionResults/{sessionId}`, TaskAnswerDto). So the plausible
names are tried, in all the plausible shapes; what cannot be read is left null and reported, never guessed.
Takes any JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import choices
from .choices import Option, fields
from .payloads import as_number, mapping, snake, vocabulary

_KINDS = vocabulary("blank rating_scale multiple_choice image nps url rank_order written figma matrix verbal")
_RATED = vocabulary("rating_scale nps")
_CHOSEN = vocabulary("multiple_choice rank_order matrix")
_SAID = vocabulary("written verbal")
_NAVIGATED = vocabulary("url figma")
_SHOWN = vocabulary("image blank")

_NUMBERS = vocabulary(
    """value rating score answer response selected selection number selected_value rating_value scale_value
    selected_rating nps_score"""
)
# the likeliest first: `text` may well be the prompt
_TEXTS = vocabulary("answer response value transcript transcription written verbal text content label comment")
_LABELS = vocabulary("label selected_label text transcript comment")
_REMARKS = vocabulary("text transcript comment")
_SUCCESSES = vocabulary("success is_success successful is_successful succeeded task_success passed")
_OUTCOMES = vocabulary("outcome result status completion_status completed is_completed answer value")
_SCALES = vocabulary(
    """scale scale_max max max_value max_rating maximum number_of_points num_points scale_size scale_points
    steps upper_bound"""
)
_DOORS = vocabulary("answer response value result selection selected rating data")
METADATA = frozenset(_SCALES) | frozenset(
    vocabulary(
        """multi_select randomized_options max_limit prototype_url figma_prototype_title
        figma_prototype_display_setting type typename kind oneof_kind case id uuid min scale_min min_value
        options choices columns"""
    )
)
_SLOTS = choices.SLOTS | {*_NUMBERS, *_TEXTS, *_LABELS, *_SUCCESSES, *_OUTCOMES}

_YES = vocabulary("success successful succeeded completed complete passed pass true yes")
_NO = vocabulary("failure failed fail unsuccessful incomplete not_completed false no abandoned gave_up")
_NAME = re.compile(r"[A-Za-z_$][\w$]{0,40}")


@dataclass(frozen=True)
class Answer:
    """
    What could be read of one answer.

    Attributes:
        answered: the task was not skipped, and the answer holds something.
        kind: the only kind that holds something, as `rating_scale`; "multiple" when several do.
        number: the rating, or the NPS answer (0 to 10).
        scale_max: the highest number possible, when the answer says so; 10 for NPS.
        success: whether a navigation task reached its goal.
        text: what was written or said, or the `options` in words, joined by "; ".
        options: what was chosen, as (position from 1, label, value); ranks and matrix rows likewise.
        offered: what could be chosen or ranked, by label, where the answer says so.
        understood: False when something came that could not be read.
        shape: the names of the keys that came, such as `ratingScale.value`; never a value.

    """

    answered: bool = False
    kind: str | None = None
    number: float | None = None
    scale_max: float | None = None
    success: bool | None = None
    text: str | None = None
    options: tuple[Option, ...] = ()
    offered: tuple[str, ...] = ()
    understood: bool = True
    shape: tuple[str, ...] = ()


def read_answer(task_type: str | None, response: dict[str, Any] | None) -> Answer:
    """
    Read the `response` of a task: `{"skipped": ..., "answer": {kind: anything}}`.

    The kind comes from the answer; `task_type` only steps in where the answer does not name one.
    """
    answer = mapping(response).get("answer")
    kind, content = _branch(answer, task_type)
    shape = tuple(_shape(answer))
    if task_type == "SKIPPED" or mapping(response).get("skipped") is True:
        return Answer(kind=kind, shape=shape)
    if kind == "multiple":
        return Answer(answered=True, kind=kind, understood=False, shape=shape)
    read = _read(kind, content)
    # a key beside the kind, or one that differs by its case alone, may hold the answer
    answered = read.answered or _holds_something(answer)
    # that an image was viewed is no answer
    is_told = read.answered or _holds_something(answer, only_content=kind in _SHOWN)
    understood = read.understood or not is_told
    return replace(read, kind=kind, shape=shape, answered=answered, understood=understood)


def _branch(answer: object, task_type: str | None) -> tuple[str | None, Any]:
    """The kind of an answer and what it holds; the answer itself when it is not keyed by kind."""
    if answer is None:
        return None, None
    expected = snake(task_type or "") or None
    keyed = fields(answer)
    branches = {name: value for name, value in keyed.items() if _is_branch(name, value)}
    filled = {name: value for name, value in branches.items() if value not in ({}, [], "")} or branches
    if not filled:
        return (expected if keyed or not isinstance(answer, dict) else None), answer
    return next(iter(filled.items())) if len(filled) == 1 else ("multiple", answer)


def _is_branch(name: str, value: object) -> bool:
    """Whether a property is a kind: one we know, or an object that is no known part of an answer."""
    new = isinstance(value, (dict, list)) and name not in _SLOTS and name not in METADATA
    return name in _KINDS or new


def _read(kind: str | None, content: object) -> Answer:
    """What can be read; `understood` when there is what its kind is about, `answered` also when there is more."""
    read = _readings(kind, content)
    if kind in _SAID:
        understood = read.text is not None
    elif kind in _CHOSEN:
        understood = read.options != ()
    elif kind in _RATED:
        understood = read.number is not None
    elif kind in _NAVIGATED:
        understood = read.success is not None
    else:
        understood = read != Answer()
    return replace(read, answered=read.answered or understood, understood=understood)


def _readings(kind: str | None, content: object) -> Answer:
    if kind in _CHOSEN:
        options, came, offered = choices.read(kind, content)
        words = _in_words(options, with_values=kind == "matrix")
        return Answer(answered=came, options=options, offered=offered, text=words)
    if kind in _SAID:
        return Answer(text=_text(content, _TEXTS))
    if kind in _NAVIGATED:
        return Answer(success=_success(content, (_SUCCESSES, _OUTCOMES)), text=_text(content, _REMARKS))
    if kind == "nps":
        score = _number(content)
        return Answer(number=score if score is not None and 0 <= score <= 10 else None, scale_max=10.0)
    if kind == "rating_scale":
        return _rating(content, _LABELS)
    read = replace(_rating(content, _TEXTS), success=_explicit_success(content))
    options = choices.read(kind, content).options
    return replace(read, options=options, text=_in_words(options)) if options else read


def _rating(content: object, texts: tuple[str, ...]) -> Answer:
    rating = _number(content)
    label = _text(content, texts)
    return Answer(
        number=rating,
        scale_max=_scale_max(content, rating),
        text=None if label is not None and as_number(label) == rating is not None else label,
    )


def _in_words(options: Iterable[Option], with_values: bool = False) -> str | None:
    """Labels joined by "; "; the rows of a matrix with what they were given."""
    parts = ((label, value) if with_values else (label or value,) for _, label, value in options)
    return "; ".join(": ".join(filter(None, part)) for part in parts) or None


def _levels(content: object, doors: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The fields of `content`, and of the objects behind its `doors`, at most two levels down."""
    level = [fields(_single(content))]
    for _ in range(3):
        yield from level
        level = [fields(_single(outer[name])) for outer in level for name in outer if _is_door(name, doors)]


def _is_door(name: str, doors: Iterable[str]) -> bool:
    return name in doors or name.rpartition("_")[2] in doors


def _single(value: object) -> object:
    """The only item of a list, else the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _number(content: object) -> float | None:
    """The number answered; None when there is none, or when two names disagree."""
    if not isinstance(_single(content), dict):
        return as_number(_single(content))
    for level in _levels(content, _DOORS):
        found = {as_number(_single(level.get(name))) for name in _NUMBERS} - {None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _scale_max(content: object, rating: float | None) -> float | None:
    """The highest number that could be answered; None when it is not said, or below the rating."""
    if rating is None:
        return None
    for level in _levels(content, (*_DOORS, *_SCALES)):
        found = {_highest(level.get(name)) for name in _SCALES} - {None}
        if found:
            highest = found.pop()
            return highest if not found and highest is not None and highest >= max(rating, 1) else None
    return None


def _highest(value: object) -> float | None:
    """The number, or the highest in a list of numbers."""
    if isinstance(value, list):
        points = [point for point in map(as_number, value) if point is not None]
        return max(points) if points and len(points) == len(value) else None
    return as_number(value)


def _success(content: object, tiers: tuple[tuple[str, ...], ...]) -> bool | None:
    """Whether a goal was reached; names that say so outright come before a status."""
    if not isinstance(content, dict):
        return _verdict(_single(content))
    for tier in tiers:
        for level in _levels(content, _DOORS):
            found = {_verdict(level.get(name)) for name in tier} - {None}
            if found:
                return found.pop() if len(found) == 1 else None
    return None


def _explicit_success(content: object) -> bool | None:
    """The success of a kind we do not know: only where a boolean says so."""
    flags = {level.get(name) for level in _levels(content, _DOORS) for name in _SUCCESSES if _is_flag(level, name)}
    return flags.pop() if len(flags) == 1 else None


def _is_flag(level: dict[str, Any], name: str) -> bool:
    return isinstance(level.get(name), bool)


def _verdict(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = snake(value) if isinstance(value, str) and len(value) < 40 else ""
    return True if word in _YES else False if word in _NO else None


def _text(content: object, tried: tuple[str, ...]) -> str | None:
    if not isinstance(content, dict):
        return _words(content, tried)
    found = (_words(level.get(name), tried) for level in _levels(content, _DOORS) for name in tried)
    return next((words for words in found if words), None)


def _words(value: object, tried: tuple[str, ...]) -> str | None:
    """A string that holds something, or the strings of a list (also one level down) as lines."""
    if isinstance(value, list):
        lines = (_first_string(item, tried) for item in value)
        return "\n".join(line.strip() for line in lines if line.strip()) or None
    return (value.strip() or None) if isinstance(value, str) else None


def _first_string(item: object, tried: tuple[str, ...]) -> str:
    if isinstance(item, str):
        return item
    found = fields(item)
    return next((found[name] for name in tried if isinstance(found.get(name), str)), "")


def _holds_something(content: object, depth: int = 0, *, only_content: bool = False) -> bool:
    """Whether an answer holds more than settings and empty places; with `only_content`, more than flags as well."""
    parts: list[Any] = []
    if isinstance(content, dict) and depth < 5:
        parts = [value for name, value in content.items() if snake(name) not in METADATA]
    elif isinstance(content, list) and depth < 5:
        parts = content
    elif isinstance(content, bool):
        return not only_content
    else:
        return content.strip() != "" if isinstance(content, str) else content not in (None, {}, [])
    return any(_holds_something(part, depth + 1, only_content=only_content) for part in parts)


def _shape(answer: object, path: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of the keys in an answer; a key that is no plain name (a label, say) is not told."""
    if isinstance(answer, list) and answer and depth < 4:
        yield from _shape(answer[0], f"{path}[]", depth + 1)
    if isinstance(answer, dict) and depth < 4:
        for key, value in list(answer.items())[:20]:
            name = f"{path}.{key if _NAME.fullmatch(key) else '*'}".lstrip(".")
            yield name
            yield from _shape(value, name, depth + 1)
