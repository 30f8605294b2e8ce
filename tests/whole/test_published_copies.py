"""`tributary run --publish`: copies that verify while the job writes on, through kills as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.analysis.verify import verify
from tests.chaos.job import Job, wait_until
from tests.chaos.ledger import opened
from tests.support.running import append, ended, fails, new_job


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = new_job(tmp_path)
    yield job
    ended(job)


def publish(job: Job, *, every: str = "100ms") -> tuple[str, ...]:
    return ("--publish", str(job.folder / "copy.duckdb"), "--every", every)


def conversions(job: Job) -> int:
    """Count the conversions of the latest copy; 0 without one."""
    link = job.folder / "copy.duckdb"
    if not link.exists():
        return 0
    with opened(link) as connection:
        [(count,)] = connection.execute("select count(*) from conversions").fetchall()
    return int(count)


@pytest.mark.long
def test_copies_verify_while_the_job_writes(job: Job) -> None:
    job.start(*publish(job))
    for at in range(5):
        append(job, f"later{at}")
        assert wait_until(lambda least=at + 2: conversions(job) >= least)  # type: ignore[misc]
        assert verify(job.folder / "copy.duckdb").is_equal
    assert job.drain() == 0, job.said
    assert verify(job.database).is_equal
    assert conversions(job) == 6


@pytest.mark.long
@pytest.mark.parametrize("place", ["copy.before_rename", "copy.before_link"])
def test_a_kill_while_it_publishes_leaves_the_last_good_copy(job: Job, place: str) -> None:
    job.start(*publish(job), failpoint=f"{place}:5")
    for at in range(100):
        append(job, f"later{at}")
        if job.wait(0.2) is not None:
            break
    job.kill()
    assert (job.folder / "copy.duckdb").exists()
    assert verify(job.folder / "copy.duckdb").is_equal
    job.start(*publish(job))
    append(job, "last")
    assert wait_until(lambda: conversions(job) == 3 + at)
    assert job.drain() == 0, job.said
    kept = sorted(path.name for path in job.folder.glob("copy.*"))
    assert len(kept) <= 3, kept
    assert not [name for name in kept if ".tmp" in name]


@pytest.mark.long
def test_a_copy_in_place_of_the_result_is_refused(job: Job) -> None:
    code, said = fails(job, "--publish", str(job.database))
    assert (code, said) == (
        2,
        "tributary: DIR/result.duckdb is the result itself; name another file for its copies",
    )
