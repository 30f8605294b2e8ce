"""Proofs on string columns: what they vouch for, and what they leave to the contract."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.times import parse_time
from connectors.decoding.proofs import (
    fixed_point,
    instants,
    is_bounded,
    is_hash,
    is_plain,
    unquoted,
)

Texts = list[str | None]


def column(texts: Texts) -> pa.Array:
    """Put texts in a column that is a slice of a longer one, as columns of the job often are."""
    return pa.array(["before", *texts, "after"], pa.string()).slice(1, len(texts))


def test_json_strings_lose_their_quotes() -> None:
    texts: Texts = ['"a"', None, '""', '"é"', f'"{"x" * 256}"', f'"{"x" * 257}"']
    other: Texts = ["12", '"a\\n"', "{}", "[]", "true", "-1"]
    content, good = unquoted(column([*texts, *other]))
    assert good.tolist() == [True, True, False, True, True, False] + [False] * len(other)
    assert content.filter(pa.array(good)).to_pylist() == ["a", None, "é", "x" * 256]


def test_a_dictionary_of_json_strings_stays_one() -> None:
    content, good = unquoted(column(['"a"', "1", '"a"', None]).dictionary_encode())
    assert good.tolist() == [True, False, True, True]
    assert content.filter(pa.array(good)).to_pylist() == ["a", "a", None]


def test_lengths_are_counted_in_bytes_without_the_quotes() -> None:
    texts: Texts = [None, '""', '"ab"', '"é"', '"abc"', '"\\n"', "12", "{}"]
    assert is_bounded(column(texts), 2).tolist() == [True] * 4 + [False, True, False, False]
    assert is_plain(column(texts), 2).tolist() == [True, False, True, True] + [False] * 4


def test_hashes() -> None:
    sound = "0123456789abcdef" * 4
    odd = [sound.upper(), sound[1:], sound[1:] + "g", sound[1:] + "/", ""]
    texts: Texts = [None, f'"{sound}"', *(f'"{text}"' for text in odd), sound, f"1{sound[1:]}1"]
    assert is_hash(column(texts)).tolist() == [True, True] + [False] * 7


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-26T14:30:00Z",
        "2026-04-26T14:30:00.123Z",
        "2026-04-26T14:30:00.123456Z",
        "2026-04-26t14:30:00z",
        "2026-04-26t14:30:00.123456z",
        "2026-04-26t14:30:00.123-05:30",
        "2026-04-26T14:30:00+05:30",
        "2026-04-26T14:30:00.123-05:30",
        "2026-04-26T14:30:00.123456-23:59",
        "2024-02-29T23:59:59Z",
        "1969-12-31T23:59:59.999999Z",
        "9998-12-31T23:59:59Z",
    ],
)
def test_common_spellings_of_time_are_read(text: str) -> None:
    micros, good = instants(column([None, text, "no"]))
    since = datetime.fromisoformat(text.upper()) - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert good.tolist() == [False, True, False]
    assert micros[1] == whole


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-26 14:30:00Z",
        "2026-04-26T24:00:00Z",
        "2026-04-26T14:60:00Z",
        "2026-04-26T14:30:60Z",
        "2026-02-29T14:30:00Z",
        "2026-13-01T14:30:00Z",
        "2026-00-01T14:30:00Z",
        "2026-04-31T14:30:00Z",
        "2026-04-00T14:30:00Z",
        "0000-04-01T14:30:00Z",
        "2026-04-26T14:30:00+24:00",
        "2026-04-26T14:30:00+05:60",
        "2026-04-26T14:30:00*05:00",
        "2026-04-26T14:30:00.12:Z",
        "2026-04-26\x1414:30:00Z",
        "2026-04-26S14:30:00Z",
        "2026-04-26T14:30:00\x1a",
        "2026-04-26T14:30:00\x7a+05:00",
        "2026-04-26T14:30:00[",
    ],
)
def test_other_texts_are_not_read_as_times(text: str) -> None:
    assert instants(column([text, text]))[1].tolist() == [False, False]


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["seconds", "milliseconds"]))
def test_times_agree_with_the_contract(moment: datetime, unit: str) -> None:
    text = moment.isoformat(timespec=unit)
    micros, good = instants(column([text]))
    parsed = parse_time(text)
    assert not good[0] or (parsed is not None and parsed.microseconds == micros[0])


def test_plain_numbers_are_read_as_millionths() -> None:
    texts: Texts = [
        "0",
        "1",
        "89.99",
        "0.000001",
        "123456789.123456",
        None,
    ]
    micros, good = fixed_point(column(texts))
    assert good.tolist() == [True] * 6
    assert micros.tolist() == [0, 1_000_000, 89_990_000, 1, 123_456_789_123_456, 0]


@pytest.mark.parametrize(
    "text",
    ["-1", "1e5", "0.0000001", "12345678901", "", '"1"', "true", "[1]", "1.2.3", "1" * 17, "{}"],
)
def test_other_texts_are_not_read_as_millionths(text: str) -> None:
    assert fixed_point(column([text]))[1].tolist() == [False]
