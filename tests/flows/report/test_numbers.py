"""What a report says is what the tables hold, computed a second time without its SQL."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from statistics import median

import duckdb
import pytest

from attribution.vocabulary import MODELS
from flows.analysis.sql import run_sql
from flows.report.file import report
from flows.report.selection import selected
from tests.support.pages import Page
from tests.support.reported import SCRIPT


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def rows(tables: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, object]]:
    return tables.sql(f"from {table}").to_arrow_table().to_pylist()


def test_answers(page: Page) -> None:
    assert {name: panel.answer for name, panel in page.panels.items() if name != "campaigns"} == {
        "coverage": "9 conversions out of 13 events that came in.",
        "funnel": "62.5% of the conversions that could be attributed were.",
        "shares": "Not computed yet.",
        "timing": (
            "Half of the attributed conversions come within 2 hours of the ad that won them."
        ),
        "journeys": "3 different journeys led to 5 conversions.",
        "overlap": (
            "Where the largest campaigns touch a conversion, others do too in 90% of the cases."
        ),
        "refunds": "1 reversal seen, and not subtracted yet.",
        "copies": (
            "1 copy recognised and left out; "
            "1 conversion reported by two sources and counted twice."
        ),
        "quality": (
            "1 record refused, most often: event without a usable time; "
            "most often not attributed because the event carried nothing to match by."
        ),
        "costs": "Prices are known of 1 campaign, in EUR.",
    }


def test_value_by_campaign_and_model(page: Page, tables: duckdb.DuckDBPyConnection) -> None:
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(MODELS))
    for credit in rows(tables, "credits_final"):
        if credit["currency"] == "EUR":
            earned = [Decimal(str(credit[f"{model}_value"])) for model in MODELS]
            campaign = str(credit["campaign_id"])
            sums[campaign] = [a + b for a, b in zip(sums[campaign], earned, strict=True)]
    shown = page.table("campaigns", "Value in EUR by campaign and model")
    assert sorted([cell.split(" ")[0] for cell in row[2:]] for row in shown) == sorted(
        [f"{value:,.2f}" for value in values] for values in sums.values()
    )
    assert shown[0][0] == SCRIPT
    assert shown[0][2:] == ["150.50", "0.00 −100%", "108.58 −28%", "108.88 −28%", "115.25 −23%"]


def test_currencies_are_never_added_up(page: Page) -> None:
    assert "1,000 JPY" in page.panels["coverage"].text
    assert "250.50 EUR" in page.panels["coverage"].text
    assert not [text for text in page.text.split() if text.startswith("1,250")]


def test_times_and_outcomes(page: Page, tables: duckdb.DuckDBPyConnection) -> None:
    conversions = rows(tables, "conversions_final")
    seconds = [
        float(str(each["seconds_to_convert"]))
        for each in conversions
        if each["outcome"] == "attributed"
    ]
    assert len(conversions) == 9
    assert f"{median(seconds) / 3_600:.0f} hours" in page.panels["timing"].answer
    steps = page.table("funnel", "Events by how far they came")
    assert [row[1] for row in steps] == ["13", "9", "8", "5", "1"]
    kinds = page.table("funnel", "Conversions by kind of identifier")
    assert kinds[0] == ["UID2", "7", "3", "42.9%"]


def test_copies_and_the_money_they_would_have_doubled(page: Page) -> None:
    within = page.table("copies", "Copies within one source, by currency")
    across = page.table("copies", "What two sources report both, on all days, by currency")
    assert within == [["src", "adv", "1", "0", "50.50 EUR"]]
    assert across == [["shop", "src", "adv", "purchase", "1", "0", "100.00 EUR"]]


def test_costs_and_return(page: Page) -> None:
    (row,) = page.table("costs", "Costs and return in EUR")
    assert row[2:] == ["2.50", "1", "0", "3", "150.50", "0.83", "60.20×"]


def test_every_panel_shows_sql_that_runs(page: Page, result: Path) -> None:
    questions = {name: panel.sql for name, panel in page.panels.items() if panel.sql}
    assert set(questions) == set(page.panels) - {"shares"}
    for sqls in questions.values():
        for sql in sqls.values():
            run_sql(result, sql, "json")


def test_the_sql_of_a_table_returns_its_rows(page: Page, result: Path) -> None:
    sql = page.panels["campaigns"].sql["Conversions by campaign and model"]
    campaigns = [line.split(",")[1] for line in run_sql(result, sql, "csv").splitlines()[1:]]
    shown = page.table("campaigns", "Conversions by campaign and model, with and without a value")
    assert len(shown) == len(campaigns) == 4
    assert shown[0][0] == campaigns[0] == SCRIPT


@pytest.mark.parametrize(
    ("words", "conversions", "currencies"),
    [
        (("adv", "2026-05-11", "2026-05-12"), 9, ["EUR", "JPY"]),
        (("nobody",), 0, []),
        (("", "2026-05-20"), 0, []),
        (("", "", "", "JPY"), 9, ["JPY"]),
    ],
)
def test_selections(
    result: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    conversions: int,
    currencies: list[str],
) -> None:
    monkeypatch.setattr("flows.report.charts.can_draw", lambda: False)
    page = Page(report(result, selected(*words)))
    counted = f"{conversions} conversions" if conversions else "No event has been received yet"
    assert page.panels["coverage"].answer.startswith(counted)
    captions = page.panels["campaigns"].tables
    shown = [each.split()[2] for each in captions if each.startswith("Value in ")]
    assert shown == currencies
