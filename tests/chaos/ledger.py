"""What must hold of a result file at any moment, and from one moment to the next."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

FINAL: Final = {
    "conversions_final": "conversion_id",
    "credits_final": "conversion_id || ' ' || impression_id",
}
"""Tables whose rows never change, and what names a row."""

OPEN_SECONDS: Final = 10.0
"""Until a killed job's last process has let go of the file."""


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a result file to be read, as soon as nobody writes it."""
    until = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            connection = duckdb.connect(str(database), read_only=True)
            break
        except duckdb.IOException:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    with connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


class Ledger:
    """Remembers final rows from look to look; `differences` lists what should not be, in words."""

    def __init__(self, database: Path) -> None:
        """Start with nothing seen."""
        self.differences: list[str] = []
        self.commits = 0
        self._database = database
        self._seen: dict[str, dict[str, str]] = {table: {} for table in FINAL}
        self._shown: set[str] = set()

    def look(self) -> None:
        """Check the file as it is now, between two runs of the job."""
        if not self._database.exists():
            return
        with opened(self._database) as connection:
            self.commits = _number(connection, "select coalesce(max(seq), 0) from commits")
            for table, name in FINAL.items():
                self._compare(connection, table, name)
            self._look_at_view(connection)
            negative = _number(connection, "select count(*) from conservation where in_flight < 0")
            if negative:
                self.differences.append(f"{negative} rows of conservation are below zero")

    def _look_at_view(self, connection: duckdb.DuckDBPyConnection) -> None:
        """See that each conversion is written once, provisional or final, and never goes again."""
        again = _number(
            connection,
            "select count(*) - count(distinct conversion_id) from conversions_provisional",
        )
        if again:
            self.differences.append(f"{again} provisional conversions are there twice")
        shown = connection.execute("select conversion_id, seq from conversions").fetchall()
        ids = {conversion_id for conversion_id, _ in shown}
        if len(ids) < len(shown):
            self.differences.append(f"{len(shown) - len(ids)} conversions are shown twice")
        self.differences += [f"conversion {gone} is gone" for gone in sorted(self._shown - ids)]
        self._shown |= {conversion_id for conversion_id, seq in shown if seq < self.commits}

    def _compare(self, connection: duckdb.DuckDBPyConnection, table: str, name: str) -> None:
        """Hold the rows against those seen before; the engine may yet take back the last commit."""
        rows = connection.execute(
            f"select {name}, md5(to_json(t)::varchar), seq from {table} t"
        ).fetchall()
        now = {key: content for key, content, _ in rows}
        if len(now) < len(rows):
            self.differences.append(f"{len(rows) - len(now)} rows of {table} are there twice")
        changed = [key for key, content in self._seen[table].items() if now.get(key) != content]
        self.differences += [f"{table} {key} has changed" for key in changed]
        self._seen[table] = {key: content for key, content, seq in rows if seq < self.commits}


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
