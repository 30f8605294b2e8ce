"""Measurement data from the log to the result: exactly once, whatever happens to the job."""

import json
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

import duckdb
import pytest

from flows.analysis.verify import verify
from flows.replay.replay import ReplayOptions, replay
from flows.replay.summary import Summary
from flows.settings.model import Settings
from tests.chaos.job import Job
from tests.chaos.ledger import opened
from tests.support import raw

LONG: Final = pytest.mark.long

SHOWN: Final = """select metric_value::varchar, source_partition, source_offset, source_index
  from {} order by source_partition, source_offset, source_index"""

LOG: Final[dict[str, Sequence[raw.Document]]] = {
    "measurements-a.ndjson": [
        raw.measurements(raw.measurement(), raw.measurement(unit="?"), received_at=2),
        raw.measurements(raw.measurement(metric_value=2), received_at=1),
        b"no call",
        b"",
        raw.measurements(raw.measurement(metric_value=3), received_at=None),
    ],
    "measurements-b.ndjson.gz": [
        raw.measurements(
            raw.measurement(external_row_id="🦆"),
            raw.measurement(external_row_id="🦆", metric_value=5),
        ),
        raw.measurements(),
    ],
}


def replayed(folder: Path, workers: int = 1) -> Path:
    options = ReplayOptions(folder, folder / "result.duckdb", Settings(), workers=workers)
    replay(options)
    return options.database


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with opened(database) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_stores_what_was_measured(tmp_path: Path, workers: int) -> None:
    raw.write_log(tmp_path, events=[raw.envelope(raw.event())], measured=LOG)
    database = replayed(tmp_path, workers)
    a, b = "measurements-a.ndjson", "measurements-b.ndjson"
    decimals = "0" * 12
    assert rows(database, SHOWN.format("measurements")) == [
        (f"100.{decimals}", a, 0, 0),
        (f"2.{decimals}", a, 1, 0),
        (f"3.{decimals}", a, 4, 0),
        (f"100.{decimals}", b, 0, 0),
        (f"5.{decimals}", b, 0, 1),
    ]
    assert rows(database, SHOWN.format("latest_measurements")) == [
        (f"100.{decimals}", a, 0, 0),
        (f"5.{decimals}", b, 0, 1),
    ]
    sql = "select source_partition, source_offset, source_index, code from rejections order by all"
    assert rows(database, sql) == [
        (a, 0, 1, "INVALID_METRIC"),
        (a, 2, None, "INVALID_REQUEST"),
        (b, 1, None, "INVALID_REQUEST"),
    ]
    assert rows(database, "select records from commits") == [(7,)]
    assert "5 measurements stored" in Summary.of(database).lines(seconds=1)
    assert verify(database).is_equal


def test_measurements_change_nothing_else(tmp_path: Path) -> None:
    """Even the earliest and the latest arrival neither moves nor holds back a conversion."""
    tables = []
    for name, measured in (("with", LOG), ("without", ())):
        (tmp_path / name).mkdir()
        log = {"events": [raw.envelope(raw.event())], "impressions": [raw.impression()]}
        database = replayed(raw.write_log(tmp_path / name, measured=measured, **log))
        tables.append(rows(database, "select * exclude (seq) from conversions"))
        tables.append(rows(database, "select watermark, settled from commits"))
    assert tables[:2] == tables[2:]


def test_a_spoiled_measurement_is_found(tmp_path: Path) -> None:
    raw.write_log(tmp_path, events=[raw.envelope(raw.event())], measured=LOG)
    database = replayed(tmp_path)
    with duckdb.connect(database) as connection:
        connection.execute("update measurements set metric_value = 9 where source_offset = 0")
    found = verify(database)
    assert {table.table for table in found.tables if table.differing_rows} == {
        "measurements",
        "latest_measurements",
    }


@pytest.mark.long
@pytest.mark.parametrize(
    "place",
    ["sink.before_commit", "sink.after_commit", pytest.param("source.snapshot", marks=LONG)],
)
def test_a_killed_run_stores_each_row_once(job: Job, place: str) -> None:
    sent = 0
    for _ in range(2):
        job.start(failpoint=f"{place}:2")
        while (code := job.wait(0.05)) is None:
            row = raw.measurement(external_row_id="row", metric_value=sent)
            with (job.data / "measurements-api0.ndjson").open("ab") as file:
                file.write(json.dumps(raw.measurements(row, None)).encode() + b"\n")
            sent += 1
        assert code == -SIGKILL, job.said
    job.start()
    last = sent - 1
    job.wait_until_it_writes(2)
    job.wait(1.0)
    assert job.drain() == 0, job.said
    sql = "select metric_value::bigint, source_offset from measurements order by all"
    assert rows(job.database, sql) == [(at, at) for at in range(last + 1)]
    refused = "select source_offset from rejections where stream = 'measurements' order by all"
    assert rows(job.database, refused) == [(at,) for at in range(last + 1)]
    latest = "select metric_value::bigint from latest_measurements"
    assert rows(job.database, latest) == [(last,)]
    assert verify(job.database).is_equal
    assert rows(job.database, "select count(*) from conversions where is_final") == [(1,)]
