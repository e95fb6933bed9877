"""The tests to load, and which of them can have what: not every kind of test has transcripts, videos or scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LOADABLE = "STUDYV2"

SURVEY, INTERACTION, THINK_OUT_LOUD, LIVE = (
    "SURVEY",
    "NON_THINK_OUT_LOUD",
    "THINK_OUT_LOUD",
    "LIVE_CONVERSATION",
)
PRODUCT_TYPES = {SURVEY, INTERACTION, THINK_OUT_LOUD, LIVE}
HAVE = {
    "transcripts": {THINK_OUT_LOUD, LIVE},
    "session_videos": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "clips": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "highlight_reels": {INTERACTION, THINK_OUT_LOUD, LIVE},
    "qx_scores": {INTERACTION},
}
"""Which product types have what (compatibility notes of the OpenAPI); what is not named here, all have."""


PER_SESSION = ("session_details", "transcripts", "session_videos", "clips")
PER_TEST = ("qx_scores", "highlight_reels")
"""Resources that ask once per session, and once per test."""

BY_LISTING = ("tests", "sessions")
"""Resources that live on the listings alone, which tell of no participant."""


@dataclass(frozen=True)
class Test:
    """
    A test to load.

    Attributes:
        study: how its workspace describes it, if one was asked.
        asked_at: when it was, in ms.

    """

    __test__ = False  # not for pytest

    test_id: str
    study: dict[str, Any] = field(default_factory=dict)
    workspace_id: str | None = None
    asked_at: int | None = None

    @property
    def title(self) -> str:
        """Its title, else its id."""
        return self.study.get("title") or self.test_id

    @property
    def product_type(self) -> str | None:
        """Such as THINK_OUT_LOUD, in upper case; None when nobody said."""
        value = self.study.get("productType")
        return value.upper() if isinstance(value, str) and value else None

    @property
    def is_classic(self) -> bool:
        """Whether the Results API does not serve it."""
        kind = self.study.get("type")
        return isinstance(kind, str) and bool(kind) and kind.upper() != LOADABLE


def is_called(test: Test, title: str) -> bool:
    """Whether a test has a title, whatever its case and blanks."""
    return _plain(test.study.get("title")) == _plain(title)


def _plain(title: object) -> str:
    return " ".join(str(title or "").casefold().split())


def may_have(resource: str, test: Test) -> bool | None:
    """Whether a test has what `resource` loads; None when its type does not say."""
    if test.is_classic:
        return False
    if resource not in HAVE:
        return True
    return test.product_type in HAVE[resource] if test.product_type in PRODUCT_TYPES else None
