"""What is due of one test: a rule each, and what it costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fake_list import DAY, HOUR, MINUTE, NOON, FakeList
from usertesting_source.sync import kinds
from usertesting_source.sync.again import GIVE_UP_AFTER, Due
from usertesting_source.sync.cursor import Cursor, oldest_first
from usertesting_source.sync.kinds import PROBES
from usertesting_source.sync.listing import Listing, ListingReader
from usertesting_source.sync.state import TestState, Why

OVERLAP = 15 * DAY
QUIET_AFTER = 30 * DAY
FOREVER = 2**62
FIRST_PAGE = 2**62


class Place:
    """A cursor over runs, as the walk uses it: list, look, ask, finish; the state lives on as JSON."""

    def __init__(self, api: FakeList, *, overlap: int = OVERLAP, floor: int | None = None) -> None:
        self.api = api
        self.overlap = overlap
        self.floor = floor
        self.now = NOON
        self.state: dict[str, Any] = {}
        self.asked: list[str] = []
        self.listing: Listing

    def look(self, border: int | None = None) -> Cursor:
        """A cursor that has looked at a listing of this moment."""
        self.state = json.loads(json.dumps(self.state))
        cursor = Cursor(TestState(self.state), self.overlap, self.floor)
        reader = ListingReader(self.api.page)
        self.listing = reader.back_to(border or cursor.border, lambda listing: cursor.is_unchanged(listing, self.now))
        cursor.look(self.listing, self.now)
        return cursor

    def poll(self, at_most: int = 10**9, since: int | None = None, fails: Why | None = None) -> list[str]:
        """Asks for what is due now, and says for what; stops without finishing after so many."""
        cursor = self.look()
        asked: list[str] = []
        for due in cursor.due(self.now, since):
            if len(asked) == at_most:
                self.asked += asked
                return asked
            asked.append(due.session_id)
            if fails:
                cursor.later(due, self.now, fails, FOREVER, {})
            else:
                cursor.settle(due.session_id, due.time)
        cursor.finish(self.listing, self.now, QUIET_AFTER)
        self.asked += asked
        return asked

    def requests(self) -> int:
        """How many list requests a poll takes now."""
        before = len(self.api.asked)
        self.poll()
        return len(self.api.asked) - before

    def passes(self, ms: int) -> None:
        """Time goes by."""
        self.now += ms


@pytest.fixture
def place() -> Place:
    """Ten sessions, an hour apart, all of them loaded."""
    place = Place(FakeList.of(10))
    place.poll()
    return place


def ids(due: list[Due]) -> list[str]:
    """What is asked for."""
    return [d.session_id for d in due]


# -- what is due --------------------------------------------------------------------------


def test_at_first_everything_is_due_oldest_first() -> None:
    """A load that is cut short has no hole in the past."""
    place = Place(FakeList.of(5))
    assert place.poll() == ["s00001", "s00002", "s00003", "s00004", "s00005"]


def test_what_is_settled_is_never_due_again(place: Place) -> None:
    """However often it is listed, from minutes to years later."""
    for pause in (0, 5 * MINUTE, DAY, 14 * DAY, 16 * DAY, 400 * DAY):
        place.passes(pause)
        assert place.poll() == []


def test_a_new_session_alone_is_due(place: Place) -> None:
    """One request for one session."""
    place.passes(HOUR)
    place.api.add(place.now)
    assert place.poll() == ["s00011"]
    assert place.poll() == []


def test_a_late_arrival_inside_the_overlap_is_due(place: Place) -> None:
    """It finished before sessions that are loaded already."""
    place.api.add(NOON - OVERLAP)
    assert place.poll() == ["s00011"]
    assert place.poll() == []


def test_a_late_arrival_older_than_the_overlap_is_not_due(place: Place) -> None:
    """So it is meant; `--full` finds it."""
    place.api.add(NOON - OVERLAP - 1)
    assert place.poll() == []


def test_sessions_of_one_millisecond_are_all_due() -> None:
    """Also those that turn up later, at the very time of the cursor."""
    place = Place(FakeList.of(3, every=0), overlap=0)
    assert len(place.poll()) == 3
    place.api.add(NOON)
    assert place.poll() == ["s00004"]


def test_what_was_not_asked_for_stays_due() -> None:
    """A stop after some sessions leaves the others for the next run, and no other one."""
    place = Place(FakeList.of(700))
    while place.poll(at_most=25):
        pass
    assert sorted(place.asked) == sorted(place.api.ids)


def test_a_session_that_comes_back_is_not_asked_for_again(place: Place) -> None:
    """It was gone for a while, and is settled."""
    [gone] = place.api.remove(["s00010"])
    place.poll()
    place.passes(3 * DAY)
    place.api.add(gone.finish, session_id=gone.session_id)
    assert place.poll() == []


def test_a_finish_time_that_changes_makes_nothing_due_again() -> None:
    """A session that was placed by its start is settled also when its finish becomes known."""
    place = Place(FakeList(), overlap=DAY)
    place.api.add(NOON, session_id="late")
    place.poll()
    place.api.add(NOON + 20 * HOUR, long=20 * HOUR, session_id="late")
    place.passes(20 * HOUR)
    place.poll()
    place.api.add(NOON + 30 * HOUR)
    place.passes(10 * HOUR)
    assert place.poll() == ["s00001"]
    assert place.poll() == []


def test_a_session_that_waits_is_settled_with_the_time_it_has_by_then() -> None:
    """Or it would be taken for an older one, be dropped, and be due again."""
    place = Place(FakeList(), overlap=DAY)
    place.api.add(NOON, session_id="late")
    place.poll(fails="waiting")
    place.api.add(NOON + 20 * HOUR, long=20 * HOUR, session_id="late")
    place.api.add(NOON + 30 * HOUR)
    place.passes(30 * HOUR)
    assert sorted(place.poll()) == ["late", "s00001"]
    assert place.poll() == []


def test_news_goes_before_a_backlog() -> None:
    """Each group is ordered by time."""
    backlog = [Due("b", 2), Due("a", 1), Due("d", 4), Due("c", 3)]
    assert ids(oldest_first(backlog, frozenset({"c", "d"}))) == ["c", "d", "a", "b"]


# -- a finish time that lies, gaps ----------------------------------------------------------


def test_a_finish_time_in_the_future_carries_the_cursor_over_nothing(place: Place) -> None:
    """The session itself is loaded once; what finishes before is due all the same."""
    place.api.add(NOON + 400 * DAY)
    assert place.poll() == ["s00011"]
    place.passes(20 * DAY)
    place.api.add(place.now - DAY)
    assert place.poll() == ["s00012"]
    assert place.poll() == []


def test_a_gap_in_the_listing_holds_the_cursor() -> None:
    """What is behind it is loaded, and what was hidden by it is due once it is shown."""
    place = Place(FakeList.of(1400, is_empty=lambda _, offset: offset == 499))
    first = place.poll()
    assert len(first) == 1400 - 499
    place.passes(DAY)
    assert place.poll() == []
    place.api.is_empty = lambda _number, _offset: False
    hidden = place.poll()
    assert sorted(first + hidden) == sorted(place.api.ids)
    assert place.poll() == []


def test_sessions_without_times_are_loaded_once() -> None:
    """There is no cursor then: all ids are kept."""
    place = Place(FakeList.of(30, edit=lambda rows: [{"sessionId": row["sessionId"]} for row in rows]))
    assert len(place.poll()) == 30
    place.passes(100 * DAY)
    place.api.add(place.now)
    assert place.poll() == ["s00031"]


# -- what it costs to see that nothing is new --------------------------------------------------


def test_a_poll_without_news_costs_one_request() -> None:
    """Also when thousands of sessions finished inside the overlap; once a day all of them are listed."""
    place = Place(FakeList.of(3000, every=MINUTE))
    assert place.requests() == 7
    for _ in range(3):
        place.passes(5 * MINUTE)
        assert place.requests() == 1
    place.passes(DAY)
    assert place.requests() == 7
    assert place.requests() == 1


def test_a_late_arrival_behind_the_first_page_is_found_by_the_count() -> None:
    """The first page shows nothing new, but the count does."""
    place = Place(FakeList.of(1400, every=MINUTE))
    place.poll()
    place.api.add(NOON - 1000 * MINUTE)
    assert place.poll() == ["s01401"]


def test_a_late_arrival_that_the_count_hides_is_found_within_a_day() -> None:
    """One came behind the first page and one went: the count is the same."""
    place = Place(FakeList.of(1400, every=MINUTE))
    place.poll()
    place.api.add(NOON - 1000 * MINUTE)
    place.api.remove(["s00001"])
    assert place.poll() == []
    place.passes(DAY)
    assert place.poll() == ["s01401"]


def test_a_late_arrival_while_pages_are_read_is_not_counted_in() -> None:
    """It was put where the reading was already: the next poll looks there again."""
    place = Place(FakeList.of(1400, every=MINUTE))
    place.api.before = lambda number: place.api.add(NOON - 490 * MINUTE) if number == 2 else None
    assert len(place.poll()) == 1400
    place.api.before = lambda _: None
    place.api.add(NOON - 900 * MINUTE)
    place.api.remove(["s01402"])
    assert place.poll() == ["s01401"]


def test_a_count_is_not_trusted_while_something_is_open() -> None:
    """A stop in the middle: as many went as came, and still the rest is due."""
    place = Place(FakeList.of(1400, every=MINUTE))
    place.poll()
    for i in range(20):
        place.api.add(NOON - (800 + i) * MINUTE)
    place.poll(at_most=5)
    place.api.remove([f"s{n:05}" for n in range(1, 21)])
    assert len(place.poll()) == 15


def test_a_clock_that_was_wrong_once_does_not_end_the_deep_looks() -> None:
    """The state holds a time in the future: it counts as long ago."""
    place = Place(FakeList.of(1400, newest=NOON - 40 * DAY, every=MINUTE))
    place.now = NOON + 9999 * DAY
    place.poll()
    place.now = NOON
    assert not Cursor(TestState(place.state), OVERLAP).rests(NOON)
    assert place.requests() == 3


def test_a_quiet_test_rests_for_a_day() -> None:
    """No session for a month: one look a day, a little less for a daily schedule that starts early."""
    place = Place(FakeList.of(3, newest=NOON - 31 * DAY))
    place.poll()
    assert Cursor(TestState(place.state), OVERLAP).rests(NOON)
    assert Cursor(TestState(place.state), OVERLAP).rests(NOON + 22 * HOUR)
    assert not Cursor(TestState(place.state), OVERLAP).rests(NOON + 23 * HOUR)


@pytest.mark.parametrize(
    ("newest", "quiet_after", "fails"),
    [
        (NOON - 29 * DAY, QUIET_AFTER, None),
        (NOON - 90 * DAY, None, None),
        (NOON - 90 * DAY, QUIET_AFTER, "failed"),
    ],
)
def test_other_tests_do_not_rest(newest: int, quiet_after: int | None, fails: Why | None) -> None:
    """One with a session of late; any, when the user says so; one where something is to be asked for again."""
    place = Place(FakeList.of(3, newest=newest))
    cursor = place.look()
    for due in cursor.due(NOON):
        cursor.settle(due.session_id, due.time) if not fails else cursor.later(due, NOON, fails, FOREVER, {})
    cursor.finish(place.listing, NOON, quiet_after)
    assert not cursor.rests(NOON)


def test_a_test_with_a_gap_does_not_rest() -> None:
    """What is hidden may be shown again with the next poll."""
    place = Place(FakeList.of(1400, newest=NOON - 31 * DAY, is_empty=lambda _, offset: offset == 499))
    place.poll()
    assert not Cursor(TestState(place.state), OVERLAP).rests(NOON)
    place.api.is_empty = lambda _number, _offset: False
    place.poll()
    assert Cursor(TestState(place.state), OVERLAP).rests(NOON)


def test_a_quiet_test_wakes_with_its_first_session() -> None:
    """From then on it is listed with every poll."""
    place = Place(FakeList.of(3, newest=NOON - 31 * DAY))
    place.poll()
    place.passes(DAY)
    place.api.add(place.now)
    place.poll()
    assert not Cursor(TestState(place.state), OVERLAP).rests(place.now)


# -- what is asked for again ----------------------------------------------------------------------


def fail_until_given_up(why: Why, lasts: int, time: int = NOON) -> list[int]:
    """The minutes of the tries, from the first to the one with which it is given up."""
    cursor, now, due = Cursor(TestState({}), OVERLAP), NOON, Due("a", time)
    minutes = [0]
    while retry := cursor.later(due, now, why, NOON + lasts, {"status": "COMPLETE"}):
        now = retry["at"]
        assert cursor.due(now - 1) == []
        [due] = cursor.due(now)
        minutes.append((now - NOON) // MINUTE)
    assert cursor.due(FOREVER) == []
    assert cursor.state.settled == {"a": time}
    return minutes


def test_what_failed_is_asked_for_again_with_growing_delays() -> None:
    """5, 15, 45 minutes and so on, at most a day, and once more at the deadline; then it is given up."""
    assert fail_until_given_up("failed", 3 * DAY) == [0, 5, 20, 65, 200, 605, 1820, 3260, 4320]


def test_what_fails_for_two_weeks_is_asked_for_twenty_times() -> None:
    """The bound on what one broken session costs."""
    minutes = fail_until_given_up("failed", GIVE_UP_AFTER)
    assert (len(minutes), minutes[-1]) == (20, 14 * 24 * 60)


def test_what_should_be_there_by_now_is_given_up_at_once() -> None:
    """A transcript of an old session that has none costs one request."""
    assert fail_until_given_up("waiting", 0, time=NOON - 90 * DAY) == [0]


def test_a_retry_knows_its_first_failure_its_tries_and_its_listing() -> None:
    """For `load_issues`, and for the row, when the session is not listed any more."""
    cursor = Cursor(TestState({}), OVERLAP)
    cursor.later(Due("a", NOON), NOON, "failed", FOREVER, {"status": "COMPLETE"})
    [due] = cursor.due(NOON + DAY)
    assert due == Due("a", NOON, tries=1, since=NOON)
    retry = cursor.later(due, NOON + DAY, "waiting", FOREVER, {"status": "COMPLETE"})
    assert retry is not None
    assert (retry["tries"], retry["since"], retry["why"]) == (2, NOON, "waiting")
    assert cursor.state.again["a"]["summary"] == {"status": "COMPLETE"}


def test_what_waits_holds_up_nothing(place: Place) -> None:
    """The others are loaded, the cursor goes on, and it comes by itself weeks later."""
    place.passes(HOUR)
    place.api.add(place.now)
    assert place.poll(fails="waiting") == ["s00011"]
    place.passes(MINUTE)
    place.api.add(place.now)
    assert place.poll() == ["s00012"]
    place.api.remove(["s00011"])
    place.passes(60 * DAY)
    place.api.add(place.now)
    assert place.poll() == ["s00011", "s00013"]
    assert place.poll() == []


def test_what_waits_is_due_with_a_first_page_that_shows_nothing_new() -> None:
    """One list request, and the retry."""
    place = Place(FakeList.of(1400, every=MINUTE))
    place.poll(fails="failed")
    place.passes(5 * MINUTE)
    before = len(place.api.asked)
    assert len(place.poll()) == 1400
    assert len(place.api.asked) - before == 1


# -- start_date, --since, --full --------------------------------------------------------------------


def test_sessions_before_the_start_date_are_not_due() -> None:
    """Nor are they listed, if they do not share a page."""
    place = Place(FakeList.of(2000), floor=NOON - 100 * HOUR)
    assert len(place.poll()) == 101
    assert len(place.api.asked) == 2


def test_an_earlier_start_date_makes_the_older_ones_due_and_no_others() -> None:
    """What was loaded meanwhile is not asked for again."""
    place = Place(FakeList.of(2000), floor=NOON - 500 * HOUR)
    recent = place.poll()
    place.floor = NOON - 1500 * HOUR
    place.passes(HOUR)
    place.api.add(place.now)
    older = place.poll()
    assert (len(recent), len(older)) == (501, 1001)
    assert not set(recent) & set(older)
    place.floor = None
    assert len(place.poll()) == 499
    assert sorted(place.asked) == sorted(place.api.ids)
    assert place.poll() == []


def test_an_earlier_start_date_wakes_a_quiet_test() -> None:
    """It does not wait for the next daily look."""
    place = Place(FakeList.of(30, newest=NOON - 31 * DAY), floor=NOON - 31 * DAY - HOUR)
    assert len(place.poll()) == 2
    assert Cursor(TestState(place.state), OVERLAP, place.floor).rests(NOON)
    assert not Cursor(TestState(place.state), OVERLAP, None).rests(NOON)


def test_an_earlier_start_date_survives_a_stop_in_the_middle() -> None:
    """Some of the older ones are loaded; the rest comes later, and each once."""
    place = Place(FakeList.of(2000), floor=NOON - 500 * HOUR)
    place.poll()
    for floor in (NOON - 900 * HOUR, NOON - 1800 * HOUR):
        place.floor = floor
        place.poll(at_most=100)
    place.floor = None
    place.poll()
    assert sorted(place.asked) == sorted(place.api.ids)


def test_a_start_date_that_jumps_over_a_backlog_and_back_asks_for_nothing_twice() -> None:
    """The years that were loaded before the jump are remembered."""
    place = Place(FakeList.of(4000))
    place.poll(at_most=1500)
    place.floor = NOON - 600 * HOUR
    assert len(place.poll()) == 601
    place.floor = NOON - 3800 * HOUR
    place.poll()
    place.floor = None
    place.poll()
    assert set(place.asked) == set(place.api.ids)
    twice = {name for name in place.asked if place.asked.count(name) > 1}
    assert len(twice) <= OVERLAP // HOUR
    assert place.poll() == []


def test_a_start_date_that_follows_the_calendar_asks_for_nothing_twice_and_stays_small() -> None:
    """Such as "the last 20 days", with sessions now and then."""
    place = Place(FakeList())
    for day in range(400):
        place.passes(DAY)
        place.floor = place.now - 20 * DAY
        if day % 23 < 4:
            place.api.add(place.now)
        place.poll()
    assert sorted(place.asked) == sorted(place.api.ids)
    assert len(json.dumps(place.state)) < 2000


def test_a_later_start_date_within_what_is_loaded_forgets_nothing(place: Place) -> None:
    """Raised and taken back: nothing is asked for again."""
    place.passes(60 * DAY)
    place.api.add(place.now)
    place.poll()
    place.floor = NOON - 5 * HOUR
    assert place.poll() == []
    place.floor = None
    assert place.poll() == []


@pytest.mark.parametrize("hours", [99, 699])
def test_since_leaves_the_others_due(hours: int) -> None:
    """A filter for one run: the cursor stays where the oldest open session is, also behind a page without news."""
    place, since = Place(FakeList.of(2000)), NOON - hours * HOUR
    assert place.poll(since=since) == sorted(place.api.ids)[-hours - 1 :]
    assert place.poll(since=since) == []
    assert len(place.poll(at_most=10)) == 10
    place.passes(HOUR)
    place.api.add(place.now)
    assert place.poll(since=since) == ["s02001"]
    assert len(place.poll()) == 1989 - hours
    assert sorted(place.asked) == sorted(place.api.ids)


def test_since_leaves_out_older_retries_too(place: Place) -> None:
    """They are due in a run without it."""
    place.passes(HOUR)
    place.api.add(place.now)
    place.poll(fails="failed")
    place.passes(HOUR)
    assert place.poll(since=place.now) == []
    assert place.poll() == ["s00011"]


@pytest.mark.parametrize("overlap", [0, DAY, 40 * DAY])
def test_another_overlap_makes_nothing_due_again(overlap: int) -> None:
    """A longer one looks further back from now on, a shorter one less."""
    place = Place(FakeList.of(400, every=3 * HOUR))
    place.poll()
    place.overlap = overlap
    for _ in range(60):
        place.passes(DAY)
        place.api.add(place.now)
        assert len(place.poll()) == 1


# -- tests that may have none ---------------------------------------------------------------------------


class Survey:
    """A test of unknown kind, asked as the walk does it; `there` says which sessions have a transcript."""

    def __init__(self, there: Callable[[str], bool], wait: int = 3 * DAY) -> None:
        self.place = Place(FakeList())
        self.there = there
        self.wait = wait
        self.requests = 0

    def grow(self, sessions: int, every: int = MINUTE) -> None:
        """It gets so many sessions; then it is polled until no transcript is waited for."""
        for _ in range(sessions):
            self.place.passes(every)
            self.place.api.add(self.place.now)
        self.poll()
        while self.place.state.get("again"):
            self.place.passes(5 * MINUTE)
            self.poll()

    def poll(self) -> None:
        """As `Walk._serve` does."""
        place = self.place
        cursor = place.look(FIRST_PAGE if kinds.are_out(TestState(place.state)) else None)
        while batch := kinds.probes(cursor.state, cursor.due(place.now), place.listing.total):
            for due in batch:
                self.ask(cursor, due)
        cursor.finish(place.listing, place.now, QUIET_AFTER)

    def ask(self, cursor: Cursor, due: Due) -> None:
        """As `Walk.done` and `Walk.failed` do."""
        self.requests += 1
        if self.there(due.session_id):
            cursor.settle(due.session_id, due.time)
            kinds.hit(cursor.state)
            self.place.asked.append(due.session_id)
        elif cursor.later(due, self.place.now, "waiting", due.time + self.wait, {}) is None:
            kinds.miss(cursor.state, self.place.listing.total)


def test_a_survey_costs_three_requests_and_one_per_tenfold_growth() -> None:
    """It has no transcripts, and nobody said so."""
    survey = Survey(lambda _: False, wait=0)
    costs = []
    for total in (1, 2, 3, 20, 29, 30, 31, 299, 300, 301, 3000):
        survey.grow(total - len(survey.place.api.sessions))
        costs.append(survey.requests)
    assert costs == [1, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6]


def test_a_big_old_survey_costs_three_requests() -> None:
    """The oldest, the newest and the middle one, however many there are."""
    survey = Survey(lambda _: False, wait=0)
    survey.grow(2000)
    assert survey.requests == PROBES
    assert len(survey.place.api.asked) == 5
    survey.place.passes(5 * MINUTE)
    survey.poll()
    assert (survey.requests, len(survey.place.api.asked)) == (PROBES, 6)


def test_a_fresh_survey_costs_at_most_thirty_requests() -> None:
    """Three transcripts that may still come, nine tries each."""
    survey = Survey(lambda _: False)
    survey.grow(25)
    assert survey.requests <= 30
    before = survey.requests
    survey.grow(50)
    assert survey.requests == before


def test_a_big_survey_is_not_listed_to_its_end_while_probes_wait() -> None:
    """All three are recent and may still come: a poll costs one list request, and the retries that are due."""
    survey = Survey(lambda _: False)
    for _ in range(2000):
        survey.place.passes(MINUTE)
        survey.place.api.add(survey.place.now)
    survey.poll()
    for _ in range(10):
        survey.place.passes(5 * MINUTE)
        before = len(survey.place.api.asked)
        survey.poll()
        assert len(survey.place.api.asked) - before == 1


def test_a_grown_survey_is_asked_once_while_the_answer_is_open() -> None:
    """Sessions that come meanwhile cost nothing."""
    survey = Survey(lambda _: False, wait=0)
    survey.grow(3)
    survey.wait = 3 * DAY
    for sessions in (27, 1, 1):
        for _ in range(sessions):
            survey.place.passes(MINUTE)
            survey.place.api.add(survey.place.now)
        survey.poll()
    assert survey.requests == PROBES + 1


def test_one_transcript_makes_all_due() -> None:
    """In the same poll, and each once."""
    survey = Survey(lambda session_id: session_id >= "s00700", wait=0)
    survey.grow(1400)
    assert survey.place.asked[:3] == ["s01400", "s00701", "s00700"]
    assert sorted(survey.place.asked) == [f"s{n:05}" for n in range(700, 1401)]
    assert survey.requests == 1400


@pytest.mark.parametrize("first_without", [200, 600, 1000])
def test_a_transcript_found_late_makes_those_due_that_were_never_asked_for(first_without: int) -> None:
    """The test counted as having none for long, and only its first page was listed meanwhile."""
    none = {f"s{n:05}" for n in (1, first_without, first_without // 2 + 1)}
    survey = Survey(lambda session_id: session_id not in none, wait=0)
    survey.grow(first_without)
    assert survey.place.asked == []
    for _ in range(3):
        survey.grow(first_without * 3, every=20 * DAY // first_without)
    survey.poll()
    assert sorted(survey.place.asked) == sorted(set(survey.place.api.ids) - none)


def test_a_survey_rests_like_any_other_test() -> None:
    """Once its three transcripts are given up."""
    survey = Survey(lambda _: False, wait=0)
    survey.grow(10)
    survey.place.passes(40 * DAY)
    survey.poll()
    assert Cursor(TestState(survey.place.state), OVERLAP).rests(survey.place.now)


# -- the state ------------------------------------------------------------------------------------------


def test_the_state_stays_small_over_a_year_and_ten_thousand_sessions() -> None:
    """It holds the overlap's ids, not every id ever seen: 22 kB, however long it goes on."""
    place = Place(FakeList())
    sizes = []
    for _ in range(122):
        for _ in range(84):
            place.passes(3 * DAY // 84)
            place.api.add(place.now, session_id=f"1b4e28ba-2fa1-11d2-883f-{len(place.api.sessions):012}")
        assert len(place.poll()) == 84
        sizes.append(len(json.dumps(place.state, separators=(",", ":"))))
    assert len(place.api.sessions) > 10_000
    assert max(sizes) < 30_000
    assert sizes[-1] < sizes[10] * 1.1


def test_the_state_stays_small_while_a_backlog_is_worked_off() -> None:
    """Also when no run comes to its end: ids behind the cursor's overlap are dropped with every look."""
    place = Place(FakeList.of(2000, every=DAY))
    for _ in range(60):
        assert len(place.poll(at_most=25)) == 25
        assert len(place.state["settled"]) <= OVERLAP // DAY + 26


@pytest.mark.parametrize("settled", [0, 5000, 10_400])
def test_a_look_at_10500_sessions_is_fast(settled: int) -> None:
    """A backlog is looked at once for every load package."""
    listing = ListingReader(FakeList.of(10_500, every=MINUTE).page).back_to(None)
    done = {session.session_id: session.time for session in listing.sessions[-settled:] if settled}
    took = []
    for _ in range(5):
        cursor = Cursor(TestState({"settled": dict(done)}), OVERLAP)
        began = time.process_time()
        cursor.look(listing, NOON)
        assert len(cursor.due(NOON)) == 10_500 - settled
        took.append(time.process_time() - began)
    assert min(took) < 0.05
