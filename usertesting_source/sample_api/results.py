"""The endpoints of the Results API, v2 and v3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import payloads
from .faults import Faults
from .media import Media
from .replies import SECURITY_HEADERS, Refused, Reply, as_json, refusal
from .speech import transcript
from .state import State
from .studies import INTERACTION, WITH_TRANSCRIPT, Json, Session, Study

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
Query = Mapping[str, str]
Endpoint = Callable[[tuple[str, ...], Query], Reply]


@dataclass
class ResultsEndpoints:
    """Answers the requests of v2 and v3 from what the state holds."""

    state: State
    faults: Faults
    media: Media
    _asked: dict[str, int] = field(default_factory=dict)

    def table(self) -> dict[str, Endpoint]:
        """The endpoints by name."""
        return {
            "list": self.sessions,
            "details": self.details,
            "transcript": self.transcript,
            "video_url": self.video_url,
            "clips": self.clips,
            "clip": self.clip,
            "qx_scores": self.qx_scores,
            "reels": self.reels,
            "reel": self.reel,
        }

    def sessions(self, _: tuple[str, ...], query: Query) -> Reply:
        """`GET /api/v2/sessionResults`: a page of summaries, newest first."""
        limit, offset = _number(query, "limit", 25, 1, 500), _number(query, "offset", 0, 0, 10_000)
        study = self._study(query.get("testId", ""))
        sessions = self.state.listing(study.test_id)
        start = 0 if self.faults.ignore_offset else offset
        page = sessions[start : start + limit]
        if start and page and self.faults.use("empty_pages"):
            page = ()
        total = len(sessions) if self.faults.total_count is None else self.faults.total_count
        pagination = {"limit": limit, "offset": start, "totalCount": total}
        return as_json(payloads.listing(study, page, self.state.settings.fractions, pagination))

    def details(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v3/sessionResults/{sessionId}`."""
        study, session = self._session(ids[0])
        return as_json(payloads.details(study, session, self.state.settings.shapes))

    def transcript(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/sessionResults/{sessionId}/transcript`: WebVTT, once it is there."""
        study, session = self._session(ids[0])
        ready = session.transcript_from is None or session.transcript_from <= self.state.now()
        if not ready or (study.kind not in WITH_TRANSCRIPT and session.transcript is None):
            raise Refused(refusal(404, "Transcript not found"))
        garbled = session.session_id in self.faults.garbled_transcripts
        text = "The transcript service is being restarted." if garbled else transcript(study, session)
        headers = {**SECURITY_HEADERS, "Accept-Ranges": "bytes"}
        return Reply(200, text.encode(), "text/vtt; charset=utf-8", headers)

    def video_url(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/sessionResults/{sessionId}/videoDownloadUrl`: valid for an hour."""
        session = self._recorded(ids[0], "Video not found")[1]
        url, expires = self.media.sign(f"videos/{session.session_id}/session.mp4", self.state.settings.url_lifetime)
        stamp = payloads.timestamp(expires, self.state.settings.fractions)
        return as_json({"videoUrl": url, "sessionId": session.session_id, "expiresAt": stamp})

    def clips(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/sessionResults/{sessionId}/clips`."""
        return as_json(self._clips(ids[0]))

    def clip(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/sessionResults/{sessionId}/clips/{clipUuid}`: starts the making, then links to it."""
        known = {clip["uuid"] for clip in self._clips(ids[0])["clips"]}
        if ids[1] not in known:
            raise Refused(refusal(404, "Clip not found"))
        return as_json({"clipUuid": ids[1], **self._generated("clip", ids[1])})

    def qx_scores(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/testResults/{testId}/qxScores`: interaction tests only, over today's sessions."""
        study = self._study(ids[0])
        if study.kind != INTERACTION:
            raise Refused(refusal(404, "QXscores not found"))
        return as_json(payloads.qx_scores(study, list(self.state.listing(study.test_id)[self.faults.scores_lag :])))

    def reels(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/testResults/{testId}/highlightreels`."""
        return as_json(self._reels(ids[0]))

    def reel(self, ids: tuple[str, ...], _: Query) -> Reply:
        """`GET /api/v2/testResults/{testId}/highlightreels/{reelId}`: starts the making, then links to it."""
        known = {reel["uuid"] for reel in self._reels(ids[0])["reels"]}
        if ids[1] not in known:
            raise Refused(refusal(404, "Highlight reel not found"))
        return as_json({"reelId": ids[1], **self._generated("reel", ids[1])})

    def _generated(self, what: str, item: str) -> Json:
        asked = self._asked[item] = self._asked.get(item, 0) + 1
        if asked <= self.state.settings.clip_waits:
            return {"status": "GENERATING"}
        url, _ = self.media.sign(f"{what}s/{item}.mp4", self.state.settings.url_lifetime // 4)
        return {"status": "GENERATED", f"{what}Url": url}

    def _clips(self, session_id: str) -> Json:
        study, session = self._recorded(session_id, "Session video or clips not found")
        found = payloads.clips(study, session)
        if session.clips_from is not None and self.state.now() < session.clips_from:
            found["clips"] = []
        if not found["clips"] and self.state.settings.no_clips_status == 404:
            raise Refused(refusal(404, "Session video or clips not found"))
        return found

    def _reels(self, test_id: str) -> Json:
        study = self._study(test_id)
        if not payloads.has_video(study):
            raise Refused(refusal(404, "Test or highlight reels not found"))
        return payloads.reels(study)

    def _recorded(self, session_id: str, message: str) -> tuple[Study, Session]:
        study, session = self._session(session_id)
        if not payloads.has_video(study):
            raise Refused(refusal(404, message))
        return study, session

    def _session(self, session_id: str) -> tuple[Study, Session]:
        if not UUID.fullmatch(session_id):
            raise Refused(refusal(400, "Invalid session ID format"))
        found = self.state.visible_session(session_id)
        if found is None:
            raise Refused(refusal(404, "Session not found"))
        return found

    def _study(self, test_id: str) -> Study:
        if not UUID.fullmatch(test_id):
            raise Refused(refusal(400, ["testId must be a UUID"]))
        found = self.state.visible_study(test_id)
        if found is None:
            raise Refused(refusal(404, "Test not found"))
        return found


def _number(query: Query, name: str, default: int, low: int, high: int) -> int:
    given = query.get(name, str(default))
    if not given.isascii() or not given.isdigit() or not low <= int(given) <= high:
        raise Refused(refusal(400, [f"{name} must be a number from {low} to {high}"]))
    return int(given)
