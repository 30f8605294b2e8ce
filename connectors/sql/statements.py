"""What a reader may ask: one statement that reads, as DuckDB's parser classifies it.

To a file, that is enough: whoever asks could open it. A running job also looks at the functions and
tables that the parser finds in the statement, because it would call them as its own user.
"""

import json
import re
from functools import cache, lru_cache
from typing import Final

import duckdb

from connectors.sql.errors import Parameter, QueryError
from connectors.sql.functions import allowed_functions

__all__ = ["Parameter", "QueryError", "check_harmless", "check_reads"]

STATEMENT_CHARS_MAX: Final = 100_000
"""Length of a question to a job: parsing takes time and memory, too."""

_ACCEPTED_MAX: Final = 256
"""Statements that are remembered as harmless, as those who poll repeat theirs."""

_FUNCTION: Final = re.compile(r'"function_name":"((?:[^"\\]|\\.)*)"')
_TABLE: Final = re.compile(r'"table_name":"((?:[^"\\]|\\.)*)"')
"""Names in the parser's tree as JSON; within texts their quotes would be escaped."""

_PLACE: Final = re.compile(r"[/\\*?]|\.\w")
"""What a table's name never contains, but that of a file does."""

_EXPLAIN: Final = re.compile(r"\s*explain(\s+analyze\b|\s*\([^)]*\))?", re.IGNORECASE)


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


@lru_cache(_ACCEPTED_MAX)
def check_harmless(sql: str, refused: frozenset[str] = frozenset()) -> None:
    """Accept only a statement that reads nothing but the result; raises QueryError.

    Functions that are `refused` may not be called either.
    """
    if len(sql) > STATEMENT_CHARS_MAX:
        msg = f"the statement is longer than {STATEMENT_CHARS_MAX:,} characters; shorten it"
        raise QueryError(msg)
    parser = _parser().cursor()
    try:
        check_reads(parser, sql)
        tree = _tree(parser, _explained(parser, sql))
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    finally:
        parser.close()
    called = {name.lower() for name in _FUNCTION.findall(tree)}
    if others := (called - allowed_functions()) | (called & refused):
        msg = f"a running job does not call {', '.join(sorted(others))}; it answers from its result"
        raise QueryError(msg)
    tables = (json.loads(f'"{name}"') for name in _TABLE.findall(tree))
    if places := [name for name in tables if _PLACE.search(name)]:
        msg = f"a running job reads no file such as {places[0]}; it answers from its result"
        raise QueryError(msg)


def _explained(parser: duckdb.DuckDBPyConnection, sql: str) -> str:
    is_explain = parser.extract_statements(sql)[0].type == duckdb.StatementType.EXPLAIN
    return _EXPLAIN.sub("", sql, count=1) if is_explain else sql


def _tree(parser: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the statement as the parser sees it; raises QueryError if it is no SELECT."""
    [(tree,)] = parser.execute("select json_serialize_sql(?)", [sql]).fetchall()
    if not tree.startswith('{"error":false,'):
        msg = "a running job answers no PRAGMA; ask with SELECT, DESCRIBE, SHOW or SUMMARIZE"
        raise QueryError(msg)
    return str(tree)


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return an empty database of this process, whose parser is asked."""
    return duckdb.connect(config={"threads": 1})
