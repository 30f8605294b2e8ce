"""The guide shows queries; each must run, and find something in a file that has everything."""

import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from connectors.database.schema import TABLES, VIEWS
from tests.support.decoded import click, event, impression, rejection, trial, write_result

GUIDE = (Path(__file__).parents[2] / "docs/analyst-guide.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
FINDS_NOTHING = "in_flight <> 0"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    worth = {"value": Decimal(10), "currency": "USD", "warnings": ["malformed_hash"]}
    log = {
        "events": [
            event() | worth,
            event(source_offset=1),
            event("e2", source_offset=2, keys=[]),
            event("e2", source_offset=3, keys=[]) | {"event_source_id": "server"},
        ],
        "impressions": [impression() | {"spend": Decimal(1), "currency": "USD"}, click("i2")],
        "rejections": [rejection()],
        "tests": [trial()],
    }
    return write_result(tmp_path_factory.mktemp("guide") / "result.duckdb", log)


@pytest.mark.parametrize("query", QUERIES)
def test_query_answers(query: str, result: Path) -> None:
    with duckdb.connect(result, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(query).fetchall()
    assert (rows == []) == (FINDS_NOTHING in query)


@pytest.mark.parametrize("name", TABLES + VIEWS)
def test_every_table_and_view_is_named(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_listed_once(view: str) -> None:
    assert GUIDE.count(f"\n| `{view}` |") == 1


def test_two_sources_that_report_the_same_are_found(result: Path) -> None:
    [query] = [query for query in QUERIES if "other_source" in query]
    with duckdb.connect(result, read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    assert rows == [("adv", "server", "src", "purchase", 1, 0, None, None)]
