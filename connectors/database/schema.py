"""Creates the tables and views of a result file.

`schema.sql` is the schema, and `questions.sql` has the views of the standing questions. This module
runs both, and copies column comments: a column without one gets the comment of the first column of
the same name. The only row it writes identifies the file.
"""

import re
from importlib.resources import files
from typing import Final

import duckdb

SCHEMA_VERSION: Final = 8
"""Incremented when a live run of the new version could not resume a file of the old one."""

_SCHEMA: Final = "".join(
    files("connectors.database").joinpath(name).read_text(encoding="utf-8")
    for name in ("schema.sql", "questions.sql")
)

TABLES: Final = tuple(re.findall(r"^create table (\w+)", _SCHEMA, re.MULTILINE))
"""The tables that the job writes to."""

WITHOUT_SEQ: Final = frozenset({"runs", "database_info"})
"""Tables whose rows belong to no commit."""

VIEWS: Final = tuple(re.findall(r"^create view (\w+)", _SCHEMA, re.MULTILINE))
"""The views that analysts read."""

MACROS: Final = frozenset(re.findall(r"^create macro (\w+)", _SCHEMA, re.MULTILINE))
"""The macros of a result file; each computes a value from its arguments."""

# Tables precede views in the catalog, so the comment of a name is that of the first table.
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
    """Create all tables and views, with comments, and record the state id, in one transaction."""
    connection.begin()
    connection.execute(_SCHEMA)
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
