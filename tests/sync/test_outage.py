"""When an API, or one of its endpoints, counts as down, or as forbidden."""

from __future__ import annotations

import pytest

from usertesting_source.errors import (
    ApiUnavailable,
    CredentialsError,
    Forbidden,
    GatewayPage,
    NotFound,
    RateLimited,
    ServerError,
    UnreadableAnswer,
)
from usertesting_source.sync.outage import LISTINGS_IN_A_ROW, PROBES_IN_A_ROW, Outage, is_troubled
from usertesting_source.sync.state import TestState

DOWN = ServerError("503", 503)
FORBIDDEN = Forbidden("403", 403)
UNREADABLE = UnreadableAnswer("no JSON", 200)
PAGE = GatewayPage("a page", 200)


@pytest.mark.parametrize("error", [DOWN, FORBIDDEN, PAGE])
def test_three_sessions_in_a_row_pause_the_test_for_that_resource(error: ServerError) -> None:
    """Other tests and other resources go on."""
    outage = Outage("https://api")
    assert [outage.failed("transcripts", "a", error, again=False) for _ in range(3)] == [False, False, True]
    assert outage.is_paused("transcripts", "a")
    assert not outage.is_paused("transcripts", "b")
    assert not outage.is_paused("session_details", "a")


@pytest.mark.parametrize("between", ["success", "404"])
def test_what_works_in_between_ends_the_row(between: str) -> None:
    """A 404 is an answer, too."""
    outage = Outage("https://api")
    for _ in range(20):
        assert not outage.failed("transcripts", "a", DOWN, again=False)
        assert not outage.failed("transcripts", "a", DOWN, again=False)
        if between == "success":
            outage.over("transcripts")
        else:
            outage.failed("transcripts", "a", NotFound("404", 404), again=False)
    assert not outage.is_paused("transcripts", "a")


def test_answers_that_cannot_be_read_concern_their_own_session() -> None:
    """However many there are; of probes, for which others are asked, so many are enough for one run."""
    outage = Outage("https://api")
    assert not any(outage.failed("transcripts", "a", UNREADABLE, again=False) for _ in range(50))
    probes = [outage.failed("transcripts", "b", UNREADABLE, again=False, is_probe=True) for _ in range(PROBES_IN_A_ROW)]
    assert probes == [False] * (PROBES_IN_A_ROW - 1) + [True]
    assert outage.is_paused("transcripts", "b")
    assert not any(
        outage.failed("transcripts", "c", NotFound("404", 404), again=False, is_probe=True) for _ in range(50)
    )


@pytest.mark.parametrize("error", [DOWN, FORBIDDEN])
def test_an_endpoint_is_left_alone_when_test_after_test_fails(error: ServerError) -> None:
    """While another one works, that is no reason to stop."""
    outage = Outage("https://api")
    for test_id in ("a", "a", "a", "b", "b", "b"):
        outage.over("session_details")
        outage.failed("transcripts", test_id, error, again=False)
    assert outage.is_paused("transcripts", "c")
    assert not outage.is_paused("session_details", "a")


def test_the_api_is_down_when_nothing_works() -> None:
    """The error names it, the last failure, and says that nothing is lost."""
    outage = Outage("https://api")
    error = RateLimited("429", 429)
    for resource, test_id in zip(["session_details", "transcripts"] * 3, "abbab", strict=False):
        outage.failed(resource, test_id, error, again=False)
    with pytest.raises(ApiUnavailable, match=r"https://api keeps failing, last: 429.*kept"):
        outage.failed("transcripts", "b", error, again=False)


def test_credentials_are_refused_when_nothing_is_allowed() -> None:
    """All items of several tests; the error names the API and the last refusal."""
    outage = Outage("https://api")
    for test_id in "aaabb":
        outage.failed("session_details", test_id, FORBIDDEN, again=False)
    with pytest.raises(CredentialsError, match=r"https://api allows these credentials nothing, last: 403.*kept"):
        outage.failed("session_details", "b", FORBIDDEN, again=False)


def test_old_failures_say_nothing_of_today() -> None:
    """Sessions that had failed before, or are of a test that had trouble, pause their own test at most."""
    outage = Outage("https://api")
    outage.expect("abcdef", troubled="def")
    for test_id in "aaabbbccc":
        outage.failed("transcripts", test_id, DOWN, again=True)
    for test_id in "dddeeefff":
        outage.failed("transcripts", test_id, DOWN, again=False)
    assert outage.is_paused("transcripts", "f")
    assert not outage.is_paused("transcripts", "g")


@pytest.mark.parametrize("error", [DOWN, PAGE])
def test_the_api_is_down_when_five_tests_in_a_row_cannot_be_listed(error: ServerError) -> None:
    """One that can be listed ends the row, and a test that is asked for by two resources counts once."""
    outage = Outage("https://api")
    for _ in range(5):
        for test_id in "aabbccdd":
            outage.unlisted(test_id, error)
        outage.listed()
    for test_id in "abcd":
        outage.unlisted(test_id, error)
    with pytest.raises(ApiUnavailable):
        outage.unlisted("e", error)


def test_tests_that_could_not_be_listed_before_say_nothing_of_today() -> None:
    """As long as others can; when nothing works, it does not matter."""
    outage = Outage("https://api")
    outage.expect("abcdefgh", troubled="abcdefg")
    outage.listed()
    for test_id in "abcdefg":
        outage.unlisted(test_id, DOWN)
    outage = Outage("https://api")
    outage.expect("abcdefgh", troubled="abcdefg")
    for test_id in "abcd":
        outage.unlisted(test_id, DOWN)
    with pytest.raises(ApiUnavailable):
        outage.unlisted("e", DOWN)


@pytest.mark.parametrize("tests", [1, 3, LISTINGS_IN_A_ROW, 50])
def test_credentials_are_refused_when_no_test_may_be_listed(tests: int) -> None:
    """All of them, or the first five."""
    outage = Outage("https://api")
    outage.expect([str(i) for i in range(tests)], troubled=())
    enough = min(tests, LISTINGS_IN_A_ROW)
    for i in range(enough - 1):
        outage.unlisted(str(i), FORBIDDEN)
    with pytest.raises(CredentialsError):
        outage.unlisted(str(enough - 1), FORBIDDEN)


def test_tests_that_may_not_be_listed_are_failures_of_their_own_when_something_works() -> None:
    """However many they are."""
    outage = Outage("https://api")
    outage.expect("abcdefgh", troubled=())
    outage.listed()
    for test_id in "abcdefg":
        outage.unlisted(test_id, FORBIDDEN)


def test_a_test_is_troubled_that_could_not_be_listed_or_whose_sessions_failed() -> None:
    """One failed session, and what is waited for or watched, are no trouble."""

    def retry(why: str) -> dict[str, object]:
        return {"time": 1, "tries": 1, "at": 1, "since": 1, "until": 1, "why": why, "summary": {}}

    calm = {"a": retry("failed"), "b": retry("failed"), "c": retry("waiting"), "d": retry("watching")}
    assert not is_troubled(TestState({}))
    assert not is_troubled(TestState({"again": calm}))
    assert is_troubled(TestState({"again": {**calm, "e": retry("failed")}}))
    assert is_troubled(TestState({"listing_retry": retry("failed")}))
