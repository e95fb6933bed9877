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
crash inside a package, never fetched twice. When a load package is full, the resources end by themselves: a limit of
dlt's would throw away what one that runs in a thread of its own yields late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, cast

import dlt
from dlt.extract import DltResource

from ..config import ALL_RESOURCES
from ..errors import ApiError, NotFound
from ..sync import inventory
from ..sync.again import DAY, HOUR, Due, deadline, missing
from ..sync.listing import mark_of
from ..sync.state import ResourceState
from ..sync.studies import Test
from ..tables import rows, schema, transcripts
from ..tables.new_fields import NewFields
from ..tables.payloads import as_count, mapping
from ..times import moment
from .downloads import Videos
from .issues import ISSUES, Issues, issue_columns
from .per_session import Absent, PerSession
from .per_test import PerTest
from .poll import Poll
from .reading import readable
from .visits import FIRST_PAGE, Visit, Visits

Rows = Iterator[Any]
Row = dict[str, Any]
Fetch = Callable[[Visit, Due], "Row | list[Row]"]
FetchTest = Callable[[Visit], tuple[list[Row], "str | None"]]
"""Rows, and what the answer lacks so far."""


STUDY = ("uuid", "title", "type", "productType", "orderedAt")


class Resources:
    """The resources of one source: generators that ask, and yield rows; None lets other resources have their turn."""

    def __init__(self, poll: Poll) -> None:
        self.poll = poll
        self.fields = NewFields()

    def as_dlt(self) -> Sequence[DltResource]:
        """All resources; those that the settings do not name are there, but not selected."""
        return [self._resource(name, getattr(self, name)) for name in ALL_RESOURCES]

    def _resource(self, name: str, method: Callable[[], Rows]) -> DltResource:
        def generate() -> Rows:  # dlt wants a plain generator function
            if kept := dlt.current.source_state().get("resources", {}).get("tests"):
                self.poll.recall(ResourceState(kept))
            with self.poll.run(name):
                yield from method()

        resource: DltResource = dlt.resource(
            generate,
            name=name,
            write_disposition="merge",
            selected=name in self.poll.settings.resources,
            **schema.hints(name),
        )
        # a table variant begins with the columns of its resource, which have no place in load_issues
        resource.apply_hints(table_name=ISSUES, columns={}, nested_hints={}, create_table_variant=True)
        resource.apply_hints(
            table_name=ISSUES,
            primary_key=schema.hints(ISSUES)["primary_key"],
            columns=cast("Any", issue_columns()),
            create_table_variant=True,
        )
        return resource

    # -- from the listings ----------------------------------------------------------

    def tests(self) -> Rows:
        """A row per test, when something about it has changed."""
        visits = Visits(self.poll, "tests", self._state("tests"))
        for test in visits.tests():
            visit = visits.visit(test, FIRST_PAGE)
            yield from self._told(visits.issues)
            row = self._test_row(visits, test, visit) if visit or test.is_classic else None
            if row:
                self.poll.asked("tests", test.test_id)
                self.poll.succeeded("tests")
            yield row
        visits.finish()

    def _test_row(self, visits: Visits, test: Test, visit: Visit | None) -> Row | None:
        """A test's row; None when it is as it was. What its workspace once said of it is kept."""
        state = visits.state(test)
        if test.study:
            state.study = [test.workspace_id, {key: test.study.get(key) for key in STUDY if key in test.study}]
        if test.asked_at is not None and not self.poll.settings.workspace_ids:
            state.study_at = test.asked_at
        workspace_id, study = state.study or [None, {}]
        row = rows.test_row(
            test.test_id,
            test.study or study,
            workspace_id=workspace_id,
            session_count=visit.listing.total if visit else None,
            last_finish_time=moment(visit.listing.newest) if visit else None,
            fields=self.fields,
        )
        if visit:
            visit.cursor.rest(visit.listing.newest, self.poll.now(), visits.quiet_after)
        mark = inventory.row_mark(row)
        if state.test_mark == mark:
            return None
        state.test_mark = mark
        return row

    def sessions(self) -> Rows:
        """A row per session that is new, changed, gone, or back."""
        visits = Visits(self.poll, "sessions", self._state("sessions"))
        for visit in visits.each():
            found = list(self._session_rows(visits, visit)) if visit else []
            yield from self._told(visits.issues)
            if visit and found:
                self.poll.asked("sessions", visit.test.test_id, len(found))
                self.poll.succeeded("sessions", len(found))
            yield found or None
        visits.finish()

    def _session_rows(self, visits: Visits, visit: Visit) -> Rows:
        """The rows of one test."""
        if self.poll.wishes.session_ids:
            yield from self._wanted_rows(visit)
            return
        test_id, now = visit.test.test_id, self.poll.now()
        most = self.poll.package.room_for_listed
        changes, new = inventory.changes(visit.cursor, visit.listing, now, self.poll.wishes.since, most)
        self.poll.tally.sight("sessions", test_id, new)
        for change in changes:
            removed_at = moment(change.removed_at)
            if change.summary is not None:
                yield rows.session_row(test_id, change.summary, removed_at, self.fields, mark_of(change.summary))
            elif row := self.poll.known.row("sessions", change.session_id):
                yield {**row, "removed_at": removed_at}
        if len(changes) == most:
            visits.cut()
            return
        visit.cursor.finish(visit.listing, now, visits.quiet_after)
        if visit.listing.complete:
            inventory.forget_settled(visit.state)

    def _wanted_rows(self, visit: Visit) -> Rows:
        """Rows of sessions that were asked for by name."""
        for session in visit.listing.sessions:
            key = "sessions", session.session_id
            if session.session_id in self.poll.wishes.session_ids and key not in self.poll.tally.served:
                self.poll.tally.served.add(key)
                yield rows.session_row(visit.test.test_id, session.summary, None, self.fields, session.mark)

    # -- one request per session ------------------------------------------------------

    def session_details(self) -> Rows:
        """A row per session, with demographics, task groups and tasks as children."""

        def fetch(visit: Visit, due: Due) -> Row:
            payload, summary = self.poll.api.session_details(due.session_id), visit.summary(due)
            test_id, mark = visit.test.test_id, mark_of(summary)
            with readable(f"the details of session {due.session_id}"):
                row, unread = rows.detail_row(test_id, summary, payload, _now(), self.fields, mark)
            self.poll.tally.unread.update(unread)
            return row

        yield from self._each("session_details", fetch)

    def transcripts(self) -> Rows:
        """A row per session that has a transcript, with its cues as children."""

        def fetch(visit: Visit, due: Due) -> Row:
            vtt, settings, now = self.poll.api.transcript(due.session_id), self.poll.settings, self.poll.now()
            if transcripts.is_bare(vtt) and now < deadline(due, "waiting", now, settings.transcript_wait_hours):
                raise NotFound(f"The transcript of session {due.session_id} is a bare header so far.", 200)
            test_id, finished = visit.test.test_id, visit.finish_time(due)
            with readable(f"the transcript of session {due.session_id}"):
                chunk_chars = settings.transcript_chunk_chars
                row = rows.transcript_row(test_id, due.session_id, vtt, _now(), chunk_chars, finished)
            if row["dropped_cues"]:
                self.poll.tally.dropped_cues[due.session_id] = row["dropped_cues"]
            return row

        yield from self._each("transcripts", fetch, absent="waiting")

    def clips(self) -> Rows:
        """A row per clip; metadata only, since asking for a clip's file starts a render job."""

        def fetch(visit: Visit, due: Due) -> list[Row]:
            payload, finished = self.poll.api.clips(due.session_id), visit.finish_time(due)
            with readable(f"the clips of session {due.session_id}"):
                return rows.clip_rows(visit.test.test_id, due.session_id, payload, self.fields, finished)

        yield from self._each("clips", fetch, absent="none")

    def _each(self, name: str, fetch: Fetch, absent: Absent = "failed") -> Rows:
        """Asks for every due session, and yields what comes; what fails is noted, and the rest goes on."""
        walk = PerSession(self.poll, name, self._state(name), absent)
        for turn in walk.due():
            yield from self._told(walk.visits.issues)
            yield self._answer(walk, fetch, *turn) if turn else None
        walk.finish()
        yield from self._told(walk.visits.issues)

    def _answer(self, walk: PerSession, fetch: Fetch, visit: Visit, due: Due) -> Row | list[Row] | None:
        """What the API says about a session; None when it says nothing."""
        found = None
        with self.poll.guard():
            try:
                found = fetch(visit, due)
            except ApiError as error:
                walk.failed(visit, due, error)
            else:
                walk.done(visit, due)
        return found or None

    def session_videos(self) -> Rows:
        """A row per video, once it is stored completely; several are downloaded at a time."""
        walk = PerSession(self.poll, "session_videos", self._state("session_videos"), "waiting")
        try:
            for row in Videos(walk, self.poll).rows():
                yield row
                yield from self._told(walk.visits.issues)
            yield from self._told(walk.visits.issues)
        finally:
            self.poll.leave_downloads()

    # -- one request per test -----------------------------------------------------------

    def qx_scores(self) -> Rows:
        """A row per task group of an interaction test, when its score has changed."""

        def fetch(visit: Visit) -> tuple[list[Row], str | None]:
            test_id, now = visit.test.test_id, self.poll.now()
            payload = self.poll.api.qx_scores(test_id)
            with readable(f"the QXscores of test {test_id}"):
                scores = rows.qx_score_rows(test_id, payload, cast("datetime", moment(now)), self.fields)
            changed = list(inventory.new_scores(scores, visit.state.score_marks, now, self.poll.wishes.full))
            left_out = missing(as_count(mapping(payload.get("meta")).get("completes")), visit.listing)
            return changed, f"The QXscores of test {test_id} leave out {left_out:,} sessions." if left_out else None

        yield from self._per_test("qx_scores", fetch, absent="waiting")

    def highlight_reels(self) -> Rows:
        """A row per highlight reel; metadata only, since asking for a reel's file starts a render job."""

        def fetch(visit: Visit) -> tuple[list[Row], str | None]:
            test_id = visit.test.test_id
            payload = self.poll.api.highlight_reels(test_id)
            with readable(f"the highlight reels of test {test_id}"):
                return rows.highlight_reel_rows(test_id, payload, self.fields), None

        yield from self._per_test("highlight_reels", fetch, absent="none", every=DAY - HOUR)

    def _per_test(self, name: str, fetch: FetchTest, absent: Absent, every: int | None = None) -> Rows:
        """Asks once per test, when its sessions have changed since, or the last answer is old or not whole."""
        asks = PerTest(self.poll, name, self._state(name), absent, every)
        for visit in asks.due():
            yield from self._told(asks.visits.issues)
            found: list[Row] = []
            if visit is not None:
                with self.poll.guard():
                    try:
                        found, lacks = fetch(visit)
                    except ApiError as error:
                        asks.failed(visit, error)
                    else:
                        asks.done(visit, len(found), lacks)
            yield found or None
        yield from self._told(asks.visits.issues)

    # -- common to all ----------------------------------------------------------------------

    def _state(self, name: str) -> ResourceState:
        for known, table in dlt.current.source_schema().tables.items():
            if known in schema.TABLES:
                kinds = {column: hint.get("data_type") for column, hint in table["columns"].items()}
                self.fields.know(known, kinds)
        return ResourceState(dlt.current.resource_state(name))

    def _told(self, issues: Issues) -> Rows:
        for issue in issues.take():
            self.poll.package.holds_rows()
            yield dlt.mark.with_table_name(issue, ISSUES)


def _now() -> datetime:
    return datetime.now(timezone.utc)
