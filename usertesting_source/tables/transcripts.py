"""
WebVTT -> cues, plain text, chunks (`GET /api/v2/sessionResults/{sessionId}/transcript`).

The API says "WebVTT 1.0"; whatever that allows is read: identifiers, settings, notes, styles, voice tags, a
byte order mark, any line ends, times without hours. So is what is plain without being allowed: times with a comma,
without milliseconds or with 60 seconds, and arrows in the text. What cannot be read is counted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

_LINE_END = re.compile(r"\r\n|\r|\n")
_TIME = r"(?:(\d{1,9}):)?(\d{1,4}):(\d{1,4})(?:[.,](\d+))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?![\d:.,])", re.ASCII)
_BLANK = re.compile(r"\n{2,}")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?!\S)|\s*\Z")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]*)>")
_TAG = re.compile(
    # each part ends where the next one begins, so that a text full of brackets is read once
    r"</?(?:(?:c|i|b|u|s|v|ruby|rt|lang|em|strong|br|p|span|font)(?:[.\s/][^<>]*)?|\d[\d:.]*(?:[\s/][^<>]*)?)>",
    re.IGNORECASE,
)


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
        dropped: how often words, or times, stood where no cue could be read.

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
    header, *blocks = _blocks(vtt)
    read = [_readable(block) for block in blocks]
    try:
        captions = webvtt.from_string("\n\n".join([header, *(text for text, _ in read)])).captions
    except (MalformedFileError, MalformedCaptionError) as error:
        raise ValueError("it is no WebVTT, which starts with WEBVTT") from error
    cues = tuple(cue for caption in captions for cue in _cues(caption))
    return Transcript(cues, "\n".join(_lines(cues)), dropped=sum(dropped for _, dropped in read))


def is_bare(vtt: str) -> bool:
    """Whether a file is the header of a WebVTT file and nothing else: its transcript is not there yet."""
    header, *blocks = _blocks(vtt)
    return header.lstrip("\ufeff").startswith("WEBVTT") and not blocks


def _blocks(vtt: str) -> list[str]:
    """The header and the blocks below it: one ends at an empty line, the header also where a cue begins."""
    head, *blocks = _BLANK.split(_LINE_END.sub("\n", vtt))
    lines = head.split("\n")
    end = next((number for number, line in enumerate(lines) if number and "-->" in line), len(lines))
    return ["\n".join(lines[:end]), *filter(None, ["\n".join(lines[end:]), *(block.strip("\n") for block in blocks)])]


def _readable(block: str) -> tuple[str, int]:
    """A block as `webvtt` reads it, which is strict about times and arrows; and how many cues it lacks (0 or 1)."""
    lines = block.split("\n")
    timings = [_TIMING.match(line) for line in lines]
    above = next((number for number, timing in enumerate(timings) if timing), len(lines))
    has_identifier = above == 1 < len(lines)
    dropped = above > 0 and not has_identifier and not _NO_CUE.match(block)
    pairs = zip(lines, timings, strict=True)
    written = (_timing(timing) if timing else line.replace("-->", "--&gt;") for line, timing in pairs)
    return "\n".join(written), int(dropped)


def _timing(found: re.Match[str]) -> str:
    """The times as the standard has them, without the settings behind them."""
    numbers = found.groups()
    return f"{_clock(*numbers[:4])} --> {_clock(*numbers[4:])}"


def _clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> str:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{(fraction or '')[:3]:0<3}"


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
