"""What a listing holds, and what it costs, whatever the list endpoint does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_list import DAY, HOUR, LONG, MINUTE, NOON, FakeList, text
from usertesting_source.sync import listing
from usertesting_source.sync.listing import LAST_OFFSET, PAGE, REREADS, Listing, ListingReader, Page

FIRST_PAGE = 2**62
ALL_PAGES = 22  # 499 new rows a page, the last one at offset 10,000


def read(api: FakeList, border: int | None = None) -> Listing:
    """The listing back to `border`, read by a new reader."""
    return ListingReader(api.page).back_to(border)


def ids(result: Listing) -> list[str]:
    """As the listing has them."""
    return [session.session_id for session in result.sessions]


def at(number: int, action: Callable[[], object]) -> Callable[[int], object]:
    """Does something before the n-th request is answered."""
    return lambda request: action() if request == number else None


# -- an honest API ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "requests"),
    [(0, 1), (1, 1), (499, 1), (500, 2), (501, 2), (998, 2), (999, 3), (9999, 21), (10_500, ALL_PAGES)],
)
def test_every_session_is_listed_once_for_a_request_per_499(sessions: int, requests: int) -> None:
    """Newest first, complete, no page twice; a full page may not be the last, whatever the count says."""
    api = FakeList.of(sessions, every=MINUTE)
    result = read(api)
    assert ids(result) == api.ids
    assert (result.total, result.complete, result.ended, result.gaps) == (sessions, True, True, False)
    assert (result.back_to, result.problem) == (None, None)
    assert len(api.asked) == len(set(api.asked)) == requests


def test_no_page_is_read_behind_the_border() -> None:
    """A poll reads back to the overlap's end, and no further."""
    api = FakeList.of(3000, every=HOUR)
    result = read(api, border=NOON - 600 * HOUR)
    assert len(api.asked) == 3
    assert result.complete
    assert not result.ended
    assert result.back_to is not None
    assert result.back_to <= NOON - 600 * HOUR
    assert {s.session_id for s in api.in_order if s.finish >= NOON - 600 * HOUR} <= set(ids(result))


def test_a_deeper_border_reads_only_what_is_missing() -> None:
    """Resources share a reader: what one has read, the next one need not ask for."""
    api = FakeList.of(1400)
    reader = ListingReader(api.page)
    shallow = reader.back_to(FIRST_PAGE)
    assert (len(shallow.sessions), api.asked) == (500, [0])
    assert reader.back_to(NOON) is reader.back_to(FIRST_PAGE)
    assert ids(reader.back_to(None)) == api.ids
    assert api.asked == [0, 499, 998]
    assert reader.back_to(None) is reader.back_to(NOON)
    assert reader.pages == 3


def test_an_unchanged_first_page_is_enough() -> None:
    """Whoever reads decides with the first page whether the others can be spared."""
    api = FakeList.of(1400)
    shown: list[Listing] = []
    result = ListingReader(api.page).back_to(None, lambda first: shown.append(first) or True)  # type: ignore[func-returns-value] # None, then True
    assert shown == [result]
    assert (len(result.sessions), result.total, api.asked) == (500, 1400, [0])


def test_a_listing_by_start_is_read_back_until_all_on_a_page_finished_before() -> None:
    """Long sessions that began early stand further behind than their finish says."""
    api = FakeList(by="start")
    for i in range(2000):
        api.add(NOON - i * HOUR + (i % 7) * DAY, long=(i % 7) * DAY + LONG)
    border = NOON - 500 * HOUR
    result = read(api, border)
    assert {s.session_id for s in api.sessions.values() if s.finish >= border} <= set(ids(result))
    assert [s.time for s in result.sessions] == sorted((s.time for s in result.sessions), reverse=True)
    assert len(api.asked) == 3


@pytest.mark.parametrize("border", [None, NOON])
def test_sessions_of_the_same_millisecond_are_all_listed(border: int | None) -> None:
    """Times are no keys; also where the border is drawn through them."""
    api = FakeList.of(1200, every=0)
    assert sorted(ids(read(api, border))) == sorted(api.ids)
    assert len(api.asked) == 3


# -- pages that move ---------------------------------------------------------------------


@pytest.mark.parametrize("arrivals", [1, 7, 497, 498])
def test_arrivals_between_two_pages_double_nothing_and_cost_nothing(arrivals: int) -> None:
    """Rows move down: some are shown twice, and listed once."""
    api = FakeList.of(1200)
    there = api.ids
    api.before = at(2, lambda: [api.add(NOON + i + 1) for i in range(arrivals)])
    result = read(api)
    assert ids(result) == there
    assert (result.complete, result.problem) == (True, None)
    assert len(api.asked) == (3 if arrivals < 497 else 4)


