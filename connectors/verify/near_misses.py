"""Finds the records that nearly became touchpoints of an event, and the rule that excluded each.

Queries the log tables (`log_tables.sql`) with `near_misses.sql`; identifiers stay inside the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final, Literal, TypeAlias

import duckdb

SHOWN: Final = 20
"""Near misses returned; the latest ones suffice, and a crawler may have a hundred thousand."""

Rule: TypeAlias = Literal["kind", "after", "window", "late", "eligible"]
"""The first rule that excludes a record; `eligible` passed all of them but is not in the path."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A record, the strongest kind it shares, and by how much it missed (None: no measure)."""

    impression_id: str
    type: str
    campaign_id: str
    time: datetime
    kind: str
    rule: Rule
    missed_by: timedelta | None
    window: timedelta


def near_misses(
    connection: duckdb.DuckDBPyConnection,
    *,
    partition: str,
    line: int,
    index: int,
    path: Sequence[str],
) -> tuple[list[NearMiss], int]:
    """Return the latest near misses of the event read there, and their total number.

    `path` names the impressions that are no near misses.
    """
    sql = files("connectors.verify").joinpath("near_misses.sql").read_text(encoding="utf-8")
    event = {"partition": partition, "line": line, "index": index}
    rows = connection.execute(sql, event | {"path": list(path), "most": SHOWN}).fetchall()
    return [NearMiss(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
