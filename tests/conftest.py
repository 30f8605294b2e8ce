"""What holds for every test: no setting leaks in, and generated examples may take their time."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from connectors.decoding import small_chunks
from flows.process import tuning
from tests.chaos.job import Job
from tests.support.quick_schema import copied_schema
from tests.support.running import MANY, append, ended, has, new_job, runs_until

pytest_plugins = ["tests.support.brokers.fixtures"]

# A deadline measures the machine, not the code; the blob reproduces a failure seen elsewhere.
hypothesis.settings.register_profile("tributary", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tributary")


# A replay keeps freed memory for its own short life. Kept for that of all tests, it grows so far
# that the kernel lets no test fork.
tuning.KEPT_BYTES = 128 * 1024  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TRIBUTARY_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _schemas_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with copied_schema(tmp_path_factory.mktemp("schema")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _chunks_take_the_fast_path() -> Iterator[None]:
    """Chunks of tests are small, but what they test is the decoding of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_chunks, "SMALL_BYTES", {})
        yield


@pytest.fixture(autouse=True)
def _garbage_is_collected() -> Iterator[None]:
    """Collect what tests leave behind: a replay in this process sees to it that it piles up."""
    usual = gc.get_threshold()
    yield
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.set_threshold(*usual)
        gc.collect()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Yield a job over a small log, not started; it ends with the test."""
    job = new_job(tmp_path)
    yield job
    ended(job)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let a job run until all is final, once for all tests that go on from there."""
    job = new_job(tmp_path_factory.mktemp("made"))
    append(job, *MANY)
    assert runs_until(job, has(1 + len(MANY)))
    return job.folder


@pytest.fixture
def ran(made: Path, tmp_path: Path) -> Iterator[Job]:
    """Yield a job that has run: log, state and result, of its own."""
    job = Job(shutil.copytree(made, tmp_path / "ran"))
    yield job
    ended(job)