def test_arrivals_between_two_short_pages_hide_nothing() -> None:
    """A page may show known rows only, and yet not be the last."""
    api = FakeList.of(6, cap=3)
    there = api.ids
    api.before = at(3, lambda: [api.add(NOON + i + 1) for i in range(2)])
    assert ids(read(api)) == there
    assert api.asked == [0, 2, 4, 6]


def test_500_arrivals_between_two_pages_make_it_read_anew() -> None:
    """The shared row is out of sight, so nothing says whether rows were skipped."""
    api = FakeList.of(1200)
    api.before = at(2, lambda: [api.add(NOON + i + 1) for i in range(500)])
    result = read(api)
    assert ids(result) == api.ids
    assert api.asked == [0, 499, 0, 499, 998, 1497]


@pytest.mark.parametrize("leaves", [0, 250, 499])
def test_a_removal_between_two_pages_makes_it_read_anew(leaves: int) -> None:
    """Rows move up: without the shared row one would be skipped and never be seen."""
    api = FakeList.of(1200)
    gone = api.ids[leaves]
    api.before = at(2, lambda: api.remove([gone]))
    result = read(api)
    assert ids(result) == api.ids
    assert gone not in ids(result)
    assert (result.complete, result.problem, result.total) == (True, None, 1199)
    assert api.asked == [0, 499, 0, 499, 998]


def test_a_removal_further_behind_costs_nothing() -> None:
    """What was not read yet may go."""
    api = FakeList.of(1200)
    api.before = at(2, lambda: api.remove([api.ids[900]]))
    result = read(api)
    assert ids(result) == api.ids
    assert (result.complete, result.problem, len(api.asked)) == (True, None, 3)


def test_a_removal_that_empties_the_last_page_hides_nothing() -> None:
    """The only session of the second page moves to the first, and the second page is empty."""
    api = FakeList.of(501)
    api.before = at(2, lambda: api.remove(api.ids[:2]))
    assert ids(read(api)) == api.ids
    assert api.asked == [0, 499, 0]


def test_sessions_that_keep_moving_are_said_and_not_passed() -> None:
    """Three times anew, then the listing says so; what was seen is kept, for whoever loads it."""
    api = FakeList.of(1200)
    api.before = lambda number: api.remove(api.ids[:1]) if number % 2 == 0 else None
    result = read(api)
    assert result.problem is not None
    assert "keep moving" in result.problem
    assert (result.complete, result.gaps, result.ended) == (False, True, True)
    assert len(api.asked) == 2 * (REREADS + 1)
    assert len(result.sessions) == 500 + REREADS


# -- an API that repeats itself ------------------------------------------------------------


@pytest.mark.parametrize("cap", [500, 100])
@pytest.mark.parametrize(
    ("echo", "said"),
    [
        (lambda _: 0, "answers offset 0 when asked for offset"),
        (lambda offset: offset, "repeats a page"),
        (lambda _: None, "repeats a page"),
    ],
)
def test_an_ignored_offset_is_said_after_two_requests(echo: Callable[[int], int | None], said: str, cap: int) -> None:
    """Whether the API admits it or not; nothing behind the first page counts as known."""
    api = FakeList.of(1200, ignores_offset=True, echo=echo, cap=cap)
    result = read(api)
    assert result.problem is not None
    assert said in result.problem
    assert f"{cap:,} of 1,200 sessions listed" in result.problem
    assert (result.complete, result.gaps, len(result.sessions), len(api.asked)) == (False, True, cap, 2)


# -- a count that does not fit -----------------------------------------------------------------


@pytest.mark.parametrize(("sessions", "requests"), [(0, 2), (1, 3), (25, 2), (500, 2), (1200, 4)])
def test_a_count_that_is_too_high_is_said_and_costs_a_request_or_two(sessions: int, requests: int) -> None:
    """All there is is listed; no removal is concluded from it, and no gap either."""
    api = FakeList.of(sessions, total=lambda there: there + 7)
    result = read(api)
    assert ids(result) == api.ids
    assert result.problem is not None
    assert f"fewer sessions than it counts: {sessions:,} of {sessions + 7:,}" in result.problem
    assert (result.complete, result.gaps, len(api.asked)) == (False, False, requests)


