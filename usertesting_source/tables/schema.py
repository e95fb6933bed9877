"""
The tables that this source loads: their columns, types and units, and the endpoint each comes from.

Declared once, used three times: as hints for dlt (so that a table appears with all its columns), as the
stand-in for a table that is not loaded (views), and as the data dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .payloads import camel

# A line without indent opens a table: name, endpoint, what a row is. Its columns follow: name (with ! part of
# the key; the API's field where it is not the same name in camel case), dlt's data type, what it holds.
# Times are UTC, ids are UUIDs.
_SPEC = """
tests | GET /usertesting/api/v1/workspaces/{workspaceUuid} | a test
    test_id!                 text      the test (a 'study' in the v1 API)
    title                    text      the test's name; null when no workspace was listed
    type                     text      the vendor's test type; STUDYV2 for tests that the Results API serves
    product_type             text      such as THINK_OUT_LOUD or NON_THINK_OUT_LOUD (an interaction test)
    workspace_id             text      the workspace the test was found in
    ordered_at               timestamp when the test was ordered
    session_count            bigint    completed sessions, as the listing counts them
    last_finish_time         timestamp when the newest listed session finished
    extra_json               json      what came and has no column, under the API's names

sessions | GET /api/v2/sessionResults | a completed session
    session_id!              text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    status                   text      free text; only COMPLETE has been documented
    start_time               timestamp when the session started
    finish_time              timestamp when the session finished; the API may leave it out
    audience_id              text      the audience the participant came from
    removed_at               timestamp when it was found missing from its test's listing; null: it is there
    listing_mark             text      changes with the session's row in the listing
    extra_json               json      what came and has no column, under the API's names

session_details | GET /api/v3/sessionResults/{sessionId} | a session whose details were fetched
    session_id!              text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    participant_id:sessionParticipant.participantId text the participant; treat it as personal data
    audience_id              text      the audience the participant came from
    test_plan_id             text      the test plan
    start_time               timestamp when the session started, as listed
    finish_time              timestamp when the session finished, as listed
    listing_mark             text      changes with the session's row in the listing
    extracted_at             timestamp when this row was fetched
    extra_json               json      what came and has no column, under the API's names

session_details__demographics | GET /api/v3/sessionResults/{sessionId} | a demographic answer
    session_id               text      the session
    participant_id           text      the participant; treat it as personal data
    demographic_id:id        text      the demographic question
    demographic_code:code    text      such as GENDER or AGE_GROUP; an open set
    label                    text      the question
    value                    text      the answer; several are joined by commas, and one may hold commas too
    type                     text      DEMOGRAPHIC_QUESTION_TYPE_SINGLE or _MULTIPLE
    extra_json               json      what came and has no column, under the API's names

session_details__task_groups | GET /api/v3/sessionResults/{sessionId} | a task group of a session
    session_id               text      the session
    participant_id           text      the participant; treat it as personal data
    task_group_uuid:uuid     text      the task group
    task_group_type:type     text      QX_SCORE, BALANCED_COMPARISON, or a newer one
    task_group_response:response json      as the API sent it: {score: 0 to 100} or {sequence: 'BA'}
    score                    double    derived: the participant's QXscore, 0 to 100
    sequence                 text      derived: AB or BA, the order of a balanced comparison
    extra_json               json      what came and has no column, under the API's names

session_details__tasks | GET /api/v3/sessionResults/{sessionId} | a task of a session, with its answer
    session_id               text      the session
    participant_id           text      the participant; treat it as personal data
    task_number              bigint    position in the API's list of tasks, from 1
    task_uuid:uuid           text      the task; the same in every session of the test
    task_text:text           text      the prompt
    task_type:type           text      RATING_SCALE, NPS, MULTIPLE_CHOICE, ...; an open set
    start_time_ms:response.startTimeMs bigint when the task started, ms since the session's start
    end_time_ms:response.endTimeMs bigint when the task ended, ms since the session's start
    skipped:response.skipped bool the participant, or the test's logic, skipped the task
    answer_json:response.answer json the answer as the API sent it; its inside is undocumented
    answered                 bool      derived: not skipped, and the answer holds something
    answer_kind              text      derived: rating_scale, nps, ...; 'multiple' when several came
    answer_number            double    derived: the rating or the NPS answer (0 to 10)
    answer_scale_max         double    derived: the highest rating possible
    answer_success           bool      derived: a navigation task was completed
    answer_text              text      derived: what was written or said, or the chosen labels joined by '; '
    extra_json               json      what came and has no column, under the API's names

