"""The JSON of the Results API for a session: its line in a listing, its details, its clips."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from random import Random
from typing import Any, Literal

from . import people
from .answers import answer
from .story import Step, chance, qx_score, steps
from .studies import WITH_VIDEO, Json, Session, Shapes, Study, TaskGroup, uid

Fractions = Literal["ms", "none", "mixed"]
_LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


def timestamp(moment: datetime, fractions: Fractions = "ms") -> str:
    """`moment` as the API writes it; `mixed` leaves the fraction out of every other second."""
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    bare = fractions == "none" or (fractions == "mixed" and utc.second % 2 == 0)
    return utc.isoformat(timespec="seconds" if bare else "milliseconds") + "Z"


def summary(session: Session, fractions: Fractions = "ms") -> Json:
    """The session's item in a listing."""
    item: Json = {
        "sessionId": session.session_id,
        "audienceId": session.audience_id,
        "status": session.status,
        "startTime": timestamp(session.started, fractions),
        "finishTime": timestamp(session.finished, fractions) if session.finish_listed else None,
    }
    if session.session_id[-1] in "02468ace":  # both are allowed: null and absent
        return item
    return {key: value for key, value in item.items() if value is not None}


def listing(study: Study, page: Iterable[Session], fractions: Fractions, pagination: Json) -> Json:
    """A page of session summaries."""
    return {
        "testId": study.test_id,
        "sessions": [summary(session, fractions) for session in page],
        "meta": {"pagination": pagination},
    }


def details(study: Study, session: Session, shapes: Shapes | None = None) -> Json:
    """The session's details, version 3."""
    rng = chance(study, session, "answers")
    body: Json = {
        "sessionId": session.session_id,
        "audienceId": session.audience_id,
        "testPlanId": uid(study.test_id, "plan"),
        "sessionParticipant": people.participant(chance(study, session, "participant")),
        "taskGroups": [_group(study, session, group) for group in study.groups],
        "tasks": [_task(step, shapes or study.shapes, rng) for step in steps(study, session)],
    }
    return {**body, **(session.details or {})}


def _group(study: Study, session: Session, group: TaskGroup) -> Json:
    rng = chance(study, session, group.uuid)
    response: dict[str, Json] = {
        "QX_SCORE": {"score": qx_score(study, session)},
        "BALANCED_COMPARISON": {"sequence": rng.choice(("AB", "BA"))},
    }
    return {"uuid": group.uuid, "type": group.type, "response": response.get(group.type)}


def _task(step: Step, shapes: Shapes, rng: Random) -> Json:
    response = {
        "startTimeMs": step.start_ms,
        "endTimeMs": step.end_ms,
        "skipped": step.skipped,
        "answer": answer(step, shapes, rng),
    }
    return {
        "uuid": step.task.uuid,
        "text": step.task.text,
        "type": step.task.type,
        "response": response if step.reached else None,
    }


def qx_scores(study: Study, sessions: list[Session]) -> Json:
    """The QXscores of a test, averaged over `sessions`."""
    groups = [group for group in study.groups if group.type == "QX_SCORE"]
    scores = [qx_score(study, session) for session in sessions]
    return {
        "testId": study.test_id,
        "qxScores": [_qx_item(study, group, scores) for group in groups],
        "meta": {"totalQxTasks": len(groups), "completes": len(sessions)},
    }


def _qx_item(study: Study, group: TaskGroup, scores: list[int]) -> Json:
    mean = sum(scores) / len(scores) if scores else None
    rng = Random(f"{study.seed}/{group.uuid}/{scores}")
    near = [0 if mean is None else min(100, max(0, round(mean + rng.uniform(-8, 8)))) for _ in range(6)]
    attitudinal = round(sum(near[:4]) / 4)
    return {
        "taskGroupId": group.uuid,
        "label": group.label,
        "qxScore": None if mean is None else round(mean),
        "components": {"behavioral": None if mean is None else near[4], "attitudinal": attitudinal},
        "values": {
            "behavioral": None if mean is None else near[4:],
            **dict(zip(("usability", "trust", "appearance", "loyalty"), near[:4], strict=True)),
        },
    }


def has_video(study: Study) -> bool:
    """Whether sessions of this kind are recorded."""
    return study.kind in WITH_VIDEO


def clips(study: Study, session: Session) -> Json:
    """The clips that researchers cut from the session's video: none to three."""
    rng = chance(study, session, "clips")
    length = int((session.finished - session.started).total_seconds() * 1000)
    cut = [_clip(session, number, length, rng) for number in range(1, rng.randint(0, 3) + 1)]
    body: Json = {"studyUuid": study.test_id, "clips": cut}
    if rng.random() < 0.5:
        body["videoRegions"] = {"screen": {"topLeftPoint": {"x": 0, "y": 0}, "widthPx": 1920, "heightPx": 1080}}
    return body


def _clip(session: Session, number: int, length: int, rng: Random) -> Json:
    start = rng.randrange(max(1, length - 20_000))
    optional: Json = {
        "description": rng.choice(("Did not see the link", "Likes the photographs", "Asks for the price of delivery")),
        "layout": {"mainStream": "SCREEN", "pipPosition": "BOTTOM_RIGHT", "pipState": "OPENED"},
    }
    return {
        "uuid": uid(session.session_id, "clip", number),
        "name": f"Clip #{number}",
        "timeStartMs": start,
        "timeEndMs": min(length, start + rng.randint(8_000, 20_000)),
        "videoUuid": uid(session.session_id, "video"),
        "hasAudio": True,
        "hasCamera": rng.random() < 0.5,
        **(optional if rng.random() < 0.5 else {}),
    }


def reels(study: Study) -> Json:
    """The highlight reels of a test: one or two."""
    rng = Random(f"{study.seed}/{study.test_id}/reels")
    changed = max((session.finished for session in study.sessions), default=_LONG_AGO)
    made: list[dict[str, Any]] = [
        {
            "uuid": uid(study.test_id, "reel", number),
            "name": name,
            "durationMs": rng.randint(60_000, 240_000),
            "lastUpdatedAtMs": int(changed.timestamp() * 1000),
            "numClips": rng.randint(2, 9),
            "areAllClipsInReel": number == 0,
        }
        for number, name in enumerate(("Everything", "What to fix first")[: rng.randint(1, 2)])
    ]
    return {"reels": made, "studyWithClips": True}
