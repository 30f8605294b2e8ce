"""Which sources report the same, on random rows, against a loop over all pairs."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from connectors.database import schema
from tests.support.decoded import Row
from tests.support.random_rows import RandomRows, answers

SAME: Final = ("advertiser_id", "event_type", "custom_event_name")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_source_overlap(seed: int, tmp_path: Path) -> None:
    made = RandomRows(seed)
    expected = repeats(made.conversions)
    with made.written(tmp_path / "result.duckdb") as result:
        got = answers(result, "from source_overlap")
    assert len(got) == len(expected) > 5
    for row in got:
        key = tuple(row.pop(name) for name in list(row)[:5])
        assert {name: value or 0 for name, value in row.items()} == dict(expected[key])


def repeats(rows: Sequence[Row]) -> dict[tuple[Any, ...], Counter[Any]]:
    """Look, for each conversion and other source, for an earlier one with its event or order."""
    sums: dict[tuple[Any, ...], Counter[Any]] = defaultdict(Counter)
    for row in rows:
        others = [each for each in rows if all(each[name] == row[name] for name in SAME)]
        for source in {each["event_source_id"] for each in others} - {row["event_source_id"]}:
            theirs = [each for each in others if each["event_source_id"] == source]
            twins = [each for each in theirs if each["event_id"] == row["event_id"]]
            has_order = row["order_id"] is not None
            same = twins or [each for each in theirs if has_order and _order(each) == _order(row)]
            earlier = [each for each in same if _arrival(each) < _arrival(row)]
            if earlier:
                twice = bool(row["path_length"] and any(each["path_length"] for each in earlier))
                money = None if row["value"] is None else row["currency"]
                pair = sorted((row["event_source_id"], source))
                group = sums[row["advertiser_id"], *pair, row["event_type"], money]
                group.update({"repeats": 1, "by_event_id": bool(twins), "by_order_id": not twins})
                group.update({"value": row["value"] or 0, "attributed_twice": twice})
                group["attributed_value"] += (row["value"] or 0) if twice else 0
    return sums


def _order(row: Row) -> str:
    return str(row["order_id"])


def _arrival(row: Row) -> tuple[Any, ...]:
    return row["received_at"], row["conversion_id"]


def test_an_order_id_that_everything_has_is_compared_once_each(tmp_path: Path) -> None:
    """The pairs would be a hundred million."""
    with duckdb.connect(tmp_path / "result.duckdb") as connection:
        schema.create(connection)
        connection.execute("""insert into conversions_final by name
            select 'c' || i as conversion_id, 'A' as advertiser_id,
              if(i % 2 = 0, 'app', 'pixel') as event_source_id, 'purchase' as event_type,
              'e' || i as event_id, 'none' as order_id, to_timestamp(i) as received_at,
              1 as value, 'EUR' as currency, 'unattributed' as outcome
            from range(20000) as r(i)""")
        got = answers(connection, "select repeats, by_order_id, value from source_overlap")
    assert got == [{"repeats": 19_999, "by_order_id": 19_999, "value": 19_999}]
