"""Live SQL of a real job: found, answered while it commits, and followed over its restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sql.announcement import announcement_of, find_job
from connectors.sql.reader import Reader, open_reader
from flows.analysis.explain.explain import explain
from flows.analysis.verify import verify
from tests.chaos.job import Job, wait_until
from tests.support.running import append, ended, new_job

COUNT = "select count(*) from conversions"


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = new_job(tmp_path)
    yield job
    ended(job)


def count(reader: Reader) -> int:
    return int(reader.query(COUNT).column(0)[0].as_py())


@pytest.mark.long
def test_a_reader_follows_the_job_over_its_restarts(job: Job) -> None:
    job.start()
    assert wait_until(lambda: find_job(job.database) is not None)
    reader = open_reader(job.database, hold=False)
    assert wait_until(lambda: count(reader) == 1)
    append(job, "e1")
    assert wait_until(lambda: count(reader) == 2)
    first = find_job(job.database)

    job.kill()
    assert announcement_of(job.database).exists()
    assert find_job(job.database) is None
    assert count(reader) == 2  # from the file

    job.start()
    append(job, "e2")
    assert wait_until(lambda: find_job(job.database) not in (None, first))
    assert wait_until(lambda: count(reader) == 3)

    assert job.drain() == 0
    assert not announcement_of(job.database).exists()
    assert count(reader) == 3
    assert verify(job.database).is_equal


@pytest.mark.long
def test_what_needs_the_file_reads_a_copy_while_the_job_writes(job: Job) -> None:
    job.start()
    job.wait_until_it_writes(2)
    for at in range(5):
        append(job, f"later{at}")
        assert verify(job.database).is_equal
    assert "sold" in explain(job.database, "sold")
    assert job.drain() == 0, job.said
    assert verify(job.database).is_equal


@pytest.mark.long
def test_it_can_be_switched_off(job: Job) -> None:
    job.start("--set", "live_sql.enabled=false")
    job.wait_until_it_writes()
    assert not announcement_of(job.database).exists()
    assert job.drain() == 0


@pytest.mark.long
def test_with_several_processes_the_writer_answers(job: Job) -> None:
    job.start("--processes", "2")
    assert wait_until(lambda: find_job(job.database) is not None)
    reader = open_reader(job.database)
    assert wait_until(lambda: count(reader) == 1)
    assert job.drain() == 0
