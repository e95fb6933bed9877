"""
The `answer` of a task, in several plausible shapes.

The API documents the key of each kind of answer, but not what is inside. Everything inside is therefore
invented, and served in several shapes so that a reader does not come to rely on one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from .story import Step
from .studies import Json, Shapes, uid

KEYS = {
    "BLANK": "blank",
    "RATING_SCALE": "ratingScale",
    "MULTIPLE_CHOICE": "multipleChoice",
    "IMAGE": "image",
    "NPS": "nps",
    "URL": "url",
    "RANK_ORDER": "rankOrder",
    "WRITTEN": "written",
    "FIGMA": "figma",
    "MATRIX": "matrix",
    "VERBAL": "verbal",
}
_SPECIFIED = tuple(key for key in KEYS.values() if key != "verbal")
_SHAPES: tuple[Shapes, ...] = ("object", "scalar", "list", "null", "unknown")


def answer(step: Step, shapes: Shapes, rng: Random) -> Json | None:
    """
    The answer of a step; None for a skipped task.

    Args:
        step: what the participant did.
        shapes: `object` is what the OpenAPI description allows, as are `null` (nothing inside) and `unknown`
            (inner keys that nobody has seen). `scalar` and `list` break it. `mixed` takes any of them.
        rng: decides on variants, and whether unused keys are null or absent.

    """
    key = KEYS.get(step.task.type)
    if step.skipped:
        return None
    if key is None:  # a kind that is newer than the API's gateway arrives without its answer
        return {}
    shape = rng.choice(_SHAPES) if shapes == "mixed" else shapes
    unused = {name: None for name in _SPECIFIED if name != key} if rng.random() < 0.5 else {}
    return {**unused, key: _inside(step, shape, rng)}


def _inside(step: Step, shape: Shapes, rng: Random) -> object:
    if shape == "null":
        return None
    if shape == "unknown":
        return {"blob": {"v": step.value}}
    if shape == "scalar":
        return _scalar(step.value)
    if shape == "list":
        return step.value if isinstance(step.value, list) else [_scalar(step.value)]
    return rng.choice(_OBJECTS[step.task.type])(step)


def _scalar(value: object) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{row}: {column}" for row, column in value.items())
    return ", ".join(value) if isinstance(value, list) else value


def _rating(step: Step) -> Json:
    low, high = step.task.labels
    return {"value": step.value, "scale": step.task.scale, "lowLabel": low, "highLabel": high}


def _rating_with_labels(step: Step) -> Json:
    return {"rating": step.value, "maxRating": step.task.scale, "labels": list(step.task.labels)}


def _choice(step: Step) -> Json:
    chosen = [{"id": uid(step.task.uuid, label), "label": label} for label in step.value]
    return {
        "selectedOptions": chosen,
        "options": [{"id": uid(step.task.uuid, label), "label": label} for label in step.task.options],
        "multiSelect": step.task.multiple,
        "randomizedOptions": False,
        "maxLimit": len(step.task.options) if step.task.multiple else 1,
    }


def _plain_choice(step: Step) -> Json:
    return {"options": step.value, "multiSelect": step.task.multiple}


def _ranking(step: Step) -> Json:
    return {"ranking": step.value}


def _ranked_options(step: Step) -> Json:
    return {"rankedOptions": [{"label": label, "rank": rank} for rank, label in enumerate(step.value, 1)]}


def _matrix(step: Step) -> Json:
    return {"rows": [{"label": row, "value": column} for row, column in step.value.items()]}


def _matrix_answers(step: Step) -> Json:
    return {"answers": step.value}


def _url(step: Step) -> Json:
    visited = [step.task.url, f"{step.task.url}search", f"{step.task.url}help/returns"]
    return {
        "success": step.value,
        "successUrl": visited[-1],
        "visitedUrls": visited if step.value else visited[:-1],
    }


def _url_status(step: Step) -> Json:
    return {"status": "SUCCESS" if step.value else "FAILURE"}


def _url_outcome(step: Step) -> Json:
    return {"outcome": "success" if step.value else "failure"}


def _figma(step: Step) -> Json:
    return {
        "prototypeUrl": step.task.url,
        "figmaPrototypeTitle": "Help centre, second draft",
        "figmaPrototypeDisplaySetting": "SCALE_DOWN",
        "success": step.value,
    }


_OBJECTS: dict[str, Sequence[Callable[[Step], Json | None]]] = {
    "BLANK": (lambda _: {}, lambda _: None),
    "RATING_SCALE": (_rating, _rating_with_labels),
    "MULTIPLE_CHOICE": (_choice, _plain_choice),
    "IMAGE": (lambda _: {},),
    "NPS": (lambda step: {"score": step.value}, lambda step: {"value": step.value}),
    "URL": (_url, _url_status, _url_outcome),
    "RANK_ORDER": (_ranking, _ranked_options),
    "WRITTEN": (lambda step: {"text": step.value}, lambda step: {"response": step.value}),
    "FIGMA": (_figma,),
    "MATRIX": (_matrix, _matrix_answers),
    "VERBAL": (lambda step: {"transcript": step.value},),
}
