"""`tributary verify`: recompute a result by batch SQL from its log, and compare row by row.

The run is read from the result file and its log is decoded again. The rules are in
`connectors/verify/expected.sql`; the tables and the precision of the comparison are in
`connectors/verify/tables.py`. For a continuous run, only settled conversions are compared.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from connectors.verify.compare import Difference, TableCheck, compare
from connectors.verify.expected import compute_expected, count_unsettled
from connectors.verify.tables import COMPARISONS, PROVISIONAL_COMPARISONS
from connectors.wording import counted
from flows.analysis.recorded import RecordedRun, ResultError, attach
from flows.settings.kafka import KafkaSettings

MEMORY_MIN: Final = 1 << 30
MEMORY_SHARE: Final = 4
"""A quarter of the machine's memory, at least so many bytes, may be used; beyond that DuckDB spills
to disk what it can. A verify must fit beside the job."""

DIFFERING_ROWS_SHOWN: Final = 20
"""Per table: enough to see the pattern, few enough to read."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared and what differs.

    In a continuous run, conversions and rows of touchpoint_stats that have not settled are counted
    and not compared.
    """

    tables: tuple[TableCheck, ...]
    unsettled_conversions: int = 0
    unsettled_sums: int = 0

    @property
    def differences(self) -> list[Difference]:
        """The differences of the first differing rows of each table, table by table."""
        return [difference for table in self.tables for difference in table.differences]

    @property
    def is_equal(self) -> bool:
        """Whether the result equals what its log and its policy yield."""
        return not any(table.differing_rows for table in self.tables)


def verify(
    database: Path,
    folder: Path | None = None,
    *,
    kafka: KafkaSettings | None = None,
    limit: int = DIFFERING_ROWS_SHOWN,
) -> Verification:
    """Compare a result file with its log (in `folder`, if the log has moved since the run).

    `kafka` has the connection settings if topics were read. Raises `ResultError` if the result file
    cannot be read; `ResultError`, `LogError` or `ClusterError` if the log cannot; and `ResultError`
    if a replay and its log differ because the log has changed since.
    """
    with TemporaryDirectory(prefix="tributary-verify-") as scratch, _workspace(scratch) as space:
        attach(space, database, Path(scratch))
        run = RecordedRun.last_of(space)
        try:
            run.load(space, folder, kafka)
            compute_expected(space)
            comparisons = COMPARISONS + (PROVISIONAL_COMPARISONS if run.is_continuous else ())
            checks = tuple(compare(space, each, limit=limit) for each in comparisons)
            verification = Verification(checks, *count_unsettled(space))
        except duckdb.OutOfMemoryException as error:
            msg = (
                f"{database} cannot be verified with {memory_limit() >> 20:,} MB of memory; "
                f"that is 1/{MEMORY_SHARE} of this machine's: verify it on a machine with more"
            )
            raise ResultError(msg) from error
    if not verification.is_equal:
        run.check_log(folder)  # differences from a changed log mean nothing
    return verification


def report(verification: Verification) -> Iterator[str]:
    """Yield the report in lines: each difference, one line per table, the verdict."""
    yield from map(str, verification.differences)
    for table in verification.tables:
        verdict = f"{table.differing_rows:,} differ" if table.differing_rows else "equal"
        yield f"{table.table}: {counted(table.rows, 'row')}, {verdict}"
    if verification.unsettled_conversions:
        yield f"{counted(verification.unsettled_conversions, 'conversion')} not settled yet"
    if verification.unsettled_sums:
        yield f"{counted(verification.unsettled_sums, 'row')} of touchpoint_stats not settled yet"
    yield "no differences" if verification.is_equal else "the result is not what the log makes it"


def memory_limit() -> int:
    """Return the bytes of memory that a verify may use."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(MEMORY_MIN, physical // MEMORY_SHARE)


def _workspace(scratch: str) -> duckdb.DuckDBPyConnection:
    """Open a database on disk, in the folder `scratch`: a log may be larger than memory."""
    return duckdb.connect(
        Path(scratch) / "verify.duckdb",
        config={"memory_limit": f"{memory_limit()}B", "temp_directory": scratch},
    )
