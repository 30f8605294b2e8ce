"""What `replay --overwrite` replaces: a finished result of a replay, and nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
from typer.testing import CliRunner

from connectors.database import schema
from flows.cli.app import app
from tests.support import raw

ONLY = "and --overwrite replaces only results of a replay; name another --db, or move that file"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return raw.write_log(
        folder, events=[raw.envelope(raw.event("sold"))], impressions=[raw.impression("i1")]
    )


def refused(log: Path, database: Path) -> str:
    """Replay over a file that must not be replaced; give what is said without the folder."""
    words = ["replay", str(log), "--db", str(database), "--overwrite"]
    before = {path: path.stat() for path in database.parent.iterdir()}
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (2, "")
    for path, status in before.items():
        after = path.stat()
        assert (after.st_ino, after.st_size) == (status.st_ino, status.st_size)
    assert set(before) == set(database.parent.iterdir())
    assert len(done.stderr.splitlines()) == 1
    return done.stderr.removeprefix("tributary: ").replace(str(log.parent), "DIR")


def text(path: Path) -> None:
    path.write_text("notes")


def empty(path: Path) -> None:
    path.touch()


def another_database(path: Path) -> None:
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table mine as select 1 as one")


def alike(path: Path) -> None:
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table database_info as select 1 as schema_version")


def of_a_state(path: Path) -> None:
    with closing(duckdb.connect(str(path))) as connection:
        schema.create(connection, state_id="5a17")


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, f"DIR/mine is not a result file, {ONLY}"),
        (empty, f"DIR/mine is not a result file, {ONLY}"),
        (another_database, f"DIR/mine is a DuckDB file without the tables of a result, {ONLY}"),
        (alike, f"DIR/mine is a DuckDB file without the tables of a result, {ONLY}"),
        (of_a_state, f"DIR/mine is the result of a continuous run (state 5a17), {ONLY}"),
        (pipe, "DIR/mine is no regular file; name a file that is to be the result"),
        (Path.mkdir, "DIR/mine is a folder; name a file that is to be the result"),
    ],
)
def test_what_is_no_result_of_a_replay_is_left_alone(
    make: Callable[[Path], object], said: str, log: Path, tmp_path: Path
) -> None:
    make(tmp_path / "mine")
    assert refused(log, tmp_path / "mine").startswith(said)


@pytest.mark.parametrize("name", ["events.ndjson", "impressions.ndjson", "event_sources.json"])
def test_a_file_of_the_log_is_left_alone(name: str, log: Path) -> None:
    said = f"DIR/log/{name} is a file of the log that is to be replayed; name another --db\n"
    assert refused(log, log / name) == said


def test_a_link_to_a_file_of_the_log_counts_as_that_file(log: Path, tmp_path: Path) -> None:
    (tmp_path / "result").symlink_to(log / "events.ndjson")
    assert refused(log, tmp_path / "result").startswith("DIR/result is a file of the log")


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["r", "r.unfinished"])
def test_a_file_that_a_process_is_writing_is_left_alone(
    name: str, log: Path, tmp_path: Path
) -> None:
    """The second is what another replay to the same place makes."""
    words = ["replay", str(log), "--db", str(tmp_path / "r"), "--quiet"]
    assert CliRunner().invoke(app, words).exit_code == 0
    if name != "r":
        shutil.copy(tmp_path / "r", tmp_path / name)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        said = refused(log, tmp_path / "r")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert said.startswith(f"DIR/{name} is being written by process {holder.pid}, ")


def test_what_a_crash_has_left_is_no_obstacle(log: Path, tmp_path: Path) -> None:
    (tmp_path / "r.unfinished").write_bytes(uuid4().bytes)
    words = ["replay", str(log), "--db", str(tmp_path / "r"), "--quiet"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "r"]
