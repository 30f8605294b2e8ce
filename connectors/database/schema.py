"""Creates the tables and views of a result file.

`schema.sql` is the schema; this file only runs it and gives a column that is not commented there
the comment its name has where it appears first. The only row it writes says what the file is.
"""

from importlib.resources import files
from typing import Final

import duckdb

SCHEMA_VERSION: Final = 4
"""Goes up when a live run of this version could not go on with a file of the version before."""

TABLES: Final = (
    "conversions_final",
    "conversions_provisional",
    "credits_final",
    "credits_provisional",
    "match_deltas",
    "touchpoint_deltas",
    "rejections",
    "duplicates",
    "test_events",
    "event_sources",
    "late_records",
    "future_records",
    "ignored_arrivals",
    "delayed_arrivals",
    "read_offsets",
    "resent_records",
    "runs",
    "commits",
    "database_info",
)
"""What the job writes to."""

WITHOUT_SEQ: Final = frozenset({"runs", "database_info"})
"""Tables whose rows belong to no commit."""

VIEWS: Final = (
    "conversions",
    "credits",
    "match_stats",
    "touchpoint_stats",
    "conservation",
    "attributed_conversions",
    "campaign_performance",
    "match_rates",
    "identifier_rates",
    "unmatched_reasons",
    "journeys",
    "rejected_events",
    "data_dictionary",
)
"""What analysts read."""

# Tables are older than views in the catalog, so a name means what the first table says it means.
_INHERITED: Final = """
with columns as (
  select table_oid, table_name, column_name, comment, view_oid is not null as is_view
  from duckdb_columns() left join (select view_oid from duckdb_views()) on view_oid = table_oid
  where database_name = current_database() and not internal)
select table_name, column_name, meaning from columns
join (
  select column_name, arg_min(comment, (is_view, table_oid)) as meaning from columns
  where comment is not null group by column_name
) using (column_name)
where comment is null order by table_oid, column_name
"""


def create(connection: duckdb.DuckDBPyConnection, *, state_id: str | None = None) -> None:
    """Create every table and view, with comments, and say whose file it is: all or nothing."""
    connection.begin()
    connection.execute(
        files("connectors.database").joinpath("schema.sql").read_text(encoding="utf-8")
    )
    connection.execute(_carried_over(connection))
    connection.execute(
        "insert into database_info values (?, ?, now(), ?)",
        [SCHEMA_VERSION, state_id, duckdb.__version__],
    )
    connection.commit()


def _carried_over(connection: duckdb.DuckDBPyConnection) -> str:
    uncommented = connection.execute(_INHERITED).fetchall()
    return "".join(
        f'comment on column {table}."{column}" is {_quoted(meaning)};\n'
        for table, column, meaning in uncommented
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
