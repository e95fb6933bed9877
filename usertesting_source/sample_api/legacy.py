"""The endpoints of the legacy API (v1) that name workspaces and tests."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from .faults import Faults
from .payloads import timestamp
from .replies import Refused, Reply, as_json, legacy_refusal
from .results import UUID, Endpoint, Query
from .state import State
from .story import steps
from .studies import Json, Study, Task

PREFIX = "/usertesting/api"
PAGE = 50
_RESEARCHER = {"email": "researcher@shop.example", "name": "Robin Researcher"}


@dataclass
class LegacyEndpoints:
    """Answers v1: bare arrays, pages of 50, a cursor on each item."""

    state: State
    faults: Faults

    def table(self) -> dict[str, Endpoint]:
        """The endpoints by name."""
        return {"workspaces": self.workspaces, "workspace": self.workspace, "study": self.study}

    def workspaces(self, _: tuple[str, ...], __: Query) -> Reply:
        """`GET /v1/workspaces`: those that the credentials see."""
        visible = (w for w in self.state.workspaces if w.uuid not in self.state.hidden)
        return as_json([{"id": w.id, "name": w.name, "uuid": w.uuid} for w in visible])

    def workspace(self, ids: tuple[str, ...], query: Query) -> Reply:
        """`GET /v1/workspaces/{workspaceUuid}`: its tests, 50 a page."""
        known = {w.uuid for w in self.state.workspaces} - self.state.hidden
        if _valid(ids[0]) not in known:
            status = self.state.settings.hidden_workspace_status
            raise Refused(legacy_refusal(status, "Workspace not found" if status == 404 else "No access to workspace"))
        studies = self.state.in_workspace(ids[0].lower())
        start = 0 if self.faults.repeat_workspace_page else _start(query)
        page = studies[start : start + PAGE]
        items = [self._item(study, start + number) for number, study in enumerate(page, 1)]
        return as_json([*items, None, {}, "odd"] if self.faults.odd_studies else items)

    def study(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /v1/studies/{studyUuid}`: the plan of a test and its sums."""
        study = self.state.studies.get(_valid(ids[0]))
        if study is None or study.test_id in self.state.hidden:
            raise Refused(legacy_refusal(404, "Study not found"))
        return as_json(
            {
                "title": study.title,
                "sessionCount": len(self.state.listing(study.test_id)),
                "orderedBy": _RESEARCHER,
                "tasks": [_plan(task, number) for number, task in enumerate(study.tasks, 1)],
                "testPlan": {"shortTest": len(study.tasks) < 4},
                "netPromoterScores": self._promoters(study),
            }
        )

    def _item(self, study: Study, position: int) -> Json:
        item = {
            "uuid": study.test_id,
            "title": study.title,
            "type": study.type,
            "productType": study.product_type,
            "orderedAt": study.ordered_at and timestamp(study.ordered_at, "none"),
            "orderedBy": _RESEARCHER,
            "cursor": _cursor(position),
        }
        return {key: value for key, value in item.items() if value is not None}

    def _promoters(self, study: Study) -> list[Json]:
        scores = [
            step.value
            for session in self.state.listing(study.test_id)
            for step in steps(study, session)
            if step.task.type == "NPS" and step.value is not None
        ]
        if not scores:
            return []
        promoters = round(100 * sum(score >= 9 for score in scores) / len(scores))
        detractors = round(100 * sum(score <= 6 for score in scores) / len(scores))
        return [
            {
                "detractorPercentage": detractors,
                "passivePercentage": 100 - promoters - detractors,
                "promoterPercentage": promoters,
                "score": promoters - detractors,
            }
        ]


def _valid(item: str) -> str:
    if not UUID.fullmatch(item):
        raise Refused(legacy_refusal(400, "Not a valid UUID"))
    return item.lower()


def _cursor(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode().rstrip("=")


def _start(query: Query) -> int:
    """Where a page starts: behind the item of `after`, or so that it ends before the item of `before`."""
    cursor = query.get("after") or query.get("before")
    if not cursor:
        return 0
    try:
        position = int(base64.b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise Refused(legacy_refusal(400, "Not a valid cursor")) from None
    return position if query.get("after") else max(0, position - 1 - PAGE)


def _plan(task: Task, position: int) -> Json:
    node: Json = {
        "position": position,
        "text": task.text,
        "taskType": task.type.lower(),
        "grouping": "INITIAL",
    }
    if task.options:
        node.update(choices=list(task.options), multipleAnswers=task.multiple)
    if task.type == "RATING_SCALE":
        low, high = task.labels
        node.update(scaleMinimum=1, scaleMaximum=task.scale, lowerEndpoint=low, upperEndpoint=high)
    if task.type in ("URL", "FIGMA"):
        node["launchUrl"] = task.url
    return node
