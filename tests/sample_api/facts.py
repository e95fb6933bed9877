"""
What is documented of the API, as far as the source asks it: the sample API is held to this.

One entry an endpoint. The shapes are explained in `tests/support/shapes.py`. Where the vendor's own descriptions are
at hand, a test compares them with this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from requests import Response

from tests.support.shapes import FLAG, NUMBER, OBJECT, TEXT, TIME, URL, UUID, WHOLE, Between, Shape, faults

PERCENT = Between(0, 100)
JSON, VTT = "application/json", "text/vtt"
RESULTS, LEGACY = {200, 401, 404, 429}, {200, 400, 401, 404, 500}

HEADERS: Shape = {
    **dict.fromkeys(("Cache-Control", "Pragma", "Strict-Transport-Security", "Content-Type"), TEXT),
    **dict.fromkeys(("Content-Length", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"), WHOLE),
}
"""Of every answer of the Results API with status 200."""

REFUSAL: Shape = {"errorCode?": TEXT, "errorMessage?": TEXT}
"""The body of every other answer of the legacy API."""


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint; all are asked with GET.

    Attributes:
        path: with the names of what is filled in.
        parameters: of the path and of the query; those with `?` may be left out.
        body: of an answer with status 200.

    """

    path: str
    body: Shape
    parameters: dict[str, Shape] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=lambda: RESULTS)
    content_type: str = JSON
    headers: Shape = field(default_factory=lambda: HEADERS)


# -- parts of bodies ---------------------------------------------------------------------------

_SUMMARY = {
    "sessionId": UUID,
    "audienceId?": (UUID, None),
    "status": TEXT,
    "startTime": TIME,
    "finishTime?": (TIME, None),
}

_ANSWERED = (
    *("blank", "ratingScale", "multipleChoice", "image", "nps"),
    *("url", "rankOrder", "written", "figma", "matrix"),
)
_TASK_TYPES = {
    *("BLANK", "RATING_SCALE", "MULTIPLE_CHOICE", "IMAGE", "NPS"),
    *("URL", "RANK_ORDER", "WRITTEN", "FIGMA", "MATRIX"),
    "UNRECOGNIZED",
}
_TASK = {
    "uuid": UUID,
    "text": TEXT,
    "type": _TASK_TYPES,
    "response": (
        {
            "startTimeMs": NUMBER,
            "endTimeMs": NUMBER,
            "skipped": FLAG,
            "answer": ({f"{kind}?": (OBJECT, None) for kind in _ANSWERED}, None),
        },
        None,
    ),
}
_TASK_GROUP = {
    "uuid": UUID,
    "type": {"QX_SCORE", "BALANCED_COMPARISON", "UNRECOGNIZED"},
    "response": ({"score": NUMBER}, {"sequence": TEXT}, None),
}
_QUESTION_TYPES = {"DEMOGRAPHIC_QUESTION_TYPE_SINGLE", "DEMOGRAPHIC_QUESTION_TYPE_MULTIPLE", "UNRECOGNIZED"}
_DEMOGRAPHIC = {
    **dict.fromkeys(("id", "code", "label", "value"), (TEXT, None)),
    "type": (_QUESTION_TYPES, None),
}

_REGION = {"topLeftPoint?": {"x": NUMBER, "y": NUMBER}, "widthPx": NUMBER, "heightPx": NUMBER}
_CLIP = {
    "uuid": UUID,
    "name": TEXT,
    "description?": TEXT,
    "timeStartMs": NUMBER,
    "timeEndMs": NUMBER,
    "videoUuid": UUID,
    "hasAudio": FLAG,
    "hasCamera": FLAG,
    "layout?": {
        "mainStream": {"SCREEN", "CAMERA"},
        "pipPosition": {"TOP_LEFT", "TOP_RIGHT", "BOTTOM_LEFT", "BOTTOM_RIGHT"},
        "pipState": {"OPENED", "CLOSED"},
    },
}
_REEL = {
    "uuid": UUID,
    "name": TEXT,
    "durationMs": NUMBER,
    "lastUpdatedAtMs": NUMBER,
    "numClips": NUMBER,
    "areAllClipsInReel": FLAG,
}
_MAKING = {"GENERATING", "GENERATED", "ERROR"}

_QX_SCORE = {
    "taskGroupId": TEXT,
    "label": TEXT,
    "qxScore": (PERCENT, None),
    "components": {"behavioral": (PERCENT, None), "attitudinal": PERCENT},
    "values": {
        "behavioral": ([NUMBER], None),
        **dict.fromkeys(("usability", "trust", "appearance", "loyalty"), PERCENT),
    },
}

_PERSON = {"email?": TEXT, "name?": TEXT}
_LISTED_TEST = {
    **{f"{name}?": TEXT for name in ("uuid", "title", "type", "productType", "cursor")},
    "orderedAt?": TIME,
    "orderedBy?": _PERSON,
}
_PLANNED_TASK = {
    **{f"{name}?": TEXT for name in ("text", "taskType", "grouping", "resultType", "launchUrl")},
    **{f"{name}?": TEXT for name in ("lowerEndpoint", "upperEndpoint")},
    **{f"{name}?": WHOLE for name in ("position", "scaleMinimum", "scaleMaximum")},
    **{f"{name}?": FLAG for name in ("blurPII", "multipleAnswers")},
    "choices?": [TEXT],
    "taskGroup?": {"id?": TEXT, "type?": TEXT},
}
_NPS = {f"{name}?": WHOLE for name in ("detractorPercentage", "passivePercentage", "promoterPercentage", "score")}

