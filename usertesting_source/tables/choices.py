"""
What was chosen in an answer: options, ranks, the rows of a matrix.

The names are plausible, not documented (see `answers`). What is merely offered is no choice: of options with
a `selected` flag only the selected ones count, and `options` beside `selectedOptions` is the offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .payloads import as_count, as_number, as_text, items, mapping, snake, vocabulary


class Option(NamedTuple):
    """One thing chosen: its rank or order from 1, its label, and its own value or what its row was given."""

    position: int
    label: str | None
    value: str | None


_Fields = dict[str, Any]

_SELECTED = vocabulary(
    """selected_options selected_option selected_choices selected_choice selected_answers selected_answer
    selected_values selected_value selected_labels selected_label selected_items selected_option_ids
    selected_option_id selected_ids selected selections selection chosen_options chosen"""
)
_GIVEN = vocabulary("answers answer responses response values value")
_OFFERED = vocabulary("options choices items")
_RANKED = vocabulary(
    """ranking rankings ranked_options ranked_items ranked rank_order ranks ordered_options sorted_options
    order"""
)
_CELLS = vocabulary("cells ratings row_answers matrix rows statements items")
_ROWS = vocabulary("rows statements items questions")
_COLUMNS = vocabulary("columns options choices scale")

_FLAGS = vocabulary("selected is_selected chosen checked")
_CALLED = vocabulary("label text name title option_text option_label")
_LABELS = (*_CALLED, "option", "choice", "item", "answer")
_VALUES = vocabulary("value key code id uuid option_id")
_IDS = vocabulary("id uuid key option_id row_id column_id value")
_RANKS = vocabulary("rank ranking position order place")
_ROW_LABELS = (*vocabulary("row row_label row_text row_name statement question item"), *_LABELS)
_ROW_IDS = vocabulary("row_id id uuid")
_ROW_VALUES = vocabulary(
    """column column_label column_text selected_column selected_columns selected_option selected_options
    selected value values rating score answer response selection choice option column_id option_id"""
)


class Choice(NamedTuple):
    """
    What was chosen, as far as it can be read; `came`: something was, whether it can be read or not; `offered`: the
    labels of what could be chosen or ranked, where that is told apart from the choice.
    """

    options: tuple[Option, ...]
    came: bool = False
    offered: tuple[str, ...] = ()


SLOTS = frozenset(_SELECTED + _GIVEN + _OFFERED + _RANKED + _CELLS + _COLUMNS)
_HOLDERS = frozenset(name for name in SLOTS if name.endswith("s")) | {"ranking", "matrix"}


def read(kind: str | None, content: object) -> Choice:
    """What was chosen in the answer `content` of this `kind`; nothing when that cannot be told."""
    if kind == "matrix":
        return Choice(tuple(_matrix(content)))
    if kind == "rank_order":
        return _ranking(content)
    tried = _SELECTED + _GIVEN if kind == "multiple_choice" else _SELECTED
    chosen, beside = _slot(content, tried)
    if chosen is None and (kind == "multiple_choice" or _flagged(_first(beside, _OFFERED))):
        chosen = _taken_from_offer(beside)
    labels, listed = _labels_by_id(beside, _OFFERED), _listed(chosen)
    options = tuple(_numbered(_option(item, labels) for item in listed))
    return Choice(options, came=_holds_any(listed), offered=_offered(beside, chosen))


def fields(value: object) -> _Fields:
    """The object's fields by their names in snake case, without nulls; none when `value` is no object."""
    return {snake(key): inner for key, inner in mapping(value).items() if inner is not None}


def _first(found: Mapping[str, Any], tried: Iterable[str]) -> object:
    """The first of `tried` that `found` has; a flag is never what was chosen."""
    return next((found[name] for name in tried if name in found and not isinstance(found[name], bool)), None)


