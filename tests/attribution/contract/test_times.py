"""The grammar of times, on its edges."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.times import FUTURE_TOLERANCE, ParsedTime, is_in_future, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01t00:00:00Z", 0),
        ("1970-01-01T00:00:00z", 0),
        ("1970-01-01t00:00z", 0),
        ("1970-01-01t01:30:00.5+01:30", 500_000),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T22:30-01:30", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00.1234569Z", 123_456),
        ("1970-01-01T00:00:00." + "9" * 400 + "Z", 999_999),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("2000-02-29T00:00:00Z", 951_782_400_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("0001-01-01T23:59:00+23:59", -62_135_596_800_000_000),
    ],
)
def test_what_is_a_time(text: str, microseconds: int) -> None:
    assert parse_time(text) == ParsedTime(microseconds, clamped=False)


@pytest.mark.parametrize("text", ["1970-01-01T00:00:60Z", "1970-01-01T00:00:60.5Z"])
def test_a_leap_second_is_the_end_of_the_second_before(text: str) -> None:
    assert parse_time(text) == ParsedTime(59_999_999, clamped=True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        0,
        b"1970-01-01T00:00:00Z",
        "",
        "1970-01-01",
        "1970-01-01T00Z",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01\u01ac00:00:00Z",
        "1970-01-01400:00:00Z",
        "1970-01-01T00:00:00:",
        "1970-01-01T00:00:00+0500",
        "1970-01-01T00:00:00+05",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+05:60",
        "1970-01-01T00:00:00 +05:00",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00.5Z",
        "1970-02-29T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+1970-01-01T00:00:00Z",
        "19700101T000000Z",
        "1970-W01-1T00:00:00Z",
        "1970-01-01T00:00:00Z\n",
        " 1970-01-01T00:00:00Z",
        "١٩٧٠-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
    ],
)
def test_what_is_none(text: object) -> None:
    assert parse_time(text) is None


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_it_reads_what_datetime_writes(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == ParsedTime(
        (moment - EPOCH) // MICROSECOND, clamped=False
    )


def test_the_future_begins_a_day_after_arrival() -> None:
    assert not is_in_future(FUTURE_TOLERANCE + 5, received_at=5)
    assert is_in_future(FUTURE_TOLERANCE + 6, received_at=5)
