"""Plain text tables for terminals and files: no colours, nothing cut off."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from io import StringIO
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE: Final = 1_000_000
"""Wider than any row, so that nothing is wrapped; a table is only as wide as it needs to be."""


def text_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells in columns under their headers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in headers:
        table.add_column(Text(header), no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    page = StringIO()
    Console(file=page, width=_WIDE, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def instant(moment: datetime | None) -> str:
    """Format a time."""
    return "at an unknown time" if moment is None else str(moment).replace("+00:00", "Z")
