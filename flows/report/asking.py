"""Asks the questions of a panel, bounded, and remembers their SQL for the reader."""

from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any, Final

from connectors.sql.reader import Reader
from flows.report.blocks import Shown
from flows.report.selection import Selection

Row = dict[str, Any]

ROWS_MAX: Final = 10
"""Rows that a table of a panel shows, unless it asks for another number."""

EVERY: Final = 500
"""Rows of answers that are few by nature: kinds, days, codes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The first rows of an answer; of `in_all` rows, or so many of each group."""

    rows: list[Row]
    in_all: int

    @property
    def more(self) -> int:
        """Return how many rows there are beyond those."""
        return self.in_all - len(self.rows)

    def by(self, column: str) -> "dict[Any, Answer]":
        """Return the answer of each group."""
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row[column], []).append(row)
        return {group: Answer(rows, rows[0]["in_all"]) for group, rows in groups.items()}


@dataclass(slots=True)
class Asker:
    """Asks a result about a selection."""

    reader: Reader
    selection: Selection
    asked: list[Shown] = field(default_factory=list)

    def ask(
        self, title: str, sql: str, *, order: str, per: str | None = None, most: int = ROWS_MAX
    ) -> Answer:
        """Return the first rows of an answer in an order; raises QueryError.

        With `per`, the first rows for each value of that column.
        """
        by = f"{per}, {order}" if per else order
        sql = self._note(title, sql, f"order by {by}")
        group = f"partition by {per}" if per else ""
        bounded = (
            f"with answer as ({sql})\n"
            f"select *, count(*) over ({group}) as in_all from answer\n"
            f"qualify row_number() over ({group} order by {order}) <= {most}\norder by {by}"
        )
        rows = self.reader.query(bounded).to_pylist()
        return Answer(rows, rows[0]["in_all"] if rows else 0)

    def one(self, title: str, sql: str) -> Row:
        """Return the only row of an answer, or the first; raises QueryError."""
        sql = self._note(title, sql)
        return self.reader.query(f"from ({sql}) limit 1").to_pylist()[0]

    def _note(self, title: str, sql: str, order: str = "") -> str:
        """Remember a question; return it without its order."""
        lines = [line for line in dedent(sql).strip().splitlines() if line.strip()]
        self.asked.append(Shown(title, "\n".join([*lines, *([order] if order else [])])))
        return "\n".join(lines)
