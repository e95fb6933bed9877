"""WebVTT as the standard allows it, read into cues, text and chunks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.tables.transcripts import Chunk, Cue, chunks, is_bare, parse


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


@pytest.mark.parametrize(
    ("timing", "start_ms", "end_ms"),
    [
        ("00:00:01,000 --> 00:00:02,500", 1000, 2500),
        ("00:00:01 --> 00:00:02", 1000, 2000),
        ("0:01 --> 0:02", 1000, 2000),
        ("00:59.999 --> 00:60.000", 59_999, 60_000),
        ("00:00:60.000 --> 00:01:01.000", 60_000, 61_000),
        ("00:70.000 --> 00:80.000", 70_000, 80_000),
        ("75:00.000 --> 00:76:00.000", 4_500_000, 4_560_000),
        ("00:01.5 --> 00:02.1234567", 1500, 2123),
        ("00:01.000-->00:02.000", 1000, 2000),
        ("\t00:01.000 -->  00:02.000 align:start", 1000, 2000),
        ("100:00:01.000 --> 100:00:02.000", 360_001_000, 360_002_000),
    ],
)
def test_times_are_read_where_they_are_plain(timing: str, start_ms: int, end_ms: int) -> None:
    """Commas, no milliseconds, and 60 seconds or minutes (as rounding makes them) are not what the standard says."""
    transcript = parse(f"WEBVTT\n\n{timing}\nHi")
    assert (transcript.cues, transcript.dropped) == ((Cue(start_ms, end_ms, None, "Hi"),), 0)


@pytest.mark.parametrize(
    "block",
    [
        "00:01.000 --> 00:02.000\nfirst --> then",
        "00:01.000 --> 00:02.000\nfirst\n--> then",
        "a --> b\n00:01.000 --> 00:02.000\nfirst --> then",
        "00:01.000 --> 00:02.000\n<v Ann>first --> then",
        "00:01.000 --> 00:02.000\nfirst --&gt; then",
    ],
)
def test_arrows_in_the_text_are_text(block: str) -> None:
    """Only a line of two times is a cue's timing; the cues around it are read as well."""
    transcript = parse(f"WEBVTT\n\n00:00.000 --> 00:00.500\nBefore\n\n{block}\n\n00:03.000 --> 00:04.000\nAfter")
    assert [cue.text for cue in transcript.cues] == ["Before", "first --> then", "After"]
    assert transcript.dropped == 0


def test_cues_without_an_empty_line_between_them_are_cues() -> None:
    """Each timing begins a cue of its own, also right below the header."""
    transcript = parse("WEBVTT\n00:01.000 --> 00:02.000\nOne\n00:02.000 --> 00:03.000\nTwo")
    assert [cue.text for cue in transcript.cues] == ["One", "Two"]
    assert transcript.dropped == 0


@pytest.mark.parametrize(
    "bad",
    [
        "00:xx.000 --> 00:03.000\nBad",
        "00:00:01:000 --> 00:00:02:000\nBad",
        "7\n-00:01.000 --> 00:02.000\nBad",
        "--> 00:02.000\nBad",
        "Words without a time",
        "Words of an earlier cue,\nafter an empty line",
        "Two lines\nbefore the timing\n00:05.000 --> 00:06.000\nGood",
        "99999999999:00:00.000 --> 99999999999:00:01.000\nBad",
    ],
)
def test_cues_that_cannot_be_read_are_counted(bad: str) -> None:
    """A cue with broken times, or words without any, are left out, and told."""
    transcript = parse(f"WEBVTT\n\n00:01.000 --> 00:02.000\nGood\n\n{bad}\n\n00:08.000 --> 00:09.000\nGood")
    assert {cue.text for cue in transcript.cues} == {"Good"}
    assert transcript.dropped == 1


@pytest.mark.parametrize("block", ["NOTE a remark --> here", "NOTE\nseveral\nlines", "STYLE\n::cue {}", "REGION\nid:a"])
def test_what_is_no_cue_is_not_missed(block: str) -> None:
    """Notes, styles and regions hold no words of a participant."""
    assert parse(f"WEBVTT\n\n{block}\n\n00:01.000 --> 00:02.000\nHi").dropped == 0


