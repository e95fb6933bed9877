"""What exists on the server right now: tests and sessions come, go and return while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Literal

from .payloads import Fractions
from .studies import WORKSPACES, Session, Shapes, Study, Workspace

Sort = Literal["finish", "start"]
_NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass
class Settings:
    """
    How the server behaves where the API's documents leave it open. May be changed while it runs.

    Attributes:
        sort: which moment puts the newest session first.
        fractions: whether timestamps have milliseconds.
        shapes: overrules the shapes of the studies' answers.
        retry_after: whether a 429 says when to come again.
        limit_scope: whether all endpoints share one quota.
        legacy_limited: whether v1 requests count.
        legacy_auth: which header v1 reads the token from.
        hidden_workspace_status: how v1 answers for a workspace that is not visible.
        no_clips_status: how a session without clips is answered: 200 with an empty list, or 404.
        clip_waits: how often a clip or reel is still GENERATING before it is there.
        video_bytes: the size of every video.
        url_lifetime: seconds that a video's URL works; clips and reels have a quarter of it.

    """

    sort: Sort = "finish"
    fractions: Fractions = "ms"
    shapes: Shapes | None = None
    retry_after: bool = True
    limit_scope: Literal["client", "endpoint"] = "client"
    legacy_limited: bool = True
    legacy_auth: Literal["bearer", "token"] = "bearer"
    hidden_workspace_status: Literal[403, 404] = 404
    no_clips_status: Literal[200, 404] = 200
    clip_waits: int = 1
    video_bytes: int = 200_000
    url_lifetime: int = 3600


@dataclass
class _Listing:
    sessions: Sequence[Session]
    sort: Sort
    until: datetime


@dataclass
class State:
    """
    The tests and sessions that the credentials can see at this moment.

    Args:
        now: the server's clock.

    """

    now: Callable[[], datetime]
    settings: Settings
    studies: dict[str, Study] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    workspaces: tuple[Workspace, ...] = WORKSPACES
    hidden: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    _of_test: dict[str, list[Session]] = field(default_factory=dict)
    _listings: dict[str, _Listing] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add_study(self, study: Study) -> None:
        """Add a test with its sessions; the study itself is never changed."""
        with self._lock:
            self.studies[study.test_id] = study
            self._of_test[study.test_id] = list(study.sessions)
            self.sessions.update((session.session_id, session) for session in study.sessions)
            self._listings.pop(study.test_id, None)

    def add_session(self, session: Session) -> None:
        """Add a session to its test, which must exist."""
        with self._lock:
            self._of_test[session.test_id].append(session)
            self.sessions[session.session_id] = session
            self._listings.pop(session.test_id, None)

    def change_session(self, session_id: str, **fields: object) -> None:
        """Give a session other attributes, for example `finished` or `details`."""
        with self._lock:
            old = self.sessions[session_id]
            new = replace(old, **fields)  # type: ignore[arg-type]  # the caller names the fields of Session
            self.sessions[session_id] = new
            of_test = self._of_test[old.test_id]
            of_test[of_test.index(old)] = new
            self._listings.pop(old.test_id, None)

    def remove(self, session_id: str, gone: bool = True) -> None:
        """Take a session away, or bring it back."""
        with self._lock:
            (self.removed.add if gone else self.removed.discard)(session_id)
            self._listings.pop(self.sessions[session_id].test_id, None)

    def hide(self, item: str, hidden: bool = True) -> None:
        """Make a test or a workspace invisible, or visible again."""
        (self.hidden.add if hidden else self.hidden.discard)(item)

    def visible_study(self, test_id: str) -> Study | None:
        """The test, if it exists for v2 and v3 and the credentials see it."""
        study = self.studies.get(test_id.lower())
        hidden = study is None or study.type.upper() != "STUDYV2" or self._is_hidden(study)
        return None if hidden else study

    def visible_session(self, session_id: str) -> tuple[Study, Session] | None:
        """The session with its test, if it exists at this moment."""
        session = self.sessions.get(session_id.lower())
        if session is None or not self._is_there(session):
            return None
        study = self.visible_study(session.test_id)
        return None if study is None else (study, session)

    def listing(self, test_id: str) -> Sequence[Session]:
        """The sessions of a test, newest first; sorted anew only after a change."""
        with self._lock:
            kept = self._listings.get(test_id)
            if kept is None or kept.sort != self.settings.sort or self.now() >= kept.until:
                kept = self._listings[test_id] = self._sorted(test_id)
            return kept.sessions

    def in_workspace(self, workspace_id: str) -> list[Study]:
        """The tests of a workspace, newest first."""
        found = [s for s in self.studies.values() if s.workspace_id == workspace_id and s.test_id not in self.hidden]
        return sorted(found, key=lambda s: (s.ordered_at is not None, s.ordered_at, s.test_id), reverse=True)

    def _is_hidden(self, study: Study) -> bool:
        return study.test_id in self.hidden or study.workspace_id in self.hidden

    def _is_there(self, session: Session) -> bool:
        listed = session.listed_from is None or session.listed_from <= self.now()
        return listed and session.session_id not in self.removed

    def _sorted(self, test_id: str) -> _Listing:
        sort = self.settings.sort
        sessions = self._of_test[test_id]
        later = _coming(sessions, self.now())
        there = [session for session in sessions if self._is_there(session)]
        there.sort(key=lambda s: (s.started if sort == "start" else s.finished, s.session_id), reverse=True)
        return _Listing(there, sort, later)


def _coming(sessions: Iterable[Session], now: datetime) -> datetime:
    """When the next session becomes visible."""
    moments = (s.listed_from for s in sessions if s.listed_from is not None and s.listed_from > now)
    return min(moments, default=_NEVER)
