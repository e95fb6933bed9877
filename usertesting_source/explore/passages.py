"""
What was said and written, in pieces that a reader takes in at a glance: an answer, or some sentences said in a row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from .reading import Data

SAID, WRITTEN = "said", "written"
LONGEST = 500
"""Characters of a passage that was said; it ends with the cue that passes this."""

_ANSWERS = """
select v.session_id, v.test_id, v.participant_id, v.task_uuid, v.task_number, v.task_text, v.words as text,
       t.start_time_ms as at_ms
from verbatims as v
join session_details__tasks as t on t.session_id = v.session_id and t.task_uuid = v.task_uuid
where trim(v.words) <> '' and v.session_id in (select unnest(string_split(?, ' ')))
order by v.session_id, v.task_number
"""
_CUES = """
select c.session_id, v.test_id, d.participant_id, c.start_ms, c.end_ms, c.speaker, c.text,
       t.task_uuid, t.task_number, t.task_text
from transcripts__cues as c
join transcripts as v on v.session_id = c.session_id
left join session_details as d on d.session_id = c.session_id
left join session_details__tasks as t on t.session_id = c.session_id
    and (c.start_ms + c.end_ms) / 2 >= t.start_time_ms and (c.start_ms + c.end_ms) / 2 < t.end_time_ms
where trim(c.text) <> '' and c.session_id in (select unnest(string_split(?, ' ')))
qualify row_number() over (partition by c.session_id, c.start_ms, c.end_ms, c.text order by t.task_number desc) = 1
order by c.session_id, c.start_ms
"""


@dataclass(frozen=True)
class Passage:
    """
    A piece of text with its person and place.

    Attributes:
        kind: `said` or `written`.
        places: where in the text its cues begin, and the ms since the recording's start at which they do; for an
            answer, when its task began.

    """

    kind: str
    session_id: str
    test_id: str
    participant_id: str | None
    task_uuid: str | None
    task_number: int | None
    task_text: str | None
    text: str
    places: Sequence[tuple[int, int | None]] = field(default_factory=tuple)

    def at_ms(self, position: int) -> int | None:
        """When the character at `position` was said."""
        return at_ms(self.places, position)


def at_ms(places: Sequence[tuple[int, int | None]], position: int) -> int | None:
    """The moment that belongs to a character, of `Passage.places`."""
    if not places:
        return None
    starts = [start for start, _ in places]
    return places[max(bisect_right(starts, position) - 1, 0)][1]


def passages(data: Data, session_ids: Sequence[str]) -> Iterator[Passage]:
    """All that was said and written in these sessions, removed ones left out."""
    ids = " ".join(session_ids)  # a list would be looked into element by element, a hundred times as long
    for row in data.rows(_ANSWERS, ids):
        yield _passage(WRITTEN, row, row["text"], [(0, row["at_ms"])])
    cues = data.rows(_CUES, ids)
    for _, together in groupby(cues, key=lambda cue: (cue["session_id"], cue["task_uuid"])):
        yield from _said(together)


def _said(cues: Iterable[Mapping[str, Any]]) -> Iterator[Passage]:
    text, places, first = "", [], None
    for cue in cues:
        first = first or cue
        places.append((len(text), cue["start_ms"]))
        text += cue["text"]
        if len(text) >= LONGEST:
            yield _passage(SAID, first, text, places)
            text, places, first = "", [], None
        else:
            text += " "
    if first is not None:
        yield _passage(SAID, first, text.rstrip(), places)


def _passage(kind: str, row: Mapping[str, Any], text: str, places: Sequence[tuple[int, int | None]]) -> Passage:
    told = {name: row[name] for name in ("session_id", "test_id", "participant_id", "task_uuid")}
    return Passage(kind, **told, task_number=row["task_number"], task_text=row["task_text"], text=text, places=places)