def test_words_in_angle_brackets_are_words() -> None:
    """Only the tags of WebVTT are none: a transcriber's <inaudible> is what was said."""
    assert parse("WEBVTT\n\n00:01.000 --> 00:02.000\n<i>well</i> <inaudible>").cues[0].text == "well <inaudible>"


@pytest.mark.parametrize(
    ("vtt", "bare"),
    [
        ("WEBVTT", True),
        ("\ufeffWEBVTT - soon\r\nKind: captions\r\n\r\n", True),
        ("WEBVTT\n\n\n", True),
        ("WEBVTT\n\nNOTE nobody spoke", False),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n", False),
        ("WEBVTT\n00:01.000 --> 00:02.000\nHi", False),
        ("WEBVTT\n\nBroken", False),
        ("", False),
        ("<html>", False),
    ],
)
def test_a_bare_header_is_told_apart(vtt: str, bare: bool) -> None:
    """A file of which nothing is there yet is a header and nothing else; one with silent cues is a transcript."""
    assert is_bare(vtt) is bare


@pytest.mark.parametrize("opening", ["<v ", "<b ", "</b ", "--> ", "00:01.000 --> ", "&amp", "<00:01"])
def test_openings_without_an_end_are_text(opening: str) -> None:
    """However often somebody says one: each is looked at once, not up to the end of the text again and again."""
    [cue] = parse("WEBVTT\n\n00:01.000 --> 00:02.000\nso " + opening * 100_000).cues
    assert cue.text.startswith("so ")


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


def _uncarried(ms: int) -> str:
    """As a formatter writes it that rounds the seconds alone: 60.000 s, and minutes without end."""
    minutes = max(ms - 1, 0) // 60_000
    seconds = ms - 60_000 * minutes
    return f"{minutes:02}:{seconds // 1000:02}.{seconds % 1000:03}"


_CLOCKS = st.sampled_from([_clock, lambda ms: _clock(ms).replace(".", ","), _uncarried])


@given(_CUES, _CLOCKS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_written_as_webvtt_is_read_back(cues: list[Cue], clock: Callable[[int], str], line_end: str) -> None:
    """Cues written as WebVTT come back with the same times, voices and words, and none is dropped."""
    blocks = [
        f"{clock(cue.start_ms)} --> {clock(cue.end_ms)}\n{f'<v {cue.speaker}>' if cue.speaker else ''}{cue.text}"
        for cue in cues
    ]
    transcript = parse("\n\n".join(["WEBVTT", *blocks]).replace("\n", line_end))
    assert list(transcript.cues) == cues
    assert transcript.dropped == 0


_LINES = st.lists(
    st.sampled_from(
        [
            *("", "Words", "7", "NOTE", "STYLE", " ", "a --> b", "<v Ann>Hi"),
            *("00:01.000 --> 00:02.000", "00:61 --> 1:02:03,5 line:0", "0:xx --> 0:02"),
        ]
    ),
    max_size=12,
)


@given(_LINES)
def test_no_words_vanish_without_a_word(lines: list[str]) -> None:
    """Words are in a cue, in notes and styles, or the name of a cue; or it is told that something is missing."""
    blocks = "\n".join(lines).split("\n\n")
    names = sum(re.match(r"\n*Words\n(?:00:01\.|00:61)", block) is not None for block in blocks)
    transcript = parse("\n".join(["WEBVTT", "", *lines]))
    if not {"NOTE", "STYLE"} & set(lines) and not transcript.dropped:
        assert transcript.plain_text.count("Words") == lines.count("Words") - names


@given(st.text(max_size=200))
def test_no_body_raises_anything_else(body: str) -> None:
    """Whatever follows the header, reading gives a transcript."""
    transcript = parse("WEBVTT\n\n" + body)
    assert all(cue.text for cue in transcript.cues)
    assert transcript.plain_text.count("\n") == max(len(transcript.cues) - 1, 0)