# -- the endpoints -----------------------------------------------------------------------------

_V2, _TESTS, _V1 = "/api/v2/sessionResults", "/api/v2/testResults/{testId}", "/usertesting/api/v1"
_SESSION, _TEST = {"sessionId": UUID}, {"testId": UUID}
_PAGED = {"after?": TEXT, "before?": TEXT}

ENDPOINTS = {
    "list": Endpoint(
        _V2,
        {
            "testId": UUID,
            "sessions": [_SUMMARY],
            "meta": {"pagination": {"limit": NUMBER, "offset": NUMBER, "totalCount": NUMBER}},
        },
        {**_TEST, "limit?": Between(1, 500), "offset?": Between(0, 10_000)},
        RESULTS | {400},
    ),
    "details": Endpoint(
        "/api/v3/sessionResults/{sessionId}",
        {
            **dict.fromkeys(("sessionId", "audienceId", "testPlanId"), (UUID, None)),
            "sessionParticipant": ({"participantId": (UUID, None), "demographicsInfo": [_DEMOGRAPHIC]}, None),
            "taskGroups": [_TASK_GROUP],
            "tasks": [_TASK],
        },
        _SESSION,
    ),
    "transcript": Endpoint(
        f"{_V2}/{{sessionId}}/transcript",
        TEXT,
        _SESSION,
        content_type=VTT,
        headers={**HEADERS, "Accept-Ranges": TEXT},
    ),
    "video_url": Endpoint(
        f"{_V2}/{{sessionId}}/videoDownloadUrl", {"videoUrl": URL, "sessionId": UUID, "expiresAt": TIME}, _SESSION
    ),
    "clips": Endpoint(
        f"{_V2}/{{sessionId}}/clips",
        {"studyUuid": UUID, "clips": [_CLIP], "videoRegions?": {"screen?": _REGION, "camera?": _REGION}},
        _SESSION,
    ),
    "clip": Endpoint(
        f"{_V2}/{{sessionId}}/clips/{{clipUuid}}",
        {"clipUuid": UUID, "status": _MAKING, "clipUrl?": (URL, None)},
        {**_SESSION, "clipUuid": UUID},
    ),
    "qx_scores": Endpoint(
        f"{_TESTS}/qxScores",
        {"testId": TEXT, "qxScores": [_QX_SCORE], "meta": {"totalQxTasks": NUMBER, "completes": NUMBER}},
        _TEST,
    ),
    "reels": Endpoint(f"{_TESTS}/highlightreels", {"reels": [_REEL], "studyWithClips": FLAG}, _TEST),
    "reel": Endpoint(
        f"{_TESTS}/highlightreels/{{reelId}}",
        {"reelId": UUID, "status": _MAKING, "reelUrl?": (URL, None)},
        {**_TEST, "reelId": UUID},
    ),
    "workspaces": Endpoint(
        f"{_V1}/workspaces",
        [{f"{name}?": TEXT for name in ("id", "name", "uuid")}],
        statuses=LEGACY - {400},
        headers={},
    ),
    "workspace": Endpoint(
        f"{_V1}/workspaces/{{workspaceUuid}}",
        [_LISTED_TEST],
        {"workspaceUuid": TEXT, **_PAGED},
        LEGACY,
        headers={},
    ),
    "study": Endpoint(
        f"{_V1}/studies/{{studyUuid}}",
        {
            "title?": TEXT,
            "sessionCount?": WHOLE,
            "orderedBy?": _PERSON,
            "tasks?": [_PLANNED_TASK],
            "testPlan?": {"shortTest?": FLAG},
            "netPromoterScores?": [_NPS],
        },
        {"studyUuid": TEXT},
        LEGACY,
        headers={},
    ),
}
"""By the name that the sample API logs."""


def endpoint_of(path: str) -> Endpoint:
    """The endpoint that a path belongs to."""
    (found,) = (one for one in ENDPOINTS.values() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one.path), path))
    return found


def check(answer: Response) -> None:
    """Fail with all that is not as documented: status, headers, content type or body."""
    endpoint = endpoint_of(urlsplit(answer.url).path)
    assert answer.status_code in endpoint.statuses
    if answer.status_code == 200:
        headers = {name: int(value) if value.isdigit() else value for name, value in answer.headers.items()}
        body = answer.json() if endpoint.content_type == JSON else answer.content.decode()
        found = [*faults(endpoint.headers, headers, "the head"), *faults(endpoint.body, body)]
        assert answer.headers["Content-Type"].partition(";")[0] == endpoint.content_type
    else:
        found = list(faults(REFUSAL, answer.json())) if endpoint.path.startswith(_V1) else []
    assert found == []
