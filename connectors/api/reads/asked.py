"""What questions to a result share: one row for one statement, as plain JSON."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from attribution.contract.times import UNIX_EPOCH, write_time
from connectors.api.results import Answer
from connectors.sql.errors import Parameter
from connectors.sql.reader import Reader

AS_OF: Final = """as_of as (
  select {commit: seq, committed_at: committed_at, watermark: watermark} as state
  from commits order by seq desc limit 1)"""
"""A CTE of one row, or none before the first commit: the commit that a statement sees."""

Row = dict[str, Any]


class Ask(Protocol):
    """Asks the result a question, named by its key; raises ProblemError."""

    async def __call__(self, key: Hashable, question: Callable[[Reader], Answer]) -> Answer:
        """Return the answer, which nobody may change."""


def one_row(reader: Reader, sql: str, parameters: Sequence[Parameter]) -> Row:
    """Return the only row of a statement as JSON: a statement sees one commit, two may not."""
    (row,) = reader.query(sql, parameters).to_pylist()
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:  # noqa: ANN401  whatever a column holds
    """Return a value of a result as JSON: instants as texts, decimals as numbers."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return write_time((value - UNIX_EPOCH) // timedelta(microseconds=1))
    return float(value) if isinstance(value, Decimal) else value


def without_nulls(row: Row) -> Row:
    """Return a row without what is not known of it."""
    return {name: value for name, value in row.items() if value is not None}
