"""Where a test went badly, and in whose words. Pure: takes what `results` read, returns what a page shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .keyness import KeyWord, key_words, words

Row = Mapping[str, Any]
_BySession = Mapping[str, Sequence[Row]]

LEAST_SHARE = 0.1
A_GROUP = 3
"""From so many people on, their words are compared with those of others."""

QUOTES = 6
LONGEST = 320
"""Characters of a quote."""

RULE = (
    "A task is here when at least one in ten of those who reached it failed it, rated it in the lowest two fifths of"
    " its scale, or gave it an NPS of 6 or less."
)


@dataclass(frozen=True)
class Quote:
    """
    What one of the people in trouble said or wrote.

    Attributes:
        how: said, or written.
        at_ms: when, in ms since the session's or the recording's start; None: unknown.
        what: what went wrong for this person.
        about: the place of another task in which it was written; None: it was in this one.

    """

    session_id: str
    participant_id: str | None
    text: str
    how: str
    at_ms: int | None
    what: str
    about: int | None = None


@dataclass(frozen=True)
class BadTask:
    """A task that went badly: its row of `task_kpis`, how many people of those who reached it, and their words."""

    task: Row
    troubled: int
    reached: int
    quotes: list[Quote]


def bad_tasks(tasks: Sequence[Row], troubled: Sequence[Row], said: _BySession, written: _BySession) -> list[BadTask]:
    """The tasks that went badly by `RULE`, the worst first."""
    by_task: defaultdict[str, list[Row]] = defaultdict(list)
    for row in troubled:
        by_task[row["task_uuid"]].append(row)
    found = (_bad_task(task, by_task[task["task_uuid"]], said, written) for task in tasks)
    bad = [one for one in found if one.troubled and one.troubled >= LEAST_SHARE * one.reached]
    return sorted(bad, key=lambda one: (-one.troubled / max(one.reached, 1), one.task["task_position"]))


def _bad_task(task: Row, rows: Sequence[Row], said: _BySession, written: _BySession) -> BadTask:
    sessions = {row["session_id"] for row in rows}
    quotes: list[Quote] = []
    for row in rows:
        quotes += list(_quotes(row, said.get(row["session_id"], ()), written.get(row["session_id"], ())))
    return BadTask(task, len(sessions), int(task["reached"] or 0), _each_once(quotes))


def _quotes(row: Row, said: Sequence[Row], written: Sequence[Row]) -> Iterable[Quote]:
    """What the person said during the task, what they wrote in it, or else in the next task that asked for words."""
    ids = {"session_id": row["session_id"], "participant_id": row["participant_id"], "what": what_went_wrong(row)}
    own = [one for one in written if one["task_uuid"] == row["task_uuid"]]
    later = [one for one in written if one["task_position"] > row["task_position"]]
    for one in own:
        yield Quote(**ids, text=_short(one["words"]), how=one["source"], at_ms=one["start_time_ms"])
    start, end = row["start_time_ms"], row["end_time_ms"]
    cues = [cue for cue in said if start is not None and end is not None and start <= cue["start_ms"] < end]
    if cues:
        text = " ".join(cue["text"] for cue in cues if cue["text"])
        yield Quote(**ids, text=_short(text), how="said", at_ms=cues[0]["start_ms"])
    if not own and not cues and later:
        one = later[0]
        told = {"text": _short(one["words"]), "how": one["source"], "at_ms": one["start_time_ms"]}
        yield Quote(**ids, **told, about=one["task_position"])


def what_went_wrong(row: Row) -> str:
    """In a few words: failed, rated 2 of 5, NPS 3."""
    if row["outcome"] == "failed":
        return "failed"
    if row["answer_kind"] == "nps":
        return f"NPS {row['answer_number']:g}"
    return f"rated {row['answer_number']:g} of {row['answer_scale_max']:g}"


def _each_once(quotes: Sequence[Quote]) -> list[Quote]:
    """At most `QUOTES`, a person after the other before anybody has a second one, no text twice."""
    seen: set[str] = set()
    turns: defaultdict[str, int] = defaultdict(int)
    kept: list[tuple[int, Quote]] = []
    for quote in quotes:
        if quote.text and quote.text not in seen:
            seen.add(quote.text)
            kept.append((turns[quote.session_id], quote))
            turns[quote.session_id] += 1
    return [quote for _, quote in sorted(kept, key=lambda pair: pair[0])[:QUOTES]]


def _short(text: str) -> str:
    """On one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    return line[:LONGEST].rsplit(" ", 1)[0].rstrip(",.;:") + " …"


@dataclass(frozen=True)
class Vocabulary:
    """The words of those in trouble against those of the others; how many people each group is."""

    who: str
    here: int
    there: int
    words: list[KeyWord]


def vocabulary(troubled: Sequence[Row], said: Mapping[str, Sequence[str]]) -> Vocabulary:
    """What those who failed say that the others do not; where these are too few, all who were in trouble."""
    failed = {row["session_id"] for row in troubled if row["outcome"] == "failed"} & said.keys()
    is_group = len(failed) >= A_GROUP
    who = "who failed a task" if is_group else "who failed a task or rated something low"
    group = failed if is_group else {row["session_id"] for row in troubled}
    here = [words(texts) for session, texts in said.items() if session in group]
    there = [words(texts) for session, texts in said.items() if session not in group]
    return Vocabulary(who, len(here), len(there), key_words(here, there) if here and there else [])