@pytest.mark.parametrize("total", [lambda _: 0, lambda _: 25, lambda there: there - 1])
@pytest.mark.parametrize(("sessions", "cap", "requests"), [(26, 500, 2), (1200, 500, 4), (350, 100, 5)])
def test_a_count_that_is_too_low_hides_nothing(
    total: Callable[[int], int], sessions: int, cap: int, requests: int
) -> None:
    """More rows than the count allows: the count is no reason to stop."""
    api = FakeList.of(sessions, total=total, cap=cap)
    result = read(api)
    assert ids(result) == api.ids
    assert (result.complete, result.gaps) == (True, False)
    assert len(api.asked) <= requests


def test_a_count_of_the_page_alone_hides_nothing() -> None:
    """`totalCount` as it would be if it counted the rows of the answer."""
    api = FakeList.of(1200)
    page = api.page

    def shown(offset: int, limit: int) -> Page:
        answer = page(offset, limit)
        return Page(answer.rows, offset + len(answer.rows))

    result = ListingReader(shown).back_to(None)
    assert ids(result) == api.ids
    assert (result.complete, len(api.asked)) == (True, 3)


def test_arrivals_at_the_very_end_are_no_fault_of_the_count() -> None:
    """The count grows while the last page is asked for: they come with the next listing."""
    api = FakeList.of(500)
    there = api.ids
    api.before = at(2, lambda: [api.add(NOON + i + 1) for i in range(3)])
    result = read(api)
    assert ids(result) == there
    assert (result.total, result.complete, result.problem) == (500, True, None)


# -- pages that are empty, short, or odd --------------------------------------------------------


def test_a_page_that_is_empty_once_is_asked_for_again() -> None:
    """One request more, and nothing to say."""
    api = FakeList.of(1600, is_empty=lambda number, _: number == 2)
    result = read(api)
    assert ids(result) == api.ids
    assert (result.complete, result.problem) == (True, None)
    assert api.asked == [0, 499, 499, 998, 1497]


def test_two_pages_that_are_empty_once_are_each_asked_for_again() -> None:
    """Each page has its own second chance."""
    api = FakeList.of(1600, is_empty=lambda number, _: number in {2, 4})
    result = read(api)
    assert ids(result) == api.ids
    assert (result.complete, result.gaps, len(api.asked)) == (True, False, 6)


@pytest.mark.parametrize("border", [None, NOON - 1100 * HOUR])
def test_a_page_that_stays_empty_is_a_gap(border: int | None) -> None:
    """What is behind it is listed too, but not taken as all: also when the end is not read."""
    api = FakeList.of(2400, is_empty=lambda _, offset: offset == 499)
    result = read(api, border)
    assert api.asked[:4] == [0, 499, 499, 999]
    assert ids(result)[:500] == api.ids[:500]
    assert ids(result)[500:] == api.ids[999 : 999 + len(result.sessions) - 500]
    assert result.problem is not None
    assert "a page in the middle of the list is empty" in result.problem
    assert (result.complete, result.gaps, result.ended) == (False, True, border is None)
    assert len(api.asked) == (6 if border is None else 5)


def test_pages_that_all_come_empty_end_the_reading() -> None:
    """Two empty pages in a row are looked behind once, not for ever."""
    api = FakeList.of(9000, is_empty=lambda _, offset: offset > 0)
    result = read(api)
    assert api.asked == [0, 499, 499, 999]
    assert (result.gaps, result.ended, len(result.sessions)) == (True, True, 500)


def test_a_first_page_that_is_empty_once_is_not_the_listing() -> None:
    """Nobody is asked whether anything changed before there is something to see."""
    api = FakeList.of(30, is_empty=lambda number, _: number == 1)
    result = ListingReader(api.page).back_to(FIRST_PAGE, lambda first: not first.sessions)
    assert ids(result) == api.ids
    assert api.asked == [0, 0]


@pytest.mark.parametrize(("cap", "requests"), [(100, 4), (499, 1), (50, 8), (2, 348), (1, 350)])
def test_a_server_with_shorter_pages_is_read_to_the_end(cap: int, requests: int) -> None:
    """It may give fewer rows than it is asked for."""
    api = FakeList.of(349, cap=cap)
    result = read(api)
    assert ids(result) == api.ids
    assert (result.complete, result.problem) == (True, None)
    assert len(api.asked) == len(set(api.asked)) == requests - (cap == 1)


