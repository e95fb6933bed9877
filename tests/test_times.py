"""Points in time as the API writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usertesting_source.times import parse_time

MOMENT = datetime(2024, 11, 21, 12, 25, 3, 347_000, tzinfo=timezone.utc)
BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-11-21T12:25:03.347Z", MOMENT),
        ("2024-11-21t12:25:03.347z", MOMENT),
        ("2024-11-21 12:25:03.347", MOMENT),
        ("  2024-11-21T12:25:03,347Z ", MOMENT),
        ("2024-11-21T13:25:03.347+01:00", MOMENT),
        ("2024-11-21T13:25:03.347+0100", MOMENT),
        ("2024-11-21T07:25:03.347-05:00", MOMENT),
        ("2024-11-21T12:25:03.347000Z", MOMENT),
        ("2024-11-21T12:25:03.347000999Z", MOMENT),
        ("2024-11-21T12:25:03.3Z", MOMENT.replace(microsecond=300_000)),
        ("2024-11-21T12:25:03Z", MOMENT.replace(microsecond=0)),
        ("2024-11-21T12:25Z", MOMENT.replace(second=0, microsecond=0)),
        (MOMENT.astimezone(BERLIN), MOMENT),
        (MOMENT.replace(tzinfo=None), MOMENT),
    ],
)
def test_a_moment_is_read_however_it_is_written(written: object, moment: datetime) -> None:
    """With or without fractions, seconds, an offset: always the same moment, in UTC."""
    read = parse_time(written)
    assert read == moment
    assert read is not None
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "yesterday",
        "2024-11-21",
        "2024-13-21T12:25:03Z",
        "2024-11-21T24:25:03Z",
        "2024-11-21T12:25:03+99:00",
        "0001-01-01T00:00:00+01:00",
        "2024-11-21T12:25:03Z and more",
        "٢٠٢٤-11-21T12:25:03Z",
        1_732_190_400_000,
        True,
        {},
        datetime.min.replace(tzinfo=BERLIN),
    ],
)
def test_what_names_no_moment_is_none(written: object) -> None:
    """Never an error, since a bad time of one session must not stop the others."""
    assert parse_time(written) is None


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,+Z-]{0,20}"))
def test_any_text_gives_a_moment_in_utc_or_none(written: str) -> None:
    """No text makes the reader fail."""
    moment = parse_time(written)
    assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.datetimes(MOMENT.replace(year=1970, tzinfo=None), timezones=st.sampled_from([timezone.utc, BERLIN])))
def test_a_moment_that_is_written_is_read_again(moment: datetime) -> None:
    """To the millisecond, which is as exact as the API writes."""
    written = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_time(written) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
