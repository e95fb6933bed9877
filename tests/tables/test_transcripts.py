"""WebVTT as the standard allows it, read into cues, text and chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.tables.transcripts import Chunk, Cue, chunks, parse


def test_cues_have_times_speakers_and_text() -> None:
    """A cue is read with its times in ms, its voice, and its words without tags, entities or line ends."""
    vtt = "WEBVTT\n\n00:00:01.250 --> 01:00:02.003\n<v Ann Lee>Tom &amp; <i>Jerry</i>\nrun &lt;fast&gt;</v>\n"
    assert parse(vtt).cues == (Cue(1250, 3_602_003, "Ann Lee", "Tom & Jerry run <fast>"),)


def test_everything_that_the_standard_allows_is_read() -> None:
    """A byte order mark, any line ends, identifiers, settings, notes, styles and short times are accepted."""
    vtt = (
        "\ufeffWEBVTT - made up\r\nKind: captions\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE a remark\r\n\r\n"
        "intro\r\n00:01.000 --> 00:02.000 align:start position:0%\r\nFirst\r\n\r\n"
        "2\r\n00:02.000 --> 00:03.500\r\n<00:02.500><c.loud>Second</c>\r\n"
    )
    transcript = parse(vtt)
    assert transcript.cues == (Cue(1000, 2000, None, "First"), Cue(2000, 3500, None, "Second"))
    assert transcript.dropped == 0


def test_two_voices_in_one_cue_are_two_cues() -> None:
    """Where several people speak in one cue, each has a row with the cue's times."""
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.first Moderator>And then?</v>\n<v Participant>I left.\n"
    assert parse(vtt).cues == (
        Cue(1000, 2000, "Moderator", "And then?"),
        Cue(1000, 2000, "Participant", "I left."),
    )


def test_plain_text_names_a_speaker_when_the_speaker_changes() -> None:
    """The plain text is a line per cue; the name opens the line when somebody else begins to speak."""
    spoken = [("Ann", "Hello."), ("Ann", "Ready?"), ("Bo", "Yes."), ("Ann", "Go.")]
    blocks = [f"00:0{i}.000 --> 00:0{i}.900\n<v {name}>{text}" for i, (name, text) in enumerate(spoken)]
    assert parse("\n\n".join(["WEBVTT", *blocks])).plain_text == "Ann: Hello.\nReady?\nBo: Yes.\nAnn: Go."


def test_words_that_look_like_arithmetic_are_kept() -> None:
    """Only tags are taken out of the text, not everything between two signs."""
    assert parse("WEBVTT\n\n00:01.000 --> 00:02.000\nif 3 < 4 and 5 > 4\n").cues[0].text == "if 3 < 4 and 5 > 4"


def test_a_bare_header_is_an_empty_transcript() -> None:
    """A transcript without cues is empty, not an error."""
    transcript = parse("WEBVTT")
    assert (transcript.cues, transcript.plain_text, transcript.dropped) == ((), "", 0)


def test_cues_that_cannot_be_read_are_counted() -> None:
    """A cue with broken times is left out, and the number left out is told."""
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nGood\n\n00:xx.000 --> 00:03.000\nBad\n\n00:70.000 --> 00:80.000\nBad"
    transcript = parse(vtt)
    assert ([cue.text for cue in transcript.cues], transcript.dropped) == (["Good"], 2)


@pytest.mark.parametrize("body", ["", "<html>Sign in</html>", '{"message": "Not Found"}', "1\n00:01 --> 00:02\nHi"])
def test_what_is_no_webvtt_is_refused(body: str) -> None:
    """A body that does not start as WebVTT raises a ValueError that does not repeat it."""
    with pytest.raises(ValueError, match="no WebVTT") as caught:
        parse(body)
    assert not body or body not in str(caught.value)


def test_chunks_end_where_cues_end() -> None:
    """Cues are joined while they fit; one that is too long is a chunk of its own."""
    cues = [Cue(0, 1, None, "aa"), Cue(1, 2, None, "bb"), Cue(2, 3, None, "c" * 9), Cue(3, 4, None, "d")]
    assert chunks(cues, 5) == [Chunk(0, 2, "aa\nbb"), Chunk(2, 3, "c" * 9), Chunk(3, 4, "d")]


def test_each_chunk_says_who_speaks() -> None:
    """A chunk can be read alone: its first line names the speaker again."""
    cues = [Cue(0, 1, "Ann", "one"), Cue(1, 2, "Ann", "two"), Cue(2, 3, "Ann", "three")]
    assert [chunk.text for chunk in chunks(cues, 12)] == ["Ann: one\ntwo", "Ann: three"]


_WORDS = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="<>&"), min_size=1, max_size=12)
_NAMES = st.none() | st.sampled_from(["Ann", "Bo"])
_TIMES = st.integers(0, 10**7)
_CUES = st.lists(
    st.builds(
        lambda at, length, name, words: Cue(at, at + length, name, words),
        _TIMES,
        _TIMES,
        _NAMES,
        _WORDS,
    ),
    max_size=12,
)


@given(_CUES, st.integers(1, 60))
def test_chunks_hold_every_cue_once_and_in_order(cues: list[Cue], max_chars: int) -> None:
    """All words are in exactly one chunk, in order; only single cues may be too long; times span the cues."""
    made = chunks(cues, max_chars)
    lines = [line for chunk in made for line in chunk.text.split("\n")]
    assert len(lines) == len(cues)
    assert all(line.endswith(cue.text) for line, cue in zip(lines, cues, strict=True))
    assert all(len(chunk.text) <= max_chars or "\n" not in chunk.text for chunk in made)
    assert {cue.end_ms for cue in cues} >= {chunk.end_ms for chunk in made}


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


@given(_CUES)
def test_what_is_written_as_webvtt_is_read_back(cues: list[Cue]) -> None:
    """Cues written as WebVTT come back with the same times, voices and words, and none is dropped."""
    blocks = [
        f"{_clock(cue.start_ms)} --> {_clock(cue.end_ms)}\n{f'<v {cue.speaker}>' if cue.speaker else ''}{cue.text}"
        for cue in cues
    ]
    transcript = parse("\n\n".join(["WEBVTT", *blocks]))
    assert list(transcript.cues) == cues
    assert transcript.dropped == 0


@given(st.text(max_size=200))
def test_no_body_raises_anything_else(body: str) -> None:
    """Whatever follows the header, reading gives a transcript."""
    transcript = parse("WEBVTT\n\n" + body)
    assert all(cue.text for cue in transcript.cues)
    assert transcript.plain_text.count("\n") == max(len(transcript.cues) - 1, 0)
