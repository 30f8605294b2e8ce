"""Which functions a question to a running job may call.

Table functions read files, settings and secrets, so only the listed ones may be called. All others
compute values; of these, few are refused. A test compares their names with those that were looked
at, so that a new version of DuckDB brings nothing unseen.
"""

from functools import cache
from typing import Final

import duckdb

from connectors.database.schema import MACROS

TABLE_FUNCTIONS: Final = frozenset(
    {
        *("generate_series", "range", "repeat", "repeat_row", "unnest"),
        *("histogram", "histogram_values", "json_each", "json_tree", "summary"),
        *("duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions"),
        *("duckdb_indexes", "duckdb_keywords", "duckdb_memory", "duckdb_schemas"),
        *("duckdb_sequences", "duckdb_tables", "duckdb_types", "duckdb_views"),
        *("icu_calendar_names", "pg_timezone_names", "pragma_collations"),
        *("pragma_database_size", "pragma_platform", "pragma_show", "pragma_storage_info"),
        *("pragma_table_info", "pragma_version"),
    }
)
"""Table functions that read nothing but the result and its catalog."""

REFUSED: Final = frozenset(
    {
        "current_setting",  # may hold a password
        "getvariable",
        *("currval", "nextval"),  # writes
        "write_log",
        *("pg_sleep", "sleep_ms"),  # takes a turn from others
        *("json_serialize_plan", "variant_bytes_to_variant"),  # take or show internals
    }
)
"""Functions that compute no value from their arguments alone, or trust their arguments."""

INTERNAL: Final = "__internal_"
"""Functions that the optimiser inserts; they do not check their arguments."""


@cache
def allowed_functions() -> frozenset[str]:
    """Return the names of all functions that may be called."""
    return TABLE_FUNCTIONS | MACROS | computing_functions() - REFUSED


@cache
def computing_functions() -> frozenset[str]:
    """Return the names of DuckDB's functions that compute values, except internal ones."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            """select distinct lower(function_name) from duckdb_functions()
            where function_type in ('scalar', 'aggregate', 'macro')"""
        ).fetchall()
    return frozenset(name for (name,) in rows if not name.startswith(INTERNAL))
