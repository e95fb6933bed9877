"""
The resources: which data goes to which table, and how.

    tests, sessions          from the listing of each test
    session_details          GET /api/v3/sessionResults/{sessionId}, with child tables
    transcripts              GET /api/v2/sessionResults/{sessionId}/transcript, with child tables
    session_videos           GET /api/v2/sessionResults/{sessionId}/videoDownloadUrl, and the download
    clips                    GET /api/v2/sessionResults/{sessionId}/clips
    qx_scores                GET /api/v2/testResults/{testId}/qxScores
    highlight_reels          GET /api/v2/testResults/{testId}/highlightreels
    load_issues              written by whichever resource fails

A resource moves its state before it yields a row: dlt commits both together, so a row is never lost and, short of a
crash inside a package, never fetched twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, cast

import dlt
from dlt.extract import DltResource

from . import tables
from .config import ALL_RESOURCES
from .cursor import Due
from .downloads import Asked
from .errors import ApiError, UnreadableAnswer
from .poll import Poll, resource_state
from .removals import compact, expand, removed
from .videos import VideoStore
from .walk import FIRST_PAGE, Absent, Visit, Walk, moment

Rows = Iterator[Any]
Row = dict[str, Any]
Fetch = Callable[[Visit, Due], "Row | list[Row]"]

ISSUE_HINTS = dlt.mark.make_hints(
    table_name="load_issues",
    write_disposition="merge",
    primary_key=tables.hints("load_issues")["primary_key"],
    columns=cast("Any", tables.columns("load_issues")),
)


class Resources:
    """The resources of one source: generators that ask, and yield rows; None lets other resources have their turn."""

    def __init__(self, poll: Poll) -> None:
        self.poll = poll

    def as_dlt(self) -> Sequence[DltResource]:
        """All resources; those that the settings do not name are there, but not selected."""
        return [self._resource(name, getattr(self, name)) for name in ALL_RESOURCES]

    def _resource(self, name: str, rows: Callable[[], Rows]) -> DltResource:
        def generate() -> Rows:  # dlt wants a plain generator function
            yield from rows()

        resource: DltResource = dlt.resource(
            generate,
            name=name,
            write_disposition="merge",
            selected=name in self.poll.settings.resources,
            **tables.hints(name),
        )
        return resource

    # -- from the listings ----------------------------------------------------------

    def tests(self) -> Rows:
        """A row per test, when something about it has changed."""
        walk = self._walk("tests")
        for test in walk.tests():
            visit = walk.visit(test, FIRST_PAGE)
            yield from self._issues(walk)
            if visit is None and not test.is_classic:
                yield None
                continue
            row = tables.test_row(
                test.test_id,
                test.study,
                workspace_id=test.workspace_id,
                session_count=visit.listing.total if visit else None,
                last_finish_time=moment(visit.listing.newest) if visit else None,
            )
            if visit:
                visit.cursor.rest(visit.listing.newest, self.poll.now(), walk.quiet_after)
            state = walk.state["tests"].setdefault(test.test_id, {})
            if state.get("row") == (mark := _mark(row)):
                yield None
                continue
            state["row"] = mark
            self.poll.succeeded("tests")
            yield row
        self._finish(walk)

    def sessions(self) -> Rows:
        """A row per session that is new, changed, gone, or back."""
        walk = self._walk("sessions")
        for visit in walk.visits():
            rows = list(self._session_rows(walk, visit)) if visit else []
            yield from self._issues(walk)
            if not rows:
                yield None
                continue
            self.poll.succeeded("sessions", len(rows))
            yield rows
        self._finish(walk)

    def _session_rows(self, walk: Walk, visit: Visit) -> Rows:
        """The rows of one test; the state keeps a compact row of each session inside the overlap."""
        cursor, listing, now = visit.cursor, visit.listing, self.poll.now()
        if wanted := self.poll.wishes.session_ids:
            listed = (session for session in listing.sessions if session.session_id in wanted)
            yield from (tables.session_row(visit.test.test_id, session.summary) for session in listed)
            return
        known: dict[str, list[Any]] = cursor.state.setdefault("rows", {})
        gone: dict[str, int] = cursor.state.setdefault("gone", {})
        test_id = visit.test.test_id
        due = {d.session_id for d in cursor.due(now, self.poll.wishes.since)}
        self.poll.sight(walk.resource, test_id, len(due))
        for session in listing.sessions:
            row, before = compact(session.summary), known.get(session.session_id)
            back = gone.pop(session.session_id, None) is not None
            if session.session_id in due or back or before not in (None, row):
                known[session.session_id] = row
                cursor.settled[session.session_id] = session.time
                yield tables.session_row(test_id, session.summary)
        for session_id in removed(known, listing, cursor.border):
            if session_id not in gone:
                gone[session_id] = now
                yield tables.session_row(test_id, expand(session_id, known[session_id]), removed_at=moment(now))
        cursor.finish(listing, now, walk.quiet_after)
        for session_id in known.keys() - cursor.settled.keys():
            del known[session_id]
            gone.pop(session_id, None)

    # -- one request per session ------------------------------------------------------

    def session_details(self) -> Rows:
        """A row per session, with demographics, task groups and tasks as children."""

        def fetch(visit: Visit, due: Due) -> Row:
            payload = self.poll.api.session_details(due.session_id)
            row = tables.detail_row(visit.test.test_id, visit.summary(due), payload, _now())
            self.poll.tally.unread.update(tables.unread_answers(row))
            return row

        yield from self._each("session_details", fetch)

    def transcripts(self) -> Rows:
        """A row per session that has a transcript, with its cues as children."""

        def fetch(visit: Visit, due: Due) -> Row:
            vtt = self.poll.api.transcript(due.session_id)
            chunk_chars = self.poll.settings.transcript_chunk_chars
            try:
                return tables.transcript_row(visit.test.test_id, due.session_id, vtt, _now(), chunk_chars)
            except ValueError as error:
                raise UnreadableAnswer(
                    f"The transcript of session {due.session_id} is no WebVTT ({error}). It is asked for again later.",
                    200,
                ) from None

        yield from self._each("transcripts", fetch, absent="waiting")

    def clips(self) -> Rows:
        """A row per clip; metadata only, since asking for a clip's file starts a render job."""

        def fetch(visit: Visit, due: Due) -> list[Row]:
            return tables.clip_rows(visit.test.test_id, due.session_id, self.poll.api.clips(due.session_id))

        yield from self._each("clips", fetch, absent="none")

    def _each(self, name: str, fetch: Fetch, absent: Absent = "failed") -> Rows:
        """Asks for every due session, and yields what comes; what fails is noted, and the rest goes on."""
        walk = self._walk(name, absent)
        for turn in walk.due():
            yield from self._issues(walk)
            if turn is None:
                yield None
                continue
            rows = None
            with self.poll.guard():
                try:
                    rows = fetch(*turn)
                except ApiError as error:
                    walk.failed(*turn, error)
                else:
                    walk.done(*turn)
            yield rows or None
        yield from self._issues(walk)

    def session_videos(self) -> Rows:
        """A row per video, once it is stored completely; several are downloaded at a time."""
        walk = self._walk("session_videos", "waiting")
        settings, asked = self.poll.settings, Asked(walk, self.poll)
        store = VideoStore(
            settings.video_bucket_url or "", settings.video_concurrency, stop=lambda: self.poll.stop.asked
        )
        results = store.download_all(asked.jobs())
        while True:
            result = None
            with self.poll.guard():
                try:
                    result = next(results)
                except StopIteration:
                    break
            yield from self._issues(walk)
            if self.poll.error is not None:
                break
            row = asked.settle(*result) if result else None
            yield row
        yield from self._issues(walk)

    # -- one request per test -----------------------------------------------------------

    def qx_scores(self) -> Rows:
        """A row per task group of an interaction test, when its score has changed."""

        def fetch(visit: Visit) -> list[Row]:
            rows = tables.qx_score_rows(visit.test.test_id, self.poll.api.qx_scores(visit.test.test_id), _now())
            marks: dict[str, str] = visit.cursor.state.setdefault("marks", {})
            changed = {row["task_group_id"]: _mark({**row, "extracted_at": None, "completes": None}) for row in rows}
            news = [row for row in rows if marks.get(row["task_group_id"]) != changed[row["task_group_id"]]]
            marks.update(changed)
            return news

        yield from self._per_test("qx_scores", fetch)

    def highlight_reels(self) -> Rows:
        """A row per highlight reel; metadata only, since asking for a reel's file starts a render job."""

        def fetch(visit: Visit) -> list[Row]:
            test_id = visit.test.test_id
            return tables.highlight_reel_rows(test_id, self.poll.api.highlight_reels(test_id))

        yield from self._per_test("highlight_reels", fetch)

    def _per_test(self, name: str, fetch: Callable[[Visit], list[Row]]) -> Rows:
        """Asks once per test, when its sessions have changed since."""
        walk = self._walk(name, "none")
        for visit in walk.visits(FIRST_PAGE):
            yield from self._issues(walk)
            rows: list[Row] = []
            if visit is not None and walk.has_news(visit):
                with self.poll.guard():
                    try:
                        rows = fetch(visit)
                    except ApiError as error:
                        walk.failed_test(visit, error)
                    else:
                        walk.done_test(visit, len(rows))
            yield rows or None
        yield from self._issues(walk)
        self._finish(walk)

    # -- common to all ----------------------------------------------------------------------

    def _walk(self, name: str, absent: Absent = "failed") -> Walk:
        if not self.poll.held and name in self.poll.finished:
            self.poll.begin(self.poll.wishes)
        return Walk(self.poll, name, resource_state(name), absent)

    def _issues(self, walk: Walk) -> Rows:
        for issue in walk.told():
            self.poll.has_rows = True
            yield dlt.mark.with_hints(issue, ISSUE_HINTS, create_table_variant=True)

    def _finish(self, walk: Walk) -> None:
        if not self.poll.ends:
            self.poll.finished.add(walk.resource)


def _mark(row: Row) -> str:
    """A short text that changes with the row."""
    return hashlib.sha256(json.dumps(row, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _now() -> datetime:
    return datetime.now(timezone.utc)
