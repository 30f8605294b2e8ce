"""Measurement data as the API takes it: judged, made durable, and compared with what came before.

Every call is stored as it is, rows that change nothing included: which row counts is decided where
the log is read. The index of rows only answers whether a row is new, so it may lack rows: those
that came another way, or whose answer was lost in a crash.
"""

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from attribution.contract.document import Unreadable, read_document, write_document
from attribution.contract.measurement import judge_measurements
from attribution.contract.verdicts import MeasurementCall
from attribution.ingest.measurements import (
    RowResult,
    Verdicts,
    contents,
    judge_rows,
    results,
    stored_rows,
)
from attribution.ingest.problems import DISK_FULL, NOT_STORED, bad_json, invalid, unavailable
from connectors.api.guard import ProblemError
from connectors.spool.store import Receipt, Store, StoreFullError

BUSY_SECONDS: Final = 5.0
"""How long a call waits for another process that writes to the index."""

_SCHEMA: Final = """
create table if not exists measurements (id text primary key, content text not null)
  strict, without rowid"""


@dataclass(frozen=True, slots=True)
class MeasurementIndex:
    """A hash of the content of each row by its id, in the SQLite file at `path`."""

    path: Path

    def known(self, ids: Mapping[str, str]) -> dict[str, str]:
        """Return the contents of the rows that are known; raises sqlite3.Error."""
        with closing(self._open()) as connection:
            query = (
                "select id, content from measurements where id in (select value from json_each(?))"
            )
            return dict(connection.execute(query, [json.dumps(list(ids))]).fetchall())

    def note(self, found: Mapping[str, str]) -> None:
        """Take rows in; raises sqlite3.Error."""
        with closing(self._open()) as connection, connection:
            connection.executemany(
                "insert or replace into measurements values (?, ?)", found.items()
            )

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
        connection.execute("pragma journal_mode = wal")
        connection.execute(_SCHEMA)
        return connection


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """What became of the rows of a call, and where it lies; a dry run is kept nowhere."""

    rows: list[RowResult]
    receipt: Receipt | None

    def rest(self) -> dict[str, Any]:
        """Return the answer of the REST routes."""
        return {
            "measurements": [
                {"index": index, "action": row.action} | ({"error": row.error} if row.error else {})
                for index, row in enumerate(self.rows)
            ]
        }


@dataclass(frozen=True, slots=True)
class Measurements:
    """Takes calls, one after the other, so that each is compared with all before it."""

    store: Store
    index: MeasurementIndex
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, advertiser_id: str, body: bytes, *, validate_only: bool) -> SyncAnswer:
        """Judge a call, and keep it; raises ProblemError."""
        verdicts, line = await asyncio.to_thread(_judged, advertiser_id, body)
        if validate_only:
            return SyncAnswer(await self._compared(verdicts), None)
        async with self._turn:
            rows = await self._compared(verdicts)
            receipt = await self._keep(line, advertiser_id)
            with suppress(sqlite3.Error):
                await asyncio.to_thread(self.index.note, contents(verdicts))
        return SyncAnswer(rows, receipt)

    async def _compared(self, verdicts: Verdicts) -> list[RowResult]:
        try:
            known = await asyncio.to_thread(self.index.known, contents(verdicts))
        except sqlite3.Error as error:
            raise ProblemError(unavailable("the index cannot be read; send it again")) from error
        return results(verdicts, known)

    async def _keep(self, line: bytes, advertiser_id: str) -> Receipt:
        if not self.store.has_room():
            raise ProblemError(DISK_FULL)
        try:
            return await asyncio.wrap_future(self.store.append(line, advertiser_id))
        except (StoreFullError, OSError) as error:
            raise ProblemError(NOT_STORED) from error


def _judged(advertiser_id: str, body: bytes) -> tuple[Verdicts, bytes]:
    """Return the verdicts of a call, and the line to be kept; raises ProblemError."""
    document = read_document(body)
    if isinstance(document, Unreadable):
        raise ProblemError(bad_json(document.message))
    rows = document.get("measurements")
    call = judge_measurements({"advertiser_id": advertiser_id, "measurements": rows})
    if not isinstance(call, MeasurementCall):
        raise ProblemError(invalid(call.message, call.field))
    return judge_rows(call), _line(call)


def _line(call: MeasurementCall) -> bytes:
    return write_document({"advertiser_id": call.advertiser_id, "measurements": stored_rows(call)})
