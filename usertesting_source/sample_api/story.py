"""What happened in a session: which tasks went well, how long they took. Seed and session id decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from .studies import Session, Study, Task

TROUBLE = 0.15
TELLING = ("RATING_SCALE", "NPS", "URL", "FIGMA")  # types in which trouble can be seen
KEPT = (*TELLING, "BLANK")  # types that nobody skips


@dataclass(frozen=True)
class Step:
    """
    A task as one participant did it; times in ms since the session started.

    Attributes:
        value: the answer, whatever shape it is sent in: a number, text, a list, a mapping, or a bool.
        reached: False: the participant never came to this task, the API has no response for it.

    """

    task: Task
    start_ms: int
    end_ms: int
    value: Any
    well: bool = True
    skipped: bool = False
    reached: bool = True


def chance(study: Study, session: Session, about: str) -> Random:
    """A generator for one aspect of a session, so that one aspect does not change the others."""
    return Random(f"{study.seed}/{session.session_id}/{about}")


def is_troubled(study: Study, session: Session) -> bool:
    """Whether something goes wrong in this session."""
    if session.troubled is not None:
        return session.troubled
    return chance(study, session, "trouble").random() < TROUBLE


def steps(study: Study, session: Session) -> list[Step]:
    """The tasks of a session in the order of the test plan, filling the session from start to finish."""
    rng = chance(study, session, "steps")
    bad = _bad_tasks(study, rng) if is_troubled(study, session) else set()
    slow = rng.choice([i for i in sorted(bad) if study.tasks[i].type in TELLING] or sorted(bad) or [None])
    weights = [rng.uniform(1, 2) * (4 if index == slow else 1) for index in range(len(study.tasks))]
    total = max(1000, int((session.finished - session.started).total_seconds() * 1000))
    scale = 0.94 * total / (sum(weights) or 1)
    clock = 0.03 * total
    told = []
    for index, (task, weight) in enumerate(zip(study.tasks, weights, strict=True)):
        told.append(_step(rng, task, int(clock), int(clock + 0.97 * weight * scale), index not in bad))
        clock += weight * scale
    return _given_up(told, rng) if bad else told


def qx_score(study: Study, session: Session) -> int:
    """The participant's own QXscore, 0 to 100."""
    rng = chance(study, session, "qx")
    return rng.randint(18, 52) if is_troubled(study, session) else rng.randint(66, 97)


def _bad_tasks(study: Study, rng: Random) -> set[int]:
    """At least one task in which the trouble shows, when the study has such tasks."""
    telling = [index for index, task in enumerate(study.tasks) if task.type in TELLING]
    bad = {index for index in range(len(study.tasks)) if rng.random() < 0.6}
    return bad | ({rng.choice(telling)} if telling else set())


def _step(rng: Random, task: Task, start: int, end: int, well: bool) -> Step:
    skipped = task.type == "SKIPPED" or (not well and task.type not in KEPT and rng.random() < 0.25)
    value = None if skipped else _VALUES.get(task.type, _nothing)(rng, task, well)
    return Step(task, start, end, value, well, skipped)


def _given_up(told: list[Step], rng: Random) -> list[Step]:
    """Some troubled participants leave before a last task that tells nothing about the trouble."""
    last = told[-1]
    if rng.random() < 0.2 and last.task.type not in TELLING:
        told[-1] = Step(last.task, last.start_ms, last.end_ms, None, last.well, reached=False)
    return told


def _rating(rng: Random, task: Task, well: bool) -> int:
    share = rng.choice((0.6, 0.8, 0.8, 1.0, 1.0)) if well else rng.choice((0.2, 0.4))
    return max(1, round(share * task.scale))


def _nps(rng: Random, _: Task, well: bool) -> int:
    return rng.choice((7, 8, 9, 9, 10)) if well else rng.randint(0, 6)


def _choice(rng: Random, task: Task, well: bool) -> list[str]:
    unhappy = tuple(option for option in task.options if option not in task.happy)
    pool = (task.happy if well else unhappy) or task.options
    count = rng.randint(1, len(pool)) if task.multiple and pool else 1
    chosen = rng.sample(pool, min(count, len(pool)))
    return [option for option in task.options if option in chosen]


def _ranking(rng: Random, task: Task, _: bool) -> list[str]:
    return rng.sample(task.options, len(task.options))


def _matrix(rng: Random, task: Task, well: bool) -> dict[str, str]:
    half = len(task.options) // 2
    columns = (task.options[half:] if well else task.options[:half]) or ("Neutral",)
    return {row: rng.choice(columns) for row in task.rows}


def _text(rng: Random, task: Task, well: bool) -> str:
    said = (task.praise or ("I liked it, no complaints.",)) if well else (task.complaints or ("It was frustrating.",))
    return " ".join(rng.sample(said, min(len(said), rng.randint(1, 2))))


def _success(_: Random, __: Task, well: bool) -> bool:
    return well


def _nothing(_: Random, __: Task, ___: bool) -> None:
    return None


_VALUES: dict[str, Callable[[Random, Task, bool], Any]] = {
    "RATING_SCALE": _rating,
    "NPS": _nps,
    "MULTIPLE_CHOICE": _choice,
    "RANK_ORDER": _ranking,
    "MATRIX": _matrix,
    "WRITTEN": _text,
    "VERBAL": _text,
    "UNRECOGNIZED": _text,
    "URL": _success,
    "FIGMA": _success,
}
