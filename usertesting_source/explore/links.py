"""Where a reader goes on: the page of a test's results."""

from __future__ import annotations

import dlt

_PAGE = "https://app.usertesting.com/tests/{test_id}/results"


def results_page(test_id: str, session_id: str = "") -> str:
    """The address of a test's results, as `alerts.result_url` says it or by default."""
    page: object = dlt.config.get("alerts.result_url")
    return str(page or _PAGE).replace("{test_id}", test_id).replace("{session_id}", session_id)


def clock(at_ms: int | None) -> str:
    """A moment of a recording, as players show it: 3:25, or 1:03:25."""
    if at_ms is None:
        return ""
    minutes, seconds = divmod(at_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