def _slot(content: object, tried: tuple[str, ...], depth: int = 0) -> tuple[object, _Fields]:
    """What stands under the likeliest of `tried`, at most two levels down, and the fields beside it."""
    if not isinstance(content, dict):
        return content, {}
    found = fields(content)
    if _is_option(found):
        return [content], {}
    inner = _first(found, tried)
    if isinstance(inner, dict) and depth < 2 and not _is_option(fields(inner)) and _has_slot(inner):
        below, beside = _slot(inner, tried, depth + 1)
        return below, found | beside
    return inner, found


def _has_slot(content: dict[str, Any]) -> bool:
    return not SLOTS.isdisjoint(fields(content))


def _is_option(found: _Fields) -> bool:
    """Whether an object is one option, rather than something that holds options."""
    return not found.keys().isdisjoint(_CALLED) and found.keys().isdisjoint(_HOLDERS)


def _listed(chosen: object) -> list[Any]:
    """The single things in `chosen`; of those with a flag, the flagged."""
    if not isinstance(chosen, list):
        return [] if chosen is None or chosen in ("", {}) else [chosen]
    return [item for item in chosen if _flag(item)] if _flagged(chosen) else chosen


def _flag(item: object) -> bool | None:
    flags = [value for name, value in fields(item).items() if name in _FLAGS and isinstance(value, bool)]
    return flags[0] if flags else None


def _flagged(chosen: object) -> bool:
    return any(_flag(item) is not None for item in items(chosen))


def _taken_from_offer(found: _Fields) -> object:
    """Options without any sign of what was chosen: the choice itself, unless there are more than can be."""
    offered = _first(found, _OFFERED)
    if not isinstance(offered, list) or _flagged(offered):
        return offered
    most = 1 if found.get("multi_select") is False else as_count(found.get("max_limit"))
    return None if most and len(offered) > most else offered


def _offered(beside: _Fields, chosen: object) -> tuple[str, ...]:
    """The labels of a list that holds more than the choice: it stands beside the choice, or flags what is chosen."""
    offer = _first(beside, _OFFERED)
    if not isinstance(offer, list) or (offer is chosen and not _flagged(offer)):
        return ()
    labels = (label or value for label, value in (_option(item, {}) for item in offer))
    return tuple(dict.fromkeys(label for label in labels if label))


