"""A result, a state or a part of it that is deleted, renamed or replaced under a running job."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sql.announcement import find_job
from tests.chaos.job import PATIENCE, Job, wait_until
from tests.support.running import append, has, runs_until


def ends(job: Job, spoil: Callable[[Job], object], *options: str) -> str:
    """Start a job, do something to its files, and give its last words.

    Of several processes another may find the state gone as well.
    """
    before = len(job.said)
    job.start(*options)
    job.wait_until_it_writes()
    spoil(job)
    assert job.wait(PATIENCE) == 4, job.said
    assert "Traceback" not in job.said
    told = [line for line in job.said[before:].splitlines() if line.startswith("tributary: ")]
    peers = "tributary: another process of the run has ended, and so does this one"
    said, *others = [line for line in told if line != peers]
    assert not others or options, told
    return said.removeprefix("tributary: ").replace(str(job.folder), "DIR")


def wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def delete(job: Job) -> None:
    job.database.unlink()


def delete_with_log(job: Job) -> None:
    wal(job.database).unlink()
    job.database.unlink()


@pytest.mark.long
@pytest.mark.parametrize(
    ("spoil", "options"),
    [
        (delete, ()),
        (delete_with_log, ()),
        (delete_with_log, ("--processes", "2")),
    ],
)
def test_a_deleted_result_is_written_once_more(
    ran: Job, spoil: Callable[[Job], None], options: tuple[str, ...]
) -> None:
    append(ran, "later")
    assert ends(ran, spoil, *options) == (
        "DIR/result.duckdb was deleted while this run wrote to it; it has been written there once "
        "more, with all that was committed: start again"
    )
    left = {path.name for path in ran.folder.glob("result*")}
    assert left - {"result.duckdb.live"} == {"result.duckdb"}  # of a dead process, so not believed
    assert runs_until(ran, has(602))


@pytest.mark.long
def test_a_renamed_result_is_to_be_put_back(ran: Job) -> None:
    append(ran, "later")
    moved = ran.folder / "moved.duckdb"
    assert ends(ran, lambda job: job.database.rename(moved)) == (
        "DIR/result.duckdb was renamed to DIR/moved.duckdb while this run wrote to it; put it "
        "back, with result.duckdb.wal beside it if there is one, and start again: nothing is lost"
    )
    moved.rename(ran.database)
    assert runs_until(ran, has(602))


@pytest.mark.long
def test_a_replaced_result_is_saved_beside(ran: Job) -> None:
    append(ran, "later")

    def replace(job: Job) -> None:
        shutil.copy(job.database, job.folder / "copy")
        (job.folder / "copy").replace(job.database)

    for name in ("result.duckdb.saved", "result.duckdb.saved1"):
        assert ends(ran, replace) == (
            "DIR/result.duckdb was replaced while this run wrote to it; all that was committed is "
            f"saved in DIR/{name}: move what is at its place away, rename it to result.duckdb, and "
            "start again"
        )
        wal(ran.database).unlink(missing_ok=True)
        shutil.copy(ran.folder / name, ran.database)
    assert runs_until(ran, has(602))


def test_a_deleted_result_without_its_folder_cannot_be_saved(job: Job) -> None:
    folder = job.folder / "results"
    folder.mkdir()
    job.start("--db", str(folder / "r"))
    assert wait_until(lambda: find_job(folder / "r") is not None)
    shutil.rmtree(folder)
    assert job.wait(PATIENCE) == 4
    said = "was deleted while this run wrote to it, and could not be saved ([Errno 2] No such file"
    assert f"{folder}/r {said}" in job.said
    assert job.said.endswith("; begin anew with an empty --state and a new --db\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", ()),
        ("", ("--processes", "2")),
        ("/recovery", ()),
        ("/lock", ()),
        ("/state.json", ()),
        ("/segments", ()),
    ],
)
def test_a_part_of_the_state_is_to_be_put_back(
    ran: Job, name: str, options: tuple[str, ...]
) -> None:
    append(ran, "later")
    place, moved = Path(f"{ran.state}{name}"), ran.folder / "moved"
    said = ends(ran, lambda _: place.rename(moved), *options)
    assert said.startswith(f"DIR/state{name}"), said
    shutil.rmtree(place, ignore_errors=True)
    moved.rename(place)
    assert runs_until(ran, has(602))


def test_a_store_of_the_engine_that_was_replaced(ran: Job) -> None:
    """The engine itself goes on with the file that it has open."""
    append(ran, "later")
    (store,) = (ran.state / "recovery").glob("*.sqlite3")
    moved = ran.folder / "moved"

    def replace(_: Job) -> None:
        store.rename(moved)
        shutil.copy(moved, store)

    assert ends(ran, replace) == (
        f"DIR/state/recovery/{store.name} was deleted, renamed or replaced while this run went on; "
        "put it back and start again: then nothing is lost. Where it is gone, begin anew with an "
        "empty --state and a new --db"
    )
    moved.replace(store)
    assert runs_until(ran, has(602))