@pytest.mark.parametrize(
    "bad", [{"status": "COMPLETE"}, {"sessionId": None}, {"sessionId": ""}, {"sessionId": 7}, None, "x"]
)
@pytest.mark.parametrize(("sessions", "requests"), [(25, 1), (500, 2), (1200, 3)])
def test_a_row_without_an_id_is_left_out_and_said(sessions: int, requests: int, bad: Any) -> None:
    """It cannot be asked for; the others can."""
    nameless = NOON - 7 * HOUR
    api = FakeList.of(sessions, edit=lambda rows: [bad if row["finishTime"] == text(nameless) else row for row in rows])
    result = read(api)
    assert ids(result) == [s.session_id for s in api.in_order if s.finish != nameless]
    assert result.problem is not None
    assert f"fewer sessions than it counts: {sessions - 1:,} of {sessions:,}" in result.problem
    assert (result.complete, result.gaps, len(api.asked)) == (False, False, requests)


def test_rows_without_ids_only_end_the_reading() -> None:
    """A changed field name is said at once, and costs two requests."""
    api = FakeList.of(1200, edit=lambda rows: [{"id": row["sessionId"]} for row in rows])
    result = read(api)
    assert (result.sessions, result.complete, len(api.asked)) == ((), False, 2)
    assert result.problem is not None
    assert "0 of 1,200" in result.problem


# -- the ceiling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sessions", "beyond"), [(10_501, "1 older ones"), (12_345, "1,845 older ones")])
def test_the_ceiling_is_said_with_numbers(sessions: int, beyond: str) -> None:
    """The newest 10,500 are listed; nobody is told that this is all."""
    api = FakeList.of(sessions, every=MINUTE)
    result = read(api)
    assert ids(result) == api.ids[:10_500]
    assert result.problem is not None
    assert f"reaches back 10,500 sessions only, {beyond} cannot be loaded" in result.problem
    assert f"10,500 of {sessions:,} sessions listed" in result.problem
    assert (result.complete, result.gaps, result.ended, len(api.asked)) == (False, False, True, ALL_PAGES)


def test_a_count_that_stays_the_same_hides_no_ceiling() -> None:
    """The number of older ones is unknown then, and said to be so."""
    result = read(FakeList.of(12_345, every=MINUTE, total=lambda _: 25))
    assert result.problem is not None
    assert "older ones, if there are any, cannot be loaded" in result.problem
    assert not result.complete


def test_a_poll_of_a_test_above_the_ceiling_is_complete() -> None:
    """The ceiling is far behind the overlap: removals are noticed all the same."""
    api = FakeList.of(12_345, every=MINUTE)
    result = read(api, border=NOON - 900 * MINUTE)
    assert (result.complete, result.problem, len(api.asked)) == (True, None, 3)


