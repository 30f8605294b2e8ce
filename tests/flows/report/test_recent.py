"""Journeys of a large result: the latest are looked at, and the page says so."""

import shutil
from pathlib import Path

import duckdb
import pytest

from flows.report.file import report
from flows.report.panels import recent
from flows.report.selection import Selection
from tests.support.pages import Page

LATEST = ("one", "two")


@pytest.fixture
def grown(result: Path, tmp_path: Path) -> Path:
    """Return the result as if some conversions had been committed after all others."""
    copy = Path(shutil.copy(result, tmp_path / "grown.duckdb"))
    with duckdb.connect(copy) as connection:
        connection.execute("update conversions_final set seq = 2 where event_id in ?", [LATEST])
        connection.execute(
            """update credits_final set seq = 2 where conversion_id in (
            select conversion_id from conversions_final where seq = 2)"""
        )
    return copy


def test_of_many_journeys_the_latest_are_looked_at(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Page(report(grown, Selection()))
    assert whole.panels["journeys"].answer == "3 different journeys led to 5 conversions."
    monkeypatch.setattr(recent, "JOURNEYS_MAX", 2)
    page = Page(report(grown, Selection()))
    assert page.panels["journeys"].answer.endswith("led to the latest 3 conversions.")
    assert "touch one of the latest 3 conversions, others do too" in page.panels["overlap"].answer
    assert page.panels["campaigns"].answer == whole.panels["campaigns"].answer
