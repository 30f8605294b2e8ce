"""`tributary report`: the report as one file that needs nothing else."""

from pathlib import Path

from connectors.sql.reader import open_reader
from flows.report.page import about, fragment, rendered, safe
from flows.report.report import CONTENTS, check_version, panels
from flows.report.selection import Selection


def report(database: Path, selection: Selection) -> str:
    """Return the report of a result as one HTML file; raises QueryError."""
    reader = open_reader(database)
    try:
        check_version(reader, database)
        commit = reader.commit()
        shown = list(panels(reader, selection))
    finally:
        reader.close()
    return rendered(
        "report.html",
        is_live=False,
        about=about(selection),
        contents=CONTENTS,
        fragments=safe(fragment(panel, is_live=False) for panel in shown),
        made=f"from commit {commit:,} of {database.name} with",
    )
