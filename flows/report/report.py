"""The panels of the report, in their order."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from connectors.database.schema import SCHEMA_VERSION
from connectors.sql.errors import LockedError, LostJobError, QueryError
from connectors.sql.reader import Reader
from flows.report.asking import Asker
from flows.report.blocks import Found, Panel
from flows.report.panels.campaigns import campaigns
from flows.report.panels.copies import copies
from flows.report.panels.costs import costs
from flows.report.panels.coverage import coverage
from flows.report.panels.funnel import funnel
from flows.report.panels.journeys import journeys
from flows.report.panels.later import refunds, shares
from flows.report.panels.overlap import overlap
from flows.report.panels.quality import quality
from flows.report.panels.timing import timing
from flows.report.selection import Selection

PANELS: Final[dict[str, tuple[str, Callable[[Asker], Found]]]] = {
    "coverage": ("What this covers", coverage),
    "funnel": ("From event to ad: the match rate", funnel),
    "campaigns": ("What each campaign earned, by model", campaigns),
    "shares": ("What the data says a campaign is worth", shares),
    "timing": ("How long it takes, and how many touchpoints", timing),
    "journeys": ("Top journeys", journeys),
    "overlap": ("Which campaigns work together", overlap),
    "refunds": ("Refunds and other reversals", refunds),
    "copies": ("Events that came more than once", copies),
    "quality": ("Data quality, and what to do", quality),
    "costs": ("Costs and return", costs),
}
"""The title of each panel, and what answers its question."""

CONTENTS: Final = [(name, title) for name, (title, _) in PANELS.items()]


_VERSION: Final = "select schema_version from database_info"


def check_version(reader: Reader, database: Path) -> None:
    """Check that a result has the tables of this program; raises QueryError."""
    found = reader.query(_VERSION).column(0).to_pylist()
    if found != [SCHEMA_VERSION]:
        msg = (
            f"{database} was made by another version of tributary: its tables are of version "
            f"{', '.join(map(str, found))}, expected {SCHEMA_VERSION}; replay it again"
        )
        raise QueryError(msg)


def panels(reader: Reader, selection: Selection) -> Iterator[Panel]:
    """Yield the panels; raises QueryError."""
    for name, (title, answer) in PANELS.items():
        asker = Asker(reader, selection)
        yield Panel(name, title, answer(asker), asker.asked)


def possible_panels(reader: Reader, selection: Selection) -> Iterator[Panel]:
    """Yield the panels; one that cannot be computed says so.

    Raises QueryError where the result cannot be asked at all.
    """
    for name, (title, answer) in PANELS.items():
        asker = Asker(reader, selection)
        try:
            found = answer(asker)
        except (LostJobError, LockedError):
            raise
        except QueryError as error:
            found = Found("This could not be computed.", str(error).partition("\n")[0])
        yield Panel(name, title, found, asker.asked)
