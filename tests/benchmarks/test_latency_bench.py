"""The latency bench's own parts, on a result made by hand."""

import xml.etree.ElementTree as ET
from pathlib import Path

import duckdb
import pytest

from benchmarks.harness.drives import Drive
from benchmarks.harness.latencies import Latencies, measure
from benchmarks.harness.latency_picture import draw

CONVERSIONS = 400


def drive(folder: Path, *, reached: int = 100, lag: str = "0.2") -> Drive:
    """Return what a drive left: ten seconds of conversions, each committed `lag` seconds later."""
    database = folder / "result.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"""
            create table conversions_provisional as
            select 'p' as source_partition, range as source_offset, 0 as source_index,
              range as seq from range({CONVERSIONS});
            create table commits as select range as seq,
              make_timestamptz(((range / 40 + {lag}) * 1e6)::bigint) as committed_at
            from range({CONVERSIONS});
            create table match_stats as select 700 as received;
            create table touchpoint_stats as select 290 as records;
            create table rejections as select 'impressions' as stream, 10 as events;
            create table late_records as select 1 as seq""")
    appended = {("p", number): number / 40 for number in range(CONVERSIONS)}
    said = f"1 records in 1.0 s, {reached} per second; documents: none"
    return Drive(100, 10.0, appended, database, 0.5, 99.6, 0.03, 0.25, said)


def test_figures_of_a_drive(tmp_path: Path) -> None:
    found = measure(drive(tmp_path))
    each = found.figures
    assert (each.p50, each.p99, each.longest) == (230, 230, 230)
    assert (each.conversions, each.rate, each.reached) == (200, 100, 100)  # 5 of 10 s left out
    assert (each.cpu_us_per_record, each.cores, each.resident_mb) == (500.0, 0.05, 100)
    assert (each.is_steady, each.late_records, each.commits) == (True, 1, CONVERSIONS)
    assert len(found.row()) == len(Latencies.header())


@pytest.mark.parametrize(("reached", "lag"), [(97, "0.2"), (100, "0.2 + range / 100"), (100, "6")])
def test_a_rate_that_is_not_kept_up_with(tmp_path: Path, reached: int, lag: str) -> None:
    assert not measure(drive(tmp_path, reached=reached, lag=lag)).figures.is_steady


def test_the_picture_has_a_line_per_rate(tmp_path: Path) -> None:
    found = measure(drive(tmp_path))
    picture = ET.fromstring(draw([found, found], over="files"))  # noqa: S314  our own
    space = "{http://www.w3.org/2000/svg}"
    assert len([path for path in picture.iter(f"{space}path") if path.get("fill")]) == 2
