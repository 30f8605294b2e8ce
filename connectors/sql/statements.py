"""What a reader may ask: one statement that reads, as DuckDB's parser classifies it."""

import re
from typing import Final

import duckdb

from connectors.errors import OperatorError

Parameter = str | int | float | bool | None
"""A value for a `?`; instants are texts, cast in the statement."""

_EXPLAIN: Final = re.compile(r"\s*explain(\s+analyze\b|\s*\([^)]*\))?", re.IGNORECASE)


class QueryError(OperatorError):
    """A query cannot be run; the message says why and what to do."""


def check_reads(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Accept only a single read-only statement, as classified by DuckDB's parser.

    Raises QueryError, and duckdb.Error if the text is not SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        found = f"{len(statements)} statements" if statements else "nothing"
        msg = f"one SQL statement is expected; got {found} (PIVOT without IN counts as two)"
        raise QueryError(msg)
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs the statement, so check that statement too.
        explained = connection.extract_statements(_EXPLAIN.sub("", sql, count=1))
        kind = explained[0].type if len(explained) == 1 else kind
    if kind != duckdb.StatementType.SELECT:
        msg = f"a statement that reads is expected, such as SELECT or DESCRIBE; got {kind.name}"
        raise QueryError(msg)