@pytest.mark.parametrize(
    "is_empty",
    [lambda _, offset: offset > 300, lambda number, _: number % 3 == 0, lambda number, _: number % 3 != 0],
)
@pytest.mark.parametrize("total", [lambda there: there, lambda _: 10**9, lambda _: 0])
@pytest.mark.parametrize("cap", [20, 11])
def test_no_fault_makes_it_read_for_ever(
    is_empty: Callable[[int, int], bool], total: Callable[[int], int], cap: int
) -> None:
    """A bound on the requests, whatever is empty and whatever is counted."""
    api = FakeList.of(500, is_empty=is_empty, total=total, cap=cap)
    with patch.multiple(listing, PAGE=20, LAST_OFFSET=400):
        read(api)
    assert len(api.asked) <= (REREADS + 1) * 3 * (400 // (cap - 1) + 2)


# -- times -----------------------------------------------------------------------------------------------


def listed_times(*rows: dict[str, Any]) -> dict[str, int]:
    """Where rows are placed."""
    page = Page(rows, len(rows))
    return {s.session_id: s.time for s in ListingReader(lambda _offset, _limit: page).back_to(None).sessions}


def row(name: str, finish: int | str | None, start: int | str | None = None) -> dict[str, Any]:
    """A row of the list endpoint; a text stands as it is."""
    times = [text(value) if isinstance(value, int) else value for value in (finish, start)]
    return {"sessionId": name, "finishTime": times[0], "startTime": times[1]}


def test_a_session_without_finish_time_is_placed_by_its_start() -> None:
    """The API allows a null there."""
    assert listed_times(row("a", None, NOON), {"sessionId": "b", "startTime": text(NOON - 1)}) == {
        "a": NOON,
        "b": NOON - 1,
    }


@pytest.mark.parametrize("none", [None, "", "soon", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_session_without_times_is_placed_by_its_neighbours(none: str | None) -> None:
    """So that it is near where it was listed, and not older than everything; a zero time is none."""
    times = listed_times(row("a", none, none), row("b", NOON), row("c", none), row("d", NOON - DAY))
    assert times == {"a": NOON, "b": NOON, "c": NOON, "d": NOON - DAY}


def test_sessions_without_any_times_are_all_listed() -> None:
    """Also over several pages; nothing then says where to stop."""
    api = FakeList.of(1200, edit=lambda rows: [{"sessionId": r["sessionId"]} for r in rows])
    result = read(api, border=NOON)
    assert sorted(ids(result)) == sorted(api.ids)
    assert {s.time for s in result.sessions} == {0}
    assert (len(api.asked), result.ended) == (3, True)


def test_fractions_and_offsets_do_not_matter() -> None:
    """One moment, however it is written."""
    same = [
        "2024-11-21T12:00:00Z",
        "2024-11-21T12:00:00.000Z",
        "2024-11-21T13:00:00.000+01:00",
        "2024-11-21T12:00:00.0004Z",
    ]
    assert set(listed_times(*(row(str(i), value) for i, value in enumerate(same))).values()) == {NOON}


def test_the_whole_row_is_kept() -> None:
    """A field that is new tomorrow too."""
    page = Page([{**row("a", NOON), "mood": "calm"}], 1)
    session = ListingReader(lambda _offset, _limit: page).back_to(None).sessions[0]
    assert session.summary["mood"] == "calm"


# -- anything between any two pages --------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(st.sampled_from(["come", "late", "go", "go at the top"]), st.integers(0, 10**6), st.integers(1, 6)),
    max_size=3,
)


def move(api: FakeList, kind: str, where: int, many: int) -> None:
    """Sessions come or go."""
    times = [s.finish for s in api.sessions.values()] or [NOON]
    for _ in range(many):
        if kind == "come":
            api.add(max(times) + MINUTE, long=where % 50 * MINUTE)
        elif kind == "late":
            api.add(times[where % len(times)], long=where % 90 * MINUTE)
        elif api.sessions:
            api.remove([api.ids[where % len(api.ids) if kind == "go" else 0]])


@given(
    sessions=st.integers(0, 60),
    by=st.sampled_from(["finish", "start"]),
    back=st.none() | st.integers(0, 70),
    cap=st.integers(2, 9),
    moves=st.lists(MOVES, max_size=40),
)
def test_what_is_there_all_the_time_is_listed_or_said_to_be_missing(
    sessions: int, by: str, back: int | None, cap: int, moves: list[list[tuple[str, int, int]]]
) -> None:
    """Whatever comes and goes between any two pages, and for a bounded number of requests."""
    api = FakeList(by=by, cap=cap)
    for i in range(sessions):
        api.add(NOON - i * 20 * MINUTE, long=i * 37 % 50 * MINUTE)
    always = dict(api.sessions)

    def between(number: int) -> None:
        for kind, where, many in moves[number - 2] if 2 <= number < len(moves) + 2 else []:
            move(api, kind, where, many)
        for gone in always.keys() - api.sessions.keys():
            del always[gone]

    api.before = between
    border = None if back is None else NOON - back * 20 * MINUTE
    with patch.multiple(listing, PAGE=7, LAST_OFFSET=2000):
        result = read(api, border)
    listed = ids(result)
    assert len(listed) == len(set(listed))
    wanted = {s.session_id for s in always.values() if border is None or s.start >= border}
    assert wanted <= set(listed) or result.gaps
    arrivals = len(api.sessions) + sum(many for step in moves for _, _, many in step)
    assert len(api.asked) <= (REREADS + 1) * (sessions + arrivals + 3)
    if not any(moves):
        assert (result.complete, result.problem) == (True, None)


def test_a_page_is_as_large_as_the_api_allows() -> None:
    """500 rows, and no offset above 10,000."""
    assert (PAGE, LAST_OFFSET) == (500, 10_000)


@pytest.mark.parametrize("cap", [7, 100, 500])
def test_an_api_that_does_not_count_is_read_until_it_has_no_more(cap: int) -> None:
    """Also one that cuts its pages short."""
    api = FakeList.of(523, cap=cap, total=lambda _: None)
    listing = ListingReader(api.page).back_to(None)
    assert [session.session_id for session in listing.sessions] == api.ids
    assert (listing.total, listing.complete, listing.problem) == (523, True, None)
