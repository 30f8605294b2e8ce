"""The panels of the report, in their order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from connectors.sql.reader import Reader
from flows.report.asking import Asker
from flows.report.blocks import Panel
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

PANELS: Final[tuple[Callable[[Asker], Panel], ...]] = (
    coverage,
    funnel,
    campaigns,
    shares,
    timing,
    journeys,
    overlap,
    refunds,
    copies,
    quality,
    costs,
)


def panels(reader: Reader, selection: Selection) -> Iterator[Panel]:
    """Yield the panels, each with the SQL behind it; raises QueryError."""
    for panel in PANELS:
        asker = Asker(reader, selection)
        yield replace(panel(asker), questions=tuple(asker.asked))
