"""Computes latencies from the result of a drive."""

from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from benchmarks.harness.drives import Drive

WARM_SECONDS: Final = 5.0
"""Seconds at the start that are left out, as a start does everything for the first time."""

STEADY_MS: Final = 250.0
"""How much slower the last quarter may be than the second if the job keeps up with the rate."""

LIVE_MS: Final = 5_000.0
"""A latency above this counts as a backlog, even if it is steady."""

REACHED: Final = 0.98
"""The share of the requested rate that the generator must send for the job to have kept up."""

Floats = npt.NDArray[np.float64]

_COMMITTED: Final = """
select p.source_partition, p.source_offset, epoch_us(c.committed_at) / 1e6
from (select source_partition, source_offset, source_index, min(seq) as seq
  from conversions_provisional group by all) as p
join commits as c using (seq)
"""
_COUNTS: Final = """
select (select coalesce(sum(received), 0) from match_stats),
  (select coalesce(sum(records), 0) from touchpoint_stats),
  (select coalesce(sum(events), 0) from rejections where stream = 'impressions'),
  (select count(*) from late_records), (select count(*) from commits)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one rate: milliseconds from append to commit, and resources of the job."""

    rate: int
    reached: int
    conversions: int
    p50: int
    p95: int
    p99: int
    longest: int
    is_steady: bool
    cpu_us_per_record: float
    cores: float
    resident_mb: int
    late_records: int
    commits: int
    stolen: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies at one rate, in milliseconds, in order of appending."""

    figures: Figures
    milliseconds: Floats

    @staticmethod
    def header() -> str:
        """Return the header of the table."""
        names = ("rate/s", "sent/s", "p50 ms", "p95", "p99", "max", "steady")
        return "".join(
            f"{name:>9}" for name in (*names, "us/rec", "cores", "RSS MB", "late", "stolen")
        )

    def row(self) -> str:
        """Return the figures as a row of the table."""
        each = self.figures
        columns = (each.rate, each.reached, each.p50, each.p95, each.p99, each.longest)
        text = "".join(f"{column:>9,}" for column in columns)
        text += f"{'yes' if each.is_steady else 'no':>9}{each.cpu_us_per_record:>9.1f}"
        return (
            text
            + f"{each.cores:>9.2f}{each.resident_mb:>9,}{each.late_records:>9,}{each.stolen:>9.0%}"
        )


def measure(drive: Drive) -> Latencies:
    """Read the result of a drive."""
    with duckdb.connect(str(drive.database), read_only=True) as connection:
        committed = connection.execute(_COMMITTED).fetchall()
        counts = connection.execute(_COUNTS).fetchall()[0]
    appended, taken = _taken(drive, committed)
    if not len(taken):
        msg = f"no conversion was committed at {drive.rate} per second; is the job reading?"
        raise SystemExit(msg)
    later = appended >= appended[0] + WARM_SECONDS
    kept = taken[later] if later.any() else taken
    return Latencies(_figures(drive, kept, counts), kept)


def _taken(drive: Drive, committed: list[tuple[Any, ...]]) -> tuple[Floats, Floats]:
    """Return when each conversion was appended (s), in that order, and its latency (ms).

    The recorded time of a commit is its beginning, so the mean duration of a commit is added.
    """
    pairs = [
        (at, (seen - at + drive.commit_seconds) * 1000)
        for partition, offset, seen in committed
        if (at := drive.appended.get((partition, offset))) is not None
    ]
    both = np.array(sorted(pairs), dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _figures(drive: Drive, kept: Floats, counts: tuple[int, ...]) -> Figures:
    received, touches, refused, late_records, commits = counts
    records = int(received + touches + refused)
    p50, p95, p99 = np.percentile(kept, [50, 95, 99])
    return Figures(
        rate=drive.rate,
        reached=drive.reached,
        conversions=len(kept),
        p50=round(p50),
        p95=round(p95),
        p99=round(p99),
        longest=round(kept.max()),
        is_steady=_is_steady(drive, kept),
        cpu_us_per_record=round(drive.cpu_seconds / records * 1e6, 1),
        cores=round(drive.cpu_seconds / drive.seconds, 2),
        resident_mb=round(drive.resident_mb),
        late_records=late_records,
        commits=commits,
        stolen=round(drive.stolen, 3),
    )


def _is_steady(drive: Drive, kept: Floats) -> bool:
    """Return whether the job kept up: the last records waited no longer than earlier ones."""
    quarters = [float(np.median(part)) for part in np.array_split(kept, 4) if len(part)]
    grown = quarters[-1] - quarters[min(1, len(quarters) - 1)]
    return grown <= STEADY_MS and quarters[-1] <= LIVE_MS and drive.reached >= REACHED * drive.rate
