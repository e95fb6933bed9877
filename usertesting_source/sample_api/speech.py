"""Transcripts: what participants said during each task, as WebVTT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

from .story import Step, chance, steps
from .studies import LIVE, Session, Study

_CALM = (
    "Let me see.",
    "Alright, next one.",
    "I am reading the small print now.",
    "My phone would show this a bit differently, I guess.",
    "I usually go straight to the reviews.",
    "There is a little arrow here, let me try that.",
    "Okay, that makes sense.",
    "I have seen something like this in other shops.",
    "Okay, let me read this first.",
    "So I am just scrolling down to see what else is here.",
    "That is about what I expected.",
    "I like that there is not too much text.",
    "Right, I would click on this one.",
    "The pictures load quickly, that is nice.",
    "I can see the price straight away, good.",
    "Let me go back to the top for a second.",
    "This looks clean and easy to read.",
    "I think I have everything I need here.",
)
_ANNOYED = (
    "Where would that be?",
    "No, that is not it either.",
    "Okay, back again.",
    "I expected something to happen now.",
    "Maybe it is me, but I find this hard to read.",
    "I have been here before, have I not?",
    "Hmm, I do not see it anywhere.",
    "This is confusing, where did the menu go?",
    "I have clicked this three times now and nothing happens.",
    "Honestly, at this point I would give up and go to another shop.",
    "That is frustrating, it put me back at the start.",
    "I am not sure what this button is supposed to do.",
    "Why do they hide the delivery cost until the very end?",
    "Wait, did it just empty my basket?",
    "It keeps loading and loading.",
    "The terms & conditions are not what I was looking for.",
)
_ASKED = (
    "Could you tell me more about that?",
    "What did you expect to happen?",
    "And how did you feel at that moment?",
    "What would you do next?",
)


@dataclass(frozen=True)
class Cue:
    """A caption: times in ms since the session started."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str = ""


def transcript(study: Study, session: Session) -> str:
    """The transcript of a session in WebVTT."""
    if session.transcript is not None:
        return session.transcript
    cues = list(spoken(study, session))
    return _rich(cues) if study.rich_vtt else _plain(cues)


def spoken(study: Study, session: Session) -> Iterator[Cue]:
    """What was said, in order of time. A live conversation has a moderator who asks."""
    rng = chance(study, session, "speech")
    fillers = {True: _shuffled(_CALM, rng), False: _shuffled(_ANNOYED, rng)}
    for step in steps(study, session):
        if step.reached:
            yield from _during(step, rng, fillers[step.well], moderated=study.kind == LIVE)


def _shuffled(sentences: tuple[str, ...], rng: Random) -> Iterator[str]:
    """All sentences in another order, again and again: nobody says the same thing twice in a row."""
    return cycle(rng.sample(sentences, len(sentences)))


def _during(step: Step, rng: Random, fillers: Iterator[str], moderated: bool) -> Iterator[Cue]:
    speaker = "Participant" if moderated else ""
    lines = [(speaker, line) for line in _lines(step, rng, fillers)]
    if moderated:
        lines = [("Moderator", step.task.text), *lines, ("Moderator", rng.choice(_ASKED))]
    room = (step.end_ms - step.start_ms) / len(lines)
    for number, (who, line) in enumerate(lines):
        start = step.start_ms + number * room
        spoken_for = min(0.9 * room, 900 + 70 * len(line))
        yield Cue(int(start), int(start + spoken_for), line, who)


def _lines(step: Step, rng: Random, fillers: Iterator[str]) -> list[str]:
    """Sentences about the task among sentences that people say at any time."""
    about = list(step.task.praise if step.well else step.task.complaints)
    anytime = list(islice(fillers, rng.randint(2, 3)))
    return anytime[:1] + rng.sample(about, min(len(about), rng.randint(2, 3))) + anytime[1:]


def _plain(cues: list[Cue]) -> str:
    blocks = (f"{_clock(cue.start_ms)} --> {_clock(cue.end_ms)}\n{_voiced(cue)}" for cue in cues)
    return "WEBVTT\n\n" + "\n\n".join(blocks) + "\n"


def _rich(cues: list[Cue]) -> str:
    head = "\ufeffWEBVTT - recorded\n\nNOTE\nmachine transcription\n\n"
    settings = "align:start position:10%"
    blocks = (
        f"cue-{number}\n{_short_clock(cue.start_ms)} --> {_short_clock(cue.end_ms)} {settings}\n"
        f"{_voiced(Cue(0, 0, cue.text, cue.speaker or 'Speaker 1'))}"
        for number, cue in enumerate(cues, 1)
    )
    return (head + "\n\n".join(blocks) + "\n").replace("\n", "\r\n")


def _voiced(cue: Cue) -> str:
    text = cue.text.replace("&", "&amp;").replace("<", "&lt;")
    return f"<v {cue.speaker}>{text}" if cue.speaker else text


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{_minutes(ms)}"


def _short_clock(ms: int) -> str:
    return _clock(ms) if ms >= 3_600_000 else _minutes(ms)


def _minutes(ms: int) -> str:
    return f"{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
