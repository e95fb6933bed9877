"""A server that speaks the Model Context Protocol: an assistant reads the data, and can do nothing else with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from ..errors import UserTestingError
from ..extras import needed
from . import ask
from .reading import Data
from .redact import Redaction
from .themes import add_themes, codebook

INSTRUCTIONS = f"""
Results of user tests: completed sessions with participants, tasks, answers, and what was said, as last loaded. Begin
with list_tests; it says how fresh the data is. Say with each number how many people are behind it, and with each quote
whose it is, with its link. {ask.NOTE}
""".strip()


class Latest:
    """
    The data as last published, opened anew when a load has published since, and locked.

    Args:
        path: says where it is; asked at each use.
        dataset: the schema in it.
        redaction: how persons are hidden, if they are.

    """

    def __init__(self, path: Callable[[], Path], dataset: str, redaction: Redaction | None) -> None:
        self._path, self._dataset, self._redaction = path, dataset, redaction
        self._data: Data | None = None
        self._seen: tuple[object, ...] = ()
        self._lock = Lock()

    def ask(self, question: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
        """What `question` answers about it, one at a time."""
        with self._lock:
            return question(self._opened(), *arguments)

    def close(self) -> None:
        """Closes it."""
        if self._data is not None:
            self._data.close()
            self._data = None

    def _opened(self) -> Data:
        path = self._path()
        found = path.stat()
        seen = (path, found.st_ino, found.st_mtime_ns)
        if self._data is None or seen != self._seen:
            self.close()  # first: DuckDB would hand out the old file again
            self._data, self._seen = Data(path, self._dataset, self._redaction), seen
            add_themes(self._data, codebook())
            self._data.lock()
        return self._data


def server(latest: Latest) -> Any:
    """
    The server, with its tools.

    Raises:
        NotInstalled: the extra `mcp` is not.

    """
    with needed("mcp", "The server"):
        from mcp.server.mcpserver import MCPServer  # noqa: PLC0415 - an extra
        from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415 - as above
        from mcp.types import ToolAnnotations  # noqa: PLC0415 - as above

    made = MCPServer("usertesting", title="UserTesting results", instructions=INSTRUCTIONS, log_level="WARNING")

    def answer(question: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
        try:
            return latest.ask(question, *arguments)
        except UserTestingError as error:
            raise ToolError(str(error)) from None

    def list_tests() -> dict[str, Any]:
        """All tests with title, sessions listed and loaded, newest session, open issues, and when was loaded last."""
        return answer(ask.tests)

    def find_quotes(
        words: str, test: str | None = None, kind: Literal["said", "written"] | None = None, limit: int = 20
    ) -> dict[str, Any]:
        """
        What participants said or wrote with these words, ranked, each with person, task, moment and link.

        `words`: all must occur; "phrases", beginnings* of words, AND, OR, NOT, parentheses. Accents and case make no
        difference. `test`: an id, a title or a part of it.
        """
        return answer(ask.quotes, words, test, kind, max(1, min(limit, 100)))

    def test_report(test: str) -> dict[str, Any]:
        """How a test (id, title or part of it) went: KPIs of the test and of each task with their n, choices, who took
        part, words of those who failed, and how complete the data is.
        """
        return answer(ask.report, test)

    def read_session(session_id: str) -> dict[str, Any]:
        """One session: demographics, each task with its answer and times, and what was said, in order."""
        return answer(ask.session, session_id)

    def compare_tests(first: str, second: str) -> dict[str, Any]:
        """The KPIs of two tests (ids, titles or parts of these) side by side, with n and the differences."""
        return answer(ask.comparison, first, second)

    def query(sql: str) -> dict[str, Any]:
        """
        One SELECT in DuckDB's SQL, at most 500 rows. `show tables` lists tables and views, `describe NAME` columns.

        Good ones to begin with: session_overview, answers, verbatims, answer_options, test_kpis, task_kpis,
        task_transcripts, themes (of the user's codebook), load_status.
        """
        return answer(ask.sql, sql)

    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    for tool in (list_tests, find_quotes, test_report, read_session, compare_tests, query):
        made.add_tool(tool, annotations=reads)
    return made
