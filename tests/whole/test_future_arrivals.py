"""One record of a sender whose clock is far ahead costs nothing but its own arrival."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from attribution.policy import Policy
from flows.analysis.verify import verify
from tests.chaos.job import Job
from tests.chaos.ledger import opened
from tests.flows.cli.test_app import run, sql
from tests.oracle import Noted, compare, replay_oracle
from tests.support import raw
from tests.support.actual import read_result
from tests.support.running import has, new_job, runs_until

LATER = "2999-01-01T00:00:00Z"

OTHER = {"uids": [{"type": "uid2", "value": "u2"}]}


def log_of(folder: Path, wrong: str | None) -> Path:
    """Write a log with a wrong clock in each stream, in front of records of today's."""
    folder.mkdir()
    stamp = {} if wrong is None else {"received_at": wrong}
    minute = raw.MINUTE
    return raw.write_log(
        folder,
        events=[
            raw.envelope(raw.event("before")),
            raw.envelope(raw.event("touched", user_match=OTHER), received_at=raw.NOW + minute),
            raw.envelope(raw.event("wrong"), received_at=None) | stamp,
            raw.envelope(
                raw.event("after", time=raw.NOW + 2 * minute), received_at=raw.NOW + 2 * minute
            ),
        ],
        impressions=[
            raw.click("i1", received_at=raw.NOW - 30 * minute),
            raw.click("i2", received_at=None) | stamp,
            raw.click("i3", user_match=OTHER, received_at=raw.NOW - 20 * minute),
        ],
    )


def outcomes(database: Path) -> list[tuple[object, ...]]:
    return sql(
        database,
        """select event_id, epoch_us(received_at) - epoch_us(timestamp '2026-05-11'), outcome,
        path_length from conversions order by source_offset""",
    )


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_the_result_is_that_of_records_without_an_arrival(tmp_path: Path, workers: int) -> None:
    found = {}
    for name, wrong in (("wrong", LATER), ("none", None)):
        database = tmp_path / f"{name}.duckdb"
        done = run("replay", log_of(tmp_path / name, wrong), "--db", database, "--workers", workers)
        assert done.exit_code == 0, done.output
        assert verify(database).is_equal
        found[name] = done.stdout
    line = (
        "2 records with a received_at ahead of the clock by more than clock_skew, which does not "
        "count: first at events.ndjson line 2; impressions.ndjson line 1 (lines from 0)\n"
    )
    assert line in found["wrong"]
    assert "received_at" not in found["none"]
    assert outcomes(tmp_path / "wrong.duckdb") == [
        ("before", 0, "attributed", 2),
        ("touched", 60_000_000, "attributed", 1),
        ("wrong", 60_000_000, "attributed", 2),
        ("after", 120_000_000, "attributed", 2),
    ]
    assert outcomes(tmp_path / "none.duckdb") == outcomes(tmp_path / "wrong.duckdb")
    warned = (
        "select event_id from conversions where list_contains(warnings, 'received_at_in_future')"
    )
    assert sql(tmp_path / "wrong.duckdb", warned) == [("wrong",)]
    assert sql(tmp_path / "none.duckdb", warned) == []


def started(database: Path) -> int:
    [(at,)] = sql(database, "select epoch_us(max(started_at)) from runs")
    assert isinstance(at, int)
    return at


def test_the_clock_is_that_of_the_start(tmp_path: Path) -> None:
    """Whoever reads the log again decides by it, whatever their own clock says."""
    folder, database = log_of(tmp_path / "log", LATER), tmp_path / "result.duckdb"
    assert run("replay", folder, "--db", database, "--quiet").exit_code == 0
    noted = Noted(started=started(database))
    assert compare(replay_oracle(folder, Policy(), noted=noted), read_result(database)) == []
    for skew, is_equal in ((300_000_001, False), (300_000_000, True), (-1, True)):
        with duckdb.connect(database) as connection:
            connection.execute(
                """update runs set started_at
                = make_timestamptz(epoch_us(timestamptz '2999-01-01 00:00:00Z') - ?)""",
                [skew],
            )
        # One microsecond before the limit the record is ahead of it, as it was; then no more.
        assert verify(database).is_equal is not is_equal


def test_where_records_are_moved_far_the_replay_says_by_which(tmp_path: Path) -> None:
    day = raw.NOW + raw.DAY
    folder = tmp_path / "log"
    folder.mkdir()
    raw.write_log(
        folder,
        events={
            "events-a.ndjson": [
                raw.envelope(raw.event("first")),
                b"{",
                raw.envelope(raw.event("odd"), received_at=day),
                raw.envelope(raw.event("far"), received_at=day - raw.HOUR - 1),
                raw.envelope(raw.event("near"), received_at=day - raw.HOUR),
                raw.envelope(raw.event("silent"), received_at=None),
                raw.envelope(raw.event("later"), received_at=day + raw.HOUR),
                raw.envelope(raw.event("moved"), received_at=day - 1),
                raw.envelope(raw.event("moved too"), received_at=raw.NOW),
            ],
            "events-b.ndjson": [raw.envelope(raw.event("alone"))],
        },
        impressions=[raw.click("i1", received_at=raw.NOW), raw.click("i2", received_at=0)],
    )
    database = tmp_path / "result.duckdb"
    said = run("replay", folder, "--db", database).stdout
    line = (
        "4 records moved to a received_at more than an hour later, that of events-a.ndjson line 6; "
        "events-a.ndjson line 2; impressions.ndjson line 0 (lines from 0)\n"
    )
    assert line in said
    assert sql(
        database,
        """select stream, source_partition, source_offset, epoch_us(received_at)
        - epoch_us(timestamp '2026-05-11'), records from delayed_arrivals order by all""",
    ) == [
        ("events", "events-a.ndjson", 2, 86_400_000_000, 1),
        ("events", "events-a.ndjson", 6, 90_000_000_000, 2),
        ("impressions", "impressions.ndjson", 0, 0, 1),
    ]


@pytest.fixture
def job(tmp_path: Path) -> Any:  # noqa: ANN401  a generator
    each = new_job(tmp_path)
    yield each
    if each.process is not None:
        each.kill()


def add(job: Job, name: str, *documents: dict[str, Any]) -> None:
    with (job.data / name).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(document) + "\n" for document in documents)


@pytest.mark.long
@pytest.mark.parametrize("failpoint", ["sink.before_commit", "sink.after_commit"])
def test_a_run_decides_by_what_its_result_noted(job: Job, failpoint: str) -> None:
    """Killed around a commit it reads the records again, at a later clock."""
    stamp = {"received_at": LATER}
    add(job, "events.ndjson", raw.envelope(raw.event("wrong")) | stamp)
    add(job, "events.ndjson", raw.envelope(raw.event("after")))
    add(job, "impressions.ndjson", raw.click("i3") | stamp)
    job.start(failpoint=f"{failpoint}:1")
    assert job.wait(20) == -9, job.said
    assert runs_until(job, has(3)), job.said
    with opened(job.database) as connection:
        ignored = connection.execute(
            "select stream, sum(records)::bigint from ignored_arrivals group by all order by all"
        ).fetchall()
        noted = connection.execute("select stream, first_offset from future_records order by all")
        assert noted.fetchall() == [("events", 3), ("impressions", 2)]
    assert ignored == [("events", 1), ("impressions", 1)]
    assert verify(job.database).is_equal
