"""`tributary verify`: recompute a result by batch SQL from its log, and compare row by row.

Composition only: the run is read from the file and the log is decoded anew. The rules are in
`connectors/verify/expected.sql`; which tables are compared, and how exactly, is in
`connectors/verify/tables.py`. Of a continuous run, only what has settled is compared.
"""

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
from flows.analysis.recorded import RecordedRun, attach
from flows.settings.kafka import KafkaSettings

MEMORY_LIMIT: Final = "1GB"
"""Beyond that DuckDB works on disk; a verify must fit beside the job on a small machine."""

DIFFERING_ROWS_SHOWN: Final = 20
"""Per table: enough to see the pattern, few enough to read."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared and what differs.

    Not yet settled, and therefore not compared, are so many conversions and rows of
    touchpoint_stats; of a replay none.
    """

    tables: tuple[TableCheck, ...]
    unsettled_conversions: int = 0
    unsettled_sums: int = 0

    @property
    def differences(self) -> list[Difference]:
        """The differences, table by table, of the first differing rows of each."""
        return [difference for table in self.tables for difference in table.differences]

    @property
    def is_equal(self) -> bool:
        """Whether the result is what its log and its policy make it."""
        return not any(table.differing_rows for table in self.tables)


def verify(
    database: Path,
    folder: Path | None = None,
    *,
    kafka: KafkaSettings | None = None,
    limit: int = DIFFERING_ROWS_SHOWN,
) -> Verification:
    """Hold a result file against its log (in `folder`, if it is not where the run found it).

    `kafka` tells how topics are reached, where those were read. Raises `ResultError` when the file
    cannot be read; when the log cannot, that, `LogError` or `ClusterError`. Where a replay and its
    log differ because the log has changed since, that is a `ResultError` as well.
    """
    with TemporaryDirectory(prefix="tributary-verify-") as scratch, _workspace(scratch) as space:
        attach(space, database)
        run = RecordedRun.last_of(space)
        run.load(space, folder, kafka)
        compute_expected(space)
        comparisons = COMPARISONS + (PROVISIONAL_COMPARISONS if run.is_continuous else ())
        checks = tuple(compare(space, each, limit=limit) for each in comparisons)
        verification = Verification(checks, *count_unsettled(space))
    if not verification.is_equal:
        run.check_log(folder)  # of another log the differences say nothing
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


def _workspace(scratch: str) -> duckdb.DuckDBPyConnection:
    """Open a database on disk, for a log may be larger than memory; it goes with its folder."""
    return duckdb.connect(
        Path(scratch) / "verify.duckdb",
        config={"memory_limit": MEMORY_LIMIT, "temp_directory": scratch},
    )
