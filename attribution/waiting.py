"""Rows whose turn has not come: what DEDUP, MATCH and CREDIT hold back for the watermark."""

import pyarrow as pa

from attribution.columns import concat, keep, values


class Waiting:
    """Rows that wait until nothing can arrive any more below their `received_at` plus a delay."""

    def __init__(self, *, delay: int = 0) -> None:
        """Start empty; `delay` in microseconds."""
        self._rows: list[pa.RecordBatch] = []
        self._delay = delay

    def add(self, rows: pa.RecordBatch) -> None:
        """Let rows of one schema wait."""
        self._rows.append(rows)

    def release(self, watermark: int) -> pa.RecordBatch | None:
        """Give the rows whose time lies strictly below the watermark; None without any."""
        if not self._rows:
            return None
        rows = concat(self._rows)
        due = values(rows, "received_at") < watermark - self._delay
        self._rows = [] if due.all() else [keep(rows, ~due)]
        return keep(rows, due) if due.any() else None
