"""
The dlt source and its resources: which data goes to which table, and how.

    tests, sessions          from the listing of each test
    session_details          GET /api/v3/sessionResults/{sessionId}, with child tables
    transcripts              GET /api/v2/sessionResults/{sessionId}/transcript, with child tables
    qx_scores                GET /api/v2/testResults/{testId}/qxScores
    load_issues              written by whichever resource fails

A resource moves its state before it yields a row: dlt commits both together, so a row is never lost and, short of a
crash inside a package, never fetched twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.extract import DltResource, DltSource

from . import config, tables
from .config import Settings, UserTestingCredentials
from .cursor import Due, compact, expand, removed
from .errors import ApiError, ApiUnavailable, CredentialsError, Interrupted, UnreadableAnswer
from .poll import Poll, resource_state
from .walk import FIRST_PAGE, Absent, Visit, Walk, moment

Rows = Iterator[Any]
Fetch = Callable[[Visit, Due], "dict[str, Any] | list[dict[str, Any]]"]


class UserTestingSource(DltSource):
    """The source; `poll` is what its resources, and their clones, share."""

    poll: Poll

    @classmethod
    def from_data(cls, schema: Schema, section: str, data: Any) -> UserTestingSource:
        """Makes the source of a `Resources`; called by dlt."""
        source = super().from_data(schema, section, data.as_dlt())
        source.poll = data.poll
        return source

    def clone(self, with_name: str | None = None) -> UserTestingSource:
        """A copy as dlt makes it, that shares what is listed."""
        schema = self.schema.clone(with_name=with_name) if with_name else self.schema.clone()
        source = type(self)(schema, self.section, list(self._resources.values()))
        source.poll = self.poll
        return source


@dlt.source(name="usertesting", section="usertesting", _impl_cls=UserTestingSource)
def usertesting_source(
    credentials: UserTestingCredentials = dlt.secrets.value,
    test_ids: Any = (),
    workspace_ids: Any = (),
    start_date: Any = None,
    base_url: str = config.BASE_URL,
    token_url: str = config.TOKEN_URL,
    scope: str = config.SCOPE,
    rate_limit: int = 10,
    rate_period: float = 60.0,
    overlap_days: float = 15,
    quiet_test_days: float = 30,
    resources: Any = config.DEFAULT_RESOURCES,
    transcript_wait_hours: float = 72,
    transcript_chunk_chars: int = 0,
    video_bucket_url: str | None = None,
    video_concurrency: int = 3,
) -> Any:
    """
    Completed sessions of UserTesting tests, with answers, transcripts and scores.

    Every argument can come from dlt's configuration (section `sources.usertesting`) as well. Building the source sends no
    request and touches no file.

    Args:
        credentials: `access_token`, or `client_id` and `client_secret`.
        test_ids: UUIDs of tests.
        workspace_ids: UUIDs of workspaces whose tests are all loaded; `["*"]`: of every workspace that is visible.
        start_date: sessions that finished before are ignored; ISO date or timestamp, UTC.
        base_url: the API.
        token_url: where tokens are bought.
        scope: of the token.
        rate_limit: requests in `rate_period` seconds; 0: no limit of our own.
        rate_period: in seconds.
        overlap_days: how far behind the newest session each run looks again.
        quiet_test_days: a test without a new session for so long is listed once a day; 0: always.
        resources: names of the resources to load.
        transcript_wait_hours: a transcript (or video) missing so long after the session finished is given up.
        transcript_chunk_chars: over 0: transcripts are also cut into chunks of at most so many characters.
        video_bucket_url: fsspec URL of a folder; when set, videos are stored there.
        video_concurrency: downloads at a time.

    Raises:
        ConfigurationError: a setting is missing or cannot be used.
    """
    chosen = config.names("resources", resources)
    if video_bucket_url and chosen == config.DEFAULT_RESOURCES:
        chosen = (*chosen, "session_videos")
    settings = Settings(
        credentials=credentials,
        test_ids=tuple(test_id.lower() for test_id in config.names("test_ids", test_ids)),
        workspace_ids=config.names("workspace_ids", workspace_ids),
        start_date=config.date("start_date", start_date),
        base_url=base_url,
        token_url=token_url,
        scope=scope,
        rate_limit=rate_limit,
        rate_period=rate_period,
        overlap_days=overlap_days,
        quiet_test_days=quiet_test_days,
        resources=chosen,
        transcript_wait_hours=transcript_wait_hours,
        transcript_chunk_chars=transcript_chunk_chars,
        video_bucket_url=video_bucket_url or None,
        video_concurrency=video_concurrency,
    )
    schema = dlt.current.source_schema()
    schema.data_item_normalizer.update_normalizer_config(schema, tables.propagation())  # type: ignore[attr-defined] # the relational normaliser has it
    return Resources(Poll(config.check(settings)))


class Resources:
    """The resources of one source: generators that ask, and yield rows."""

    def __init__(self, poll: Poll) -> None:
        self.poll = poll

    def as_dlt(self) -> Sequence[DltResource]:
        """All resources; those that the settings do not name are there, but not selected."""
        made: dict[str, Callable[[], Rows]] = {
            "tests": self.tests,
            "sessions": self.sessions,
            "session_details": self.session_details,
            "transcripts": self.transcripts,
            "qx_scores": self.qx_scores,
        }
        return [self._resource(name, rows) for name, rows in made.items()]

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
        for test in walk.guarded(self.poll.tests) or ():
            if self.poll.ends:
                return
            state = walk.state["tests"].setdefault(test.test_id, {})
            visit = None if test.is_classic else walk.guarded(lambda test=test: walk.visit(test, FIRST_PAGE))
            yield from self._issues(walk)
            if visit is None and state.get("row"):
                yield None
                continue
            listing = visit.listing if visit else None
            row = tables.test_row(
                test.test_id,
                test.study,
                workspace_id=test.workspace_id,
                session_count=listing.total if listing else None,
                last_finish_time=moment(listing.newest) if listing else None,
            )
            if visit:
                visit.cursor.rest(visit.listing.newest, self.poll.now(), walk.quiet_after)
            mark = _mark(row)
            if (listing is None and not test.is_classic) or state.get("row") == mark:
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

        def fetch(visit: Visit, due: Due) -> dict[str, Any]:
            payload = self.poll.api.session_details(due.session_id)
            summary = {**visit.summary(due), "sessionId": due.session_id}
            row = tables.detail_row(visit.test.test_id, summary, payload, _now())
            self.poll.tally.unread.update(tables.unread_answers(row))
            return row

        yield from self._each("session_details", fetch)

    def transcripts(self) -> Rows:
        """A row per session that has a transcript, with its cues as children."""

        def fetch(visit: Visit, due: Due) -> dict[str, Any]:
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

    def _each(self, name: str, fetch: Fetch, absent: Absent = "failed") -> Rows:
        """Asks for every due session, and yields what comes; what fails is noted, and the rest goes on."""
        walk = self._walk(name, absent)
        for turn in walk.due():
            yield from self._issues(walk)
            if turn is None:
                yield None
                continue
            try:
                rows = fetch(*turn)
            except Interrupted:
                self.poll.stop.ask()
            except ApiError as error:
                walk.guarded(lambda error=error, turn=turn: walk.failed(*turn, error))  # type: ignore[misc] # mypy cannot infer it
            except (CredentialsError, ApiUnavailable) as error:
                self.poll.abort(error)
            else:
                walk.done(*turn)
                yield rows
        yield from self._issues(walk)

    # -- one request per test -----------------------------------------------------------

    def qx_scores(self) -> Rows:
        """Rows per task group of an interaction test, when a score has changed."""
        walk = self._walk("qx_scores")
        for visit in walk.visits(FIRST_PAGE):
            rows = walk.guarded(lambda visit=visit: self._score_rows(walk, visit)) if visit else None  # type: ignore[misc] # mypy cannot infer it
            yield from self._issues(walk)
            if rows:
                self.poll.succeeded("qx_scores", len(rows))
            yield rows or None
        self._finish(walk)

    def _score_rows(self, walk: Walk, visit: Visit) -> list[dict[str, Any]]:
        """New scores of one test; asked for only when its sessions have changed."""
        return []

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


ISSUE_HINTS = dlt.mark.make_hints(
    table_name="load_issues",
    write_disposition="merge",
    primary_key=tables.hints("load_issues")["primary_key"],
    columns=tables.columns("load_issues"),
)


def _mark(row: dict[str, Any]) -> str:
    """A short text that changes with the row."""
    return hashlib.sha256(json.dumps(row, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _now() -> datetime:
    return datetime.now(timezone.utc)


