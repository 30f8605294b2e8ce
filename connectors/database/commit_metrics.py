"""Updates the metrics from the rows of one commit."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from attribution.vocabulary import MEASUREMENTS, Outcome
from connectors import metrics


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Initialize the number of events in flight from a result file."""
    ((in_flight,),) = connection.execute(
        "select coalesce(sum(in_flight), 0)::bigint from conservation"
    ).fetchall()
    metrics.IN_FLIGHT.set(in_flight)


def count(tables: Mapping[str, pa.Table]) -> None:
    """Count the committed rows."""
    decided = 0
    for table, rows in tables.items():
        for stream, outcome, number in _outcomes(table, rows):
            metrics.OUTCOMES.labels(stream, outcome).inc(number)
            decided += number if stream == "events" else 0
    metrics.IN_FLIGHT.inc(_sum(tables["received"], "received") if "received" in tables else 0)
    metrics.IN_FLIGHT.dec(decided)
    if "late_records" in tables:
        _count_late_records(tables["late_records"])
    if "ignored_arrivals" in tables:
        for ignored in tables["ignored_arrivals"].to_pylist():
            metrics.IGNORED_ARRIVALS.labels(ignored["stream"]).inc(ignored["records"])


def _outcomes(table: str, rows: pa.Table) -> Iterator[tuple[str, str, int]]:
    """Yield (stream, outcome, number) for the rows of one table."""
    if table == "conversions_final":
        for value in pc.value_counts(rows["outcome"]).to_pylist():
            yield "events", value["values"], value["counts"]
    elif table == "duplicates":
        yield "events", Outcome.DUPLICATE, rows.num_rows
    elif table == "test_events":
        yield "events", Outcome.TEST, _sum(rows, "events")
    elif table == "rejections":
        for counted in rows.group_by("stream").aggregate([("events", "sum")]).to_pylist():
            yield counted["stream"], Outcome.REJECTED, counted["events_sum"]
    elif table == "touchpoint_deltas":
        # A repeat counts as a record when it is read, and is subtracted when it is recognised.
        repeats = _sum(rows, "duplicates")
        yield "impressions", "valid", _sum(rows, "records") + repeats
        yield "impressions", Outcome.DUPLICATE, repeats
    elif table == MEASUREMENTS:
        yield MEASUREMENTS, "valid", rows.num_rows


def _count_late_records(rows: pa.Table) -> None:
    for late in rows.to_pylist():
        metrics.LATE_RECORDS.labels(late["stream"]).inc(
            late["last_offset"] - late["first_offset"] + 1
        )


def _sum(rows: pa.Table, column: str) -> Any:  # noqa: ANN401  pyarrow ships no types
    return pc.sum(rows[column]).as_py() or 0
