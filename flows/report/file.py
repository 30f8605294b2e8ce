"""`tributary report`: the report as one file that needs nothing else."""

from pathlib import Path

from connectors.sql.reader import open_reader
from flows.report.page import fragment, report_page
from flows.report.report import panels
from flows.report.selection import Selection


def report(database: Path, selection: Selection) -> str:
    """Return the report of a result as one HTML file; raises QueryError."""
    reader = open_reader(database)
    try:
        commit = reader.commit()
        shown = list(panels(reader, selection))
    finally:
        reader.close()
    return report_page(
        [fragment(panel, is_live=False) for panel in shown],
        [(panel.id, panel.title) for panel in shown],
        selection,
        made=f"Made from commit {commit:,} of {database.name} with",
    )
