"""The questions of the analyst guide: headings that ask, SQL that answers, and the answer shown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.sql.formats import cell
from flows.text import text_table

GUIDE: Final = Path(__file__).parents[2] / "docs/analyst-guide.md"

QUESTION: Final = re.compile(
    r"^### (?P<heading>[^\n]+\?)\n(?:(?!^#|^```).*\n)*```sql\n(?P<sql>[^`]+)```\n\n"
    r"```text\n(?P<answer>[^`]*)```$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the guide."""

    heading: str
    sql: str
    answer: str


def questions(page: str) -> list[Question]:
    """Return all questions of a page, with what it shows as their answers."""
    return [Question(**found.groupdict()) for found in QUESTION.finditer(page)]


def with_answers(page: str, answers: Iterable[str]) -> str:
    """Return the page with other answers, in the order of its questions."""
    others = iter(answers)
    return QUESTION.sub(
        lambda found: found[0].removesuffix(f"{found['answer']}```") + next(others) + "```", page
    )


def as_shown(answer: pa.Table) -> str:
    """Return rows as the guide shows them, which is how `tributary sql` does."""
    columns = [column.to_pylist() for column in answer.columns]
    return rows_as_shown(answer.column_names, zip(*columns, strict=True))


def rows_as_shown(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return rows as the guide shows them."""
    cells = [[cell(value, null="NULL") for value in row] for row in rows]
    return text_table(list(columns), cells) + "\n" if cells else "(nothing)\n"