session_details__tasks__answer_options | GET /api/v3/sessionResults/{sessionId} | a chosen option or rank
    session_id               text      the session
    participant_id           text      the participant; treat it as personal data
    task_uuid                text      the task
    position                 bigint    the rank, else the order in the answer, from 1
    label                    text      the option, or the row of a matrix
    value                    text      the option's own value, or what was chosen in the row of a matrix

session_details__tasks__offered_options | GET /api/v3/sessionResults/{sessionId} | an option offered, if told
    session_id               text      the session
    participant_id           text      the participant; treat it as personal data
    task_uuid                text      the task
    position                 bigint    the order in the offer, from 1
    label                    text      the option

transcripts | GET /api/v2/sessionResults/{sessionId}/transcript | the transcript of a session
    session_id!              text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    finish_time              timestamp when the session finished, as it was listed then
    transcript_vtt           text      the WebVTT file as it came
    transcript_plain_text    text      the words alone, a line per cue
    cue_count                bigint    number of cues that could be read
    dropped_cues             bigint    number of cues that could not be read; transcript_vtt has their words
    extracted_at             timestamp when this row was fetched

transcripts__cues | GET /api/v2/sessionResults/{sessionId}/transcript | a cue of a transcript
    session_id               text      the session
    start_ms                 bigint    ms since the recording's start
    end_ms                   bigint    ms since the recording's start
    speaker                  text      who speaks; null when the transcript does not say
    text                     text      what is said

transcripts__chunks | GET /api/v2/sessionResults/{sessionId}/transcript | a piece of a transcript
    session_id               text      the session
    start_ms                 bigint    ms since the recording's start
    end_ms                   bigint    ms since the recording's start
    text                     text      what is said, a line per cue; pieces end at cue borders

qx_scores | GET /api/v2/testResults/{testId}/qxScores | a change of a test's QXscore
    test_id!                 text      the test (a 'study' in the v1 API)
    task_group_id!           text      the task group
    label                    text      the task group's label
    qx_score                 double    0 to 100, over all completed sessions
    behavioral:components.behavioral double behavioural component, 0 to 100
    attitudinal:components.attitudinal double attitudinal component, 0 to 100
    usability:values.usability double 0 to 100
    trust:values.trust double 0 to 100
    appearance:values.appearance double 0 to 100
    loyalty:values.loyalty double 0 to 100
    behavioral_values:values.behavioral json the behavioural values by position, 0 to 100, without task ids
    completes                bigint    completed sessions behind the scores
    extracted_at!            timestamp when the scores were fetched
    extra_json               json      what came and has no column, under the API's names

session_videos | GET /api/v2/sessionResults/{sessionId}/videoDownloadUrl | a video that was downloaded
    session_id!              text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    finish_time              timestamp when the session finished, as it was listed then
    video_storage_path       text      where it was stored; never the vendor's URL
    size_bytes               bigint    bytes
    sha256                   text      of the stored file, in hexadecimal
    content_type             text      as the download said
    downloaded_at            timestamp when the download was complete

clips | GET /api/v2/sessionResults/{sessionId}/clips | a clip of a session's video, without media
    clip_uuid!:uuid          text      the clip
    session_id               text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    finish_time              timestamp when the session finished, as it was listed then
    name                     text      the clip's name
    description              text      the clip's description
    time_start_ms            bigint    ms since the video's start
    time_end_ms              bigint    ms since the video's start
    video_uuid               text      the video
    has_audio                bool      the clip has sound
    has_camera               bool      the clip has the participant's camera
    layout                   json      main stream and picture-in-picture, as the API sent them
    extra_json               json      what came and has no column, under the API's names

highlight_reels | GET /api/v2/testResults/{testId}/highlightreels | a highlight reel of a test, without media
    reel_uuid!:uuid          text      the reel
    test_id                  text      the test (a 'study' in the v1 API)
    name                     text      the reel's name
    duration_ms              bigint    ms
    last_updated_at          timestamp when the reel was changed
    num_clips                bigint    clips in the reel
    are_all_clips_in_reel    bool      the reel holds every clip of the test
    extra_json               json      what came and has no column, under the API's names

load_issues | this source | something that could not be loaded, or is waited for
    issue_id!                text      resource/test_id/session_id, with * for a whole test
    resource                 text      the resource that met the issue
    test_id                  text      the test (a 'study' in the v1 API)
    session_id               text      the session; null for a whole test
    status                   text      waiting, failed, given_up or resolved
    message                  text      cause and remedy
    attempts                 bigint    requests spent so far
    first_seen_at            timestamp when it was met first
    last_tried_at            timestamp when it was tried last
    resolved_at              timestamp when it was settled; null while the issue is open

