"""When an API, or one of its endpoints, counts as down."""

from __future__ import annotations

import pytest

from usertesting_source.errors import ApiUnavailable, NotFound, RateLimited, ServerError
from usertesting_source.sync.outage import Outage

DOWN = ServerError("503", 503)


def test_three_sessions_in_a_row_pause_the_test_for_that_resource() -> None:
    """Other tests and other resources go on."""
    outage = Outage("https://api")
    assert [outage.failed("transcripts", "a", DOWN, again=False) for _ in range(3)] == [False, False, True]
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


def test_an_endpoint_is_down_when_test_after_test_fails() -> None:
    """While another one works, that is no reason to stop."""
    outage = Outage("https://api")
    for test_id in ("a", "a", "a", "b", "b", "b"):
        outage.over("session_details")
        outage.failed("transcripts", test_id, DOWN, again=False)
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


def test_old_failures_say_nothing_of_today() -> None:
    """Sessions that had failed before pause their own test at most."""
    outage = Outage("https://api")
    for test_id in "aaabbbccc":
        outage.failed("transcripts", test_id, DOWN, again=True)
    assert not outage.is_paused("transcripts", "d")


def test_the_api_is_down_when_three_tests_in_a_row_cannot_be_listed() -> None:
    """One that can be listed ends the row."""
    outage = Outage("https://api")
    for _ in range(5):
        outage.unlisted(DOWN)
        outage.unlisted(DOWN)
        outage.listed()
    outage.unlisted(DOWN)
    outage.unlisted(DOWN)
    with pytest.raises(ApiUnavailable):
        outage.unlisted(DOWN)
