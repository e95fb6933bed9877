"""Where a test went badly, and in whose words."""

from __future__ import annotations

from typing import Any

from usertesting_source.explore.trouble import LONGEST, QUOTES, bad_tasks, vocabulary, what_went_wrong


def task(number: int, reached: int = 10) -> dict[str, Any]:
    return {"task_uuid": f"t{number}", "task_position": number, "task_text": f"Task {number}", "reached": reached}


def failed(session: str, number: int = 1) -> dict[str, Any]:
    return {
        "session_id": session,
        "participant_id": f"p-{session}",
        "task_uuid": f"t{number}",
        "task_position": number,
        "start_time_ms": 10_000,
        "end_time_ms": 20_000,
        "outcome": "failed",
        "answer_kind": "url",
        "answer_number": None,
        "answer_scale_max": None,
    }


def cue(start: int, text: str) -> dict[str, Any]:
    return {"start_ms": start, "end_ms": start + 900, "text": text}


def wrote(number: int, words: str) -> dict[str, Any]:
    return {
        "task_uuid": f"t{number}",
        "task_position": number,
        "source": "written",
        "words": words,
        "start_time_ms": 30_000,
    }


def test_what_was_said_during_the_task_is_quoted_with_its_moment() -> None:
    """Not what was said before or after it."""
    said = {"a": [cue(9_000, "Before."), cue(12_000, "Where is it?"), cue(15_000, "Not here."), cue(20_000, "After.")]}
    [bad] = bad_tasks([task(1)], [failed("a")], said, {})
    [quote] = bad.quotes
    assert (quote.text, quote.how, quote.at_ms) == ("Where is it? Not here.", "said", 12_000)
    assert (quote.what, quote.session_id) == ("failed", "a")
    assert (bad.troubled, bad.reached) == (1, 10)


def test_who_said_nothing_is_quoted_from_the_next_written_answer() -> None:
    """Which says that it belongs to another task; an answer before the task is not about it."""
    written = {"a": [wrote(1, "Hello"), wrote(3, "I never found it."), wrote(4, "Bye")]}
    [bad] = bad_tasks([task(1), task(2)], [failed("a", 2)], {}, written)
    assert [(quote.text, quote.about) for quote in bad.quotes] == [("I never found it.", 3)]


def test_a_task_with_little_trouble_is_not_bad_and_the_worst_comes_first() -> None:
    """One of twenty is no sign; five of ten comes before two of ten."""
    rows = [failed("a", 1), *(failed(s, 2) for s in "ab"), *(failed(s, 3) for s in "abcde")]
    bad = bad_tasks([task(1, reached=20), task(2), task(3)], rows, {}, {})
    assert [one.task["task_position"] for one in bad] == [3, 2]


def test_everybody_is_heard_before_anybody_is_heard_twice() -> None:
    """At most six quotes, no text twice, each cut at a word."""
    said = {session: [cue(11_000, f"{session} " + "word " * 200)] for session in "abcdefgh"}
    written = {session: [wrote(1, f"{session} wrote")] for session in "abcdefgh"}
    [bad] = bad_tasks([task(1)], [failed(session) for session in "abcdefgh"], said, written)
    assert len(bad.quotes) == QUOTES
    assert len({quote.session_id for quote in bad.quotes}) == QUOTES
    assert all(len(quote.text) <= LONGEST + 2 for quote in bad.quotes)


def test_what_went_wrong_is_said_in_a_few_words() -> None:
    """With the number that was given."""
    assert (
        what_went_wrong({**failed("a"), "outcome": "completed", "answer_kind": "nps", "answer_number": 3.0}) == "NPS 3"
    )
    rating = {"outcome": "completed", "answer_kind": "rating_scale", "answer_number": 2.0, "answer_scale_max": 5.0}
    assert what_went_wrong({**failed("a"), **rating}) == "rated 2 of 5"


def test_words_of_those_who_failed_against_those_of_the_others() -> None:
    """Where fewer than three failed, all who were in trouble are the group."""
    said = {session: ["broken link"] for session in "abcd"} | {session: ["lovely lamp"] for session in "efghijkl"}
    found = vocabulary([failed(session) for session in "abcd"], said)
    assert (found.who, found.here, found.there) == ("who failed a task", 4, 8)
    assert {one.word for one in found.words} == {"broken", "link"}
    rated = [{**failed(session), "outcome": "completed"} for session in "abcd"]
    found = vocabulary([failed("a"), *rated], said)
    assert (found.who, found.here) == ("who failed a task or rated something low", 4)
