"""Result files for tests that make many: to make the tables and comments takes a third of a second.

They are made once, and copied into each further database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from connectors.database import schema


@contextmanager
def copied_schema(folder: Path) -> Iterator[None]:
    """Let this process copy the tables of new result files, while the block runs."""
    template = folder / "template.duckdb"
    with duckdb.connect(template) as connection:
        schema.create(connection)

    def create(connection: duckdb.DuckDBPyConnection, *, state_id: str | None = None) -> None:
        [(name,)] = connection.execute("select current_database()").fetchall()
        connection.execute(f"attach '{template}' as template (read_only)")
        connection.execute(f'copy from database template to "{name}"')
        connection.execute("detach template")
        connection.execute("update database_info set state_id = ?, created_at = now()", [state_id])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "create", create)
        yield