def _option(item: object, labels: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Label and value of one chosen thing: an object, or a scalar that is its label or its id."""
    if not isinstance(item, dict):
        name = None if item is None or isinstance(item, (bool, list)) else as_text(item)
        return (labels[name], name) if name is not None and name in labels else (name, None)
    found = _unwrapped(item)
    label, value = _scalar(found, _LABELS), _scalar(found, _VALUES)
    known = next((labels[key] for key in _identities(found) if key in labels), None)
    return label or known or _scalar(found, ("value",)), value


def _unwrapped(item: dict[str, Any]) -> _Fields:
    """The fields of `item`, and of the option inside it: `{"rank": 1, "option": {"label": "Tea"}}`."""
    found = fields(item)
    return found | _inside(found, ("option", "choice", "item"))


def _inside(found: _Fields, tried: Iterable[str]) -> _Fields:
    """The fields of the first object among `tried`."""
    return next((fields(found[name]) for name in tried if isinstance(found.get(name), dict)), {})


def _scalar(found: Mapping[str, Any], tried: Iterable[str]) -> str | None:
    scalars = (found[name] for name in tried if isinstance(found.get(name), (str, int, float)))
    return next((as_text(value) for value in scalars if not isinstance(value, bool) and value != ""), None)


def _identities(found: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in (_scalar(found, (key,)) for key in _IDS) if name is not None)


def _labels_by_id(found: Mapping[str, Any], tried: Iterable[str]) -> dict[str, str]:
    """What the offer calls its options: id -> label."""
    offers = [fields(item) for name in tried for item in items(found.get(name))]
    labelled = [(offer, _scalar(offer, _LABELS)) for offer in offers]
    return {key: label for offer, label in labelled if label for key in _identities(offer)}


def _numbered(found: Iterable[tuple[str | None, str | None]]) -> Iterator[Option]:
    named = [(label, value) for label, value in found if label or value]
    return (Option(position, label, value) for position, (label, value) in enumerate(named, start=1))


def _ranking(content: object) -> Choice:
    chosen, beside = _slot(content, _RANKED + _SELECTED + _GIVEN)
    if chosen is None:
        # all that is offered is ranked, so what stands there is the ranking, in its order where no ranks are given
        chosen = _pairs(content) or _ranked(_first(beside, _OFFERED))
    labels = _labels_by_id(beside, _OFFERED)
    listed = _pairs(chosen) or _listed(chosen)
    named = [(_rank(item), *_option(item, labels)) for item in listed]
    options = tuple(_by_rank([entry for entry in named if entry[1] or entry[2]]))
    return Choice(options, came=_holds_any(listed), offered=_offered(beside, chosen))


def _by_rank(named: list[tuple[int | None, str | None, str | None]]) -> Iterator[Option]:
    """Options from 1 in the order of their ranks; in the order that they came when the ranks are not clear."""
    ranks = [rank for rank, _, _ in named if rank is not None]
    if len(set(ranks)) != len(named):
        return _numbered((label, value) for _, label, value in named)
    first = 1 if 0 in ranks else 0  # counted from 0
    ranked = [Option((rank or 0) + first, label, value) for rank, label, value in named]
    return iter(sorted(ranked, key=lambda option: option.position))


def _ranked(offered: object) -> object:
    """Of options the ones that were given a rank, if any were."""
    return [item for item in items(offered) if _rank(item) is not None] or offered


def _holds_any(listed: Iterable[object]) -> bool:
    return any(item not in (None, "", {}, []) for item in listed)


def _rank(item: object) -> int | None:
    found = (as_count(value) for name, value in fields(item).items() if name in _RANKS)
    return next((rank for rank in found if rank is not None), None)


def _pairs(content: object) -> list[dict[str, Any]]:
    """`{"Tea": 1, "Milk": 2}` or `{"1": "Tea", "2": "Milk"}` as options with ranks."""
    entries = list(mapping(content).items())
    if entries and all(as_number(value) is not None for _, value in entries):
        return [{"label": key, "rank": value} for key, value in entries]
    if entries and all(as_number(key) is not None and isinstance(value, str) for key, value in entries):
        return [{"label": value, "rank": key} for key, value in entries]
    return []


def _matrix(content: object) -> Iterator[Option]:
    chosen, beside = _slot(content, _GIVEN + _SELECTED + _CELLS)
    chosen = content if chosen is None and not _has_slot(mapping(content)) else chosen
    rows, given = _labels_by_id(beside, _ROWS), _labels_by_id(beside, _COLUMNS)
    if isinstance(chosen, dict):
        cells = [(rows.get(key, key), _given(value, given)) for key, value in chosen.items()]
    else:
        cells = [_row(item, rows, given) for item in items(chosen)]
    return _numbered((label, value) for label, value in cells if value)


def _row(item: _Fields, rows: Mapping[str, str], given: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The label of a row of a matrix, and what it was given."""
    found = fields(item)
    named = _inside(found, ("row", "item", "statement"))
    label, row_id = _scalar(found, _ROW_LABELS) or _scalar(named, _ROW_LABELS), _scalar(found, _ROW_IDS)
    other = [name for name in _ROW_VALUES if name not in _ROW_LABELS or _scalar(found, (name,)) != label]
    return rows.get(row_id or "", label or row_id), _given(_first(found, other), given)


def _given(value: object, labels: Mapping[str, str]) -> str | None:
    """What a row was given, several joined by "; "."""
    if isinstance(value, list):
        named = [_option(inner, labels) for inner in value]
        return "; ".join(filter(None, (label or own for label, own in named))) or None
    label, own = _option(value, labels)
    return label or own
