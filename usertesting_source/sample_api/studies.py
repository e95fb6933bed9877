"""The data that the sample API serves: studies, their tasks and their sessions. All of it is invented."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal

Shapes = Literal["object", "scalar", "list", "null", "unknown", "mixed"]
Json = dict[str, Any]

SURVEY = "SURVEY"
INTERACTION = "NON_THINK_OUT_LOUD"
THINK_OUT_LOUD = "THINK_OUT_LOUD"
LIVE = "LIVE_CONVERSATION"
WITH_VIDEO = (INTERACTION, THINK_OUT_LOUD, LIVE)
WITH_TRANSCRIPT = (THINK_OUT_LOUD, LIVE)

RESEARCH = "7d0a4f0e-52f2-4c3c-9a53-0f6b7c1f2a10"
DESIGN = "b8a1f5f4-3d0e-4c57-8b0e-2c9d6c7e5b21"


@dataclass(frozen=True)
class Workspace:
    """A workspace of the legacy API."""

    uuid: str
    name: str
    id: str = "10001"


WORKSPACES = (
    Workspace(RESEARCH, "Shop research", "20481"),
    Workspace(DESIGN, "Product design", "20517"),
)


@dataclass(frozen=True)
class Task:
    """
    A task of a test plan.

    Attributes:
        text: the prompt that every session repeats.
        type: as in the API, for example RATING_SCALE.
        options: choices, things to rank, or the columns of a matrix (worst first).
        happy: the choices of somebody who is content; empty: all `options`.
        rows: the rows of a matrix.
        labels: the ends of a rating scale.
        url: the address or prototype that the task opens.
        praise, complaints: what contented and annoyed participants write or say.
        multiple: whether several choices may be taken.
        scale: the highest rating.

    """

    uuid: str
    text: str
    type: str
    options: tuple[str, ...] = ()
    happy: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    multiple: bool = False
    scale: int = 5
    labels: tuple[str, str] = ("Very difficult", "Very easy")
    url: str = "https://shop.example/"
    praise: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskGroup:
    """A group of tasks: QX_SCORE, BALANCED_COMPARISON or UNRECOGNIZED."""

    uuid: str
    type: str
    label: str = "QXscore 1"


@dataclass(frozen=True, slots=True)
class Session:
    """
    One participant's completed session.

    Attributes:
        finish_listed: False: the listing has no `finishTime` for it.
        listed_from: not visible before; None: always visible.
        transcript_from: the transcript is 404 before; None: there from the beginning.
        clips_from: nobody has made clips before; None: they are there from the beginning.
        troubled: whether tasks went wrong; None: decided by chance.
        details: replaces top-level keys of the details.
        transcript: replaces the transcript.

    """

    session_id: str
    test_id: str
    started: datetime
    finished: datetime
    finish_listed: bool = True
    listed_from: datetime | None = None
    transcript_from: datetime | None = None
    clips_from: datetime | None = None
    audience_id: str | None = None
    status: str = "COMPLETE"
    troubled: bool | None = None
    details: Mapping[str, Any] | None = None
    transcript: str | None = None


@dataclass
class Study:
    """
    A test with its sessions.

    Attributes:
        type: STUDYV2, or a classic kind such as WEB, which v2 and v3 do not know.
        product_type: SURVEY, NON_THINK_OUT_LOUD, THINK_OUT_LOUD, LIVE_CONVERSATION, or None for a workspace
            listing that does not say.
        shapes: how the task answers look, see `answers`.
        kind: what the test really is when `product_type` is None.
        rich_vtt: transcripts use what WebVTT allows (BOM, CRLF, cue ids, settings, notes, voices, MM:SS).

    """

    test_id: str
    title: str
    type: str = "STUDYV2"
    product_type: str | None = SURVEY
    workspace_id: str = RESEARCH
    ordered_at: datetime | None = None
    tasks: Sequence[Task] = ()
    groups: Sequence[TaskGroup] = ()
    sessions: list[Session] = field(default_factory=list)
    seed: int = 0
    shapes: Shapes = "object"
    kind: str = ""
    rich_vtt: bool = False

    def __post_init__(self) -> None:
        self.kind = self.kind or self.product_type or SURVEY


def uid(*parts: object) -> str:
    """A UUID that depends on `parts` alone."""
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def simple_tasks(kind: str, seed: int) -> tuple[Task, ...]:
    """Three short tasks that suit a product type."""
    opener = {
        SURVEY: ("MULTIPLE_CHOICE", "Which of these did you buy last month?"),
        INTERACTION: ("URL", "Find a desk lamp for less than 40 dollars and put it into the basket."),
        LIVE: ("BLANK", "Tell me about the last time that you ordered something for your home."),
    }.get(kind, ("WRITTEN", "Look around this page and say aloud what you notice."))
    rest = (
        ("RATING_SCALE", "How easy or difficult was that?"),
        ("NPS", "How likely are you to recommend us?"),
    )
    return tuple(
        Task(uid(seed, kind, type_), text, type_, options=("Lamps", "Rugs", "Shelves, hooks and rails"))
        for type_, text in (opener, *rest)
    )


def simple_study(
    test_id: str | None = None,
    n: int = 10,
    *,
    product_type: str | None = SURVEY,
    newest: datetime | None = None,
    every: timedelta = timedelta(hours=1),
    seed: int = 7,
    **fields: Any,
) -> Study:
    """
    A study of `n` sessions, the newest finished at `newest` and the others `every` before one another.

    `fields` are other attributes of `Study`, for example `workspace_id`, `shapes` or `title`.
    """
    newest = newest or datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    kind = fields.get("kind") or product_type or SURVEY
    study = Study(
        **{
            "test_id": test_id or uid("simple", seed, kind),
            "title": f"Simple {kind.lower().replace('_', ' ')} {seed}",
            "product_type": product_type,
            "ordered_at": newest - every * n - timedelta(days=1),
            "tasks": simple_tasks(kind, seed),
            "groups": (TaskGroup(uid(seed, "qx"), "QX_SCORE"),) if kind == INTERACTION else (),
            "seed": seed,
            **fields,
        }
    )
    study.sessions = [_simple_session(study, i, newest - every * i) for i in range(n)]
    return study


def _simple_session(study: Study, index: int, finished: datetime) -> Session:
    duration = timedelta(seconds=120 + index * 37 % 600, milliseconds=index * 211 % 1000)
    return Session(
        uid(study.test_id, index),
        study.test_id,
        finished - duration,
        finished,
        audience_id=uid(study.test_id, "audience"),
    )


def every_task_study(
    test_id: str | None = None,
    n: int = 8,
    *,
    shapes: Shapes = "object",
    seed: int = 7,
    documented: bool = False,
    **fields: Any,
) -> Study:
    """
    A think-out-loud test with a task of each type in the vendor's help page, and one UNRECOGNIZED.

    `documented` leaves out the types that the API's description does not have (VERBAL and SKIPPED).
    """
    tasks = [_sample_task(type_, seed) for type_ in TASK_TYPES]
    return simple_study(
        test_id or uid("every task", seed, shapes),
        n,
        seed=seed,
        **{
            "product_type": THINK_OUT_LOUD,
            "title": "Every kind of task",
            "shapes": shapes,
            "tasks": tuple(task for task in tasks if not documented or task.type not in ("VERBAL", "SKIPPED")),
            "groups": tuple(
                TaskGroup(uid(seed, type_), type_) for type_ in ("QX_SCORE", "BALANCED_COMPARISON", "UNRECOGNIZED")
            ),
            **fields,
        },
    )


TASK_TYPES = (
    "WRITTEN",
    "VERBAL",
    "URL",
    "MATRIX",
    "NPS",
    "RATING_SCALE",
    "MULTIPLE_CHOICE",
    "RANK_ORDER",
    "BLANK",
    "IMAGE",
    "FIGMA",
    "SKIPPED",
    "UNRECOGNIZED",
)


def _sample_task(type_: str, seed: int) -> Task:
    options = ("Poor", "Fair", "Good", "Very good") if type_ == "MATRIX" else ("Chocolate", "Vanilla", "Salt, caramel")
    return Task(
        uid("every task", seed, type_),
        f"A task of the type {type_.lower().replace('_', ' ')}",
        type_,
        options=options,
        rows=("Price", "Delivery", "Advice"),
        multiple=True,
        praise=("This was clear from the start.",),
        complaints=("I could not find it, very frustrating.",),
    )
