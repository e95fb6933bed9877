"""
WebVTT -> cues, plain text, chunks (`GET /api/v2/sessionResults/{sessionId}/transcript`).

The API says "WebVTT 1.0"; whatever that allows is read: identifiers, settings, notes, styles, voice tags, a
byte order mark, any line ends, times without hours.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"</?(?:[a-z]+|\d[\d:.]*)(?:[.\s][^>]*)?>", re.IGNORECASE)


class Cue(NamedTuple):
    """What one voice says at a time; times in ms since the recording's start."""

    start_ms: int
    end_ms: int
    speaker: str | None
    text: str


class Chunk(NamedTuple):
    """Several cues in a row as one text, a line per cue."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Transcript:
    """
    A transcript as read.

    Attributes:
        cues: those with words, in the file's order; where several voices share one, one per voice.
        plain_text: a line per cue, without times; "Name: " opens a line where the speaker changes.
        dropped: timing lines that could not be read as a cue.

    """

    cues: tuple[Cue, ...]
    plain_text: str
    dropped: int


def parse(vtt: str) -> Transcript:
    """
    Read a WebVTT file; a bare header gives a transcript without cues.

    Raises:
        ValueError: when `vtt` is no WebVTT.

    """
    try:
        captions = webvtt.from_string(vtt).captions
    except (MalformedFileError, MalformedCaptionError) as error:
        raise ValueError("the transcript is no WebVTT: it does not start with WEBVTT") from error
    cues = tuple(cue for caption in captions for cue in _cues(caption))
    dropped = sum("-->" in line for line in vtt.splitlines()) - len(captions)
    return Transcript(cues, "\n".join(_lines(cues)), max(dropped, 0))


def is_bare(vtt: str) -> bool:
    """Whether a WebVTT file is nothing but its first line."""
    first, *rest = vtt.lstrip("\ufeff").splitlines() or [""]
    return first.split()[:1] == ["WEBVTT"] and not any(line.strip() for line in rest)


def _cues(caption: webvtt.Caption) -> Iterator[Cue]:
    """One cue per voice of `caption`; what holds no words is no cue."""
    start, end = caption.start_time.in_milliseconds(), caption.end_time.in_milliseconds()
    opening, *voices = _VOICE.split(caption.raw_text)
    for name, words in [("", opening), *zip(voices[::2], voices[1::2], strict=True)]:
        if text := _clean(words):
            yield Cue(start, end, _clean(name) or None, text)


def _clean(text: str) -> str:
    """`text` on one line, without tags, with entities such as `&amp;` read."""
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def _lines(cues: Sequence[Cue]) -> Iterator[str]:
    speakers = [None, *(cue.speaker for cue in cues)]
    for cue, before in zip(cues, speakers, strict=False):
        yield _line(cue, before)


def _line(cue: Cue, before: str | None) -> str:
    return cue.text if cue.speaker in (None, before) else f"{cue.speaker}: {cue.text}"


def chunks(cues: Iterable[Cue], max_chars: int) -> list[Chunk]:
    """
    The cues joined into texts of at most `max_chars` characters, each cue in exactly one of them.

    A chunk ends where a cue ends; a cue longer than `max_chars` is a chunk of its own. Speakers are named
    as in the plain text, and again at the start of each chunk.
    """
    grouped: list[Chunk] = []
    speaker: str | None = None
    for cue in cues:
        line = _line(cue, speaker)
        if grouped and len(grouped[-1].text) + 1 + len(line) <= max_chars:
            start, end, text = grouped.pop()
            grouped.append(Chunk(start, max(end, cue.end_ms), f"{text}\n{line}"))
        else:
            grouped.append(Chunk(cue.start_ms, cue.end_ms, _line(cue, None)))
        speaker = cue.speaker
    return grouped