load_runs | this source | a run of `load`, or a poll of a watch; of those without news at most one an hour
    run_id!                  text      the run, or the poll
    pipeline                 text      the dlt pipeline that ran
    started_at               timestamp when it began
    ended_at                 timestamp when it ended
    outcome                  text      loaded, nothing_new, incomplete (something failed), stopped (work is left), error
    requests                 bigint    requests sent, retries included
    rows_loaded              bigint    rows loaded, of all tables
    items_left               bigint    items known to be due and not asked for
    error                    text      what ended it early; null: nothing did
"""

# Not loaded, but written by the alerts, into the same dataset.
_WRITTEN = """
alerts | the alerts | a signal that is told to a channel, once
    alert_key!               text      rule, session, task and channel: each is told once
    message_key              text      signals of one message share it
    rule_id                  text      the rule that fired
    severity                 text      low, medium or high
    session_id               text      the session
    test_id                  text      the test (a 'study' in the v1 API)
    task_uuid                text      the task; null where the rule is about the session
    channel                  text      slack or jira
    status                   text      pending (perhaps sent), sent, failed, or baseline (bookkeeping, no alert)
    attempts                 bigint    how often it was tried
    finish_time              timestamp when the session finished
    created_at               timestamp when the rule fired
    tried_at                 timestamp when it was tried last
    sent_at                  timestamp when the channel took it
    external_id              text      what the channel calls it: the Jira issue's key
    last_error               text      why it could not be sent
    loaded_until             timestamp up to which load sessions were looked at; of baseline rows
"""


EXTRA = "extra_json"
"""The column, of every table whose rows the API describes, for what no other column holds."""


@dataclass(frozen=True)
class Column:
    """
    One column.

    Attributes:
        name: in snake case.
        path: where the API has it, unless it is derived: a field, or an object and a field in it.
        data_type: dlt's.
        description: what it holds, with its unit.
        is_key: whether it is part of the key.

    """

    name: str
    path: tuple[str, ...]
    data_type: str
    description: str
    is_key: bool


@dataclass(frozen=True)
class Table:
    """One table: the endpoint its rows come from, what a row is, and its columns in order."""

    name: str
    endpoint: str
    description: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart; none for child tables."""
        return tuple(column.name for column in self.columns if column.is_key)


def _column(line: str) -> Column:
    marked, data_type, description = line.split(None, 2)
    name, _, field = marked.replace("!", "").partition(":")
    return Column(name, tuple((field or camel(name)).split(".")), data_type, description, "!" in marked)


def _tables(spec: str) -> Iterator[Table]:
    for block in spec.strip().split("\n\n"):
        opening, *lines = block.splitlines()
        name, endpoint, description = (part.strip() for part in opening.split("|"))
        yield Table(name, endpoint, description, tuple(_column(line) for line in lines))


TABLES: dict[str, Table] = {table.name: table for table in _tables(_SPEC)}
WRITTEN: dict[str, Table] = {table.name: table for table in _tables(_WRITTEN)}


def columns(table: str) -> dict[str, dict[str, Any]]:
    """The column hints of one table, in the form of dlt's `columns` argument."""
    return {
        column.name: {
            "name": column.name,
            "data_type": column.data_type,
            "nullable": not column.is_key,
            "description": column.description,
        }
        for column in TABLES[table].columns
    }


def nested_hints(table: str) -> dict[str | tuple[str, ...], dict[str, Any]]:
    """
    The hints of the child tables of `table`, in the form of dlt's `nested_hints` argument.

    Without keys: a key on a child table makes it a root of its own, and dlt would no longer clean it up.
    """
    children = [tuple(name.split("__")[1:]) for name in TABLES if name.startswith(f"{table}__")]
    return {path if len(path) > 1 else path[0]: {"columns": columns("__".join((table, *path)))} for path in children}


def hints(table: str) -> dict[str, Any]:
    """
    What dlt has to know about a root table: the arguments `primary_key`, `columns` and `nested_hints` of
    `@dlt.resource`, `apply_hints` or `dlt.mark.make_hints`.
    """
    return {
        "primary_key": list(TABLES[table].key),
        "columns": columns(table),
        "nested_hints": nested_hints(table),
    }


def propagation(table_name: Callable[[str], str] = str) -> dict[str, Any]:
    """
    The configuration of dlt's relational normaliser that copies ids from root rows into child rows.

    For `DataItemNormalizer.update_normalizer_config(schema, propagation())`. A new dict at each call: dlt
    keeps and changes the one it is given. Of its names dlt normalises the columns only, so `table_name` says what
    the naming convention calls a table.
    """
    return {
        "propagation": {
            "tables": {
                table_name("session_details"): {"session_id": "session_id", "participant_id": "participant_id"},
                table_name("transcripts"): {"session_id": "session_id"},
            }
        }
    }
