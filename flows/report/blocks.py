"""What a page is made of: panels, and in them figures, charts, tables and notes.

These are answers without any look; the templates and the charts give them one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flows.report.cells import Cell

Shape = Literal["parts", "dots", "columns"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it is."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers side by side."""

    figures: Sequence[Figure]
    kind: Literal["figures"] = "figures"


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms, each with what there is to say of it."""

    facts: Sequence[tuple[str, Cell]]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence or two, and perhaps a command."""

    text: str
    code: str = ""
    kind: Literal["note"] = "note"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headers; `more` rows are not shown."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    more: int = 0
    kind: Literal["table"] = "table"

    @property
    def numeric(self) -> list[bool]:
        """Return for each column whether it holds numbers."""
        return [
            bool(self.rows) and all(row[at].kind == "number" for row in self.rows)
            for at in range(len(self.headers))
        ]


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour of a chart, one for each of its labels."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """Series of values over labels, as a drawing; the table has the same numbers.

    `parts` draws each series over the one before, as a part of it, in bars from left to right;
    `dots` the first as a bar and the others as dots on its line; `columns` all on top of each
    other, upright. `texts` are written at the ends of bars. An open table is seen without a click.
    """

    shape: Shape
    title: str
    description: str
    labels: Sequence[str]
    series: Sequence[Series]
    table: Table
    axis: str
    texts: Sequence[str] = ()
    has_open_table: bool = False
    kind: Literal["chart"] = "chart"


Block = Figures | Facts | Note | Table | Chart


@dataclass(frozen=True, slots=True)
class Shown:
    """A question that was asked, for those who want to ask it again."""

    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to say about a question: the short answer, what it means, and the numbers."""

    answer: str
    meaning: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One question of a page with what was found, and the SQL behind it."""

    id: str
    title: str
    found: Found
    questions: Sequence[Shown] = ()
