"""`tributary run` as a person gives it: how it starts, ends, goes on, and what it refuses."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from tests import raw
from tests.chaos.job import SETTINGS, Job, wait_until
from tests.chaos.ledger import opened

ROOT = Path(__file__).parents[1]
ENDS = [
    ((), signal.SIGTERM),
    (("--workers", "2"), signal.SIGINT),
    (("--processes", "2"), signal.SIGTERM),
]
MANY = [f"e{at}" for at in range(600)]
"""Events enough for segments to be written."""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Give a job over a small log, not started; it ends with the test."""
    job = new_job(tmp_path)
    yield job
    ended(job)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let a job run until all is final, once for all tests that go on from there."""
    job = new_job(tmp_path_factory.mktemp("made"))
    append(job, *MANY)
    assert runs_until(job, has(1 + len(MANY)))
    return job.folder


@pytest.fixture
def ran(made: Path, tmp_path: Path) -> Iterator[Job]:
    """Give a job that has run: log, state and result, of its own."""
    job = Job(shutil.copytree(made, tmp_path / "ran"))
    yield job
    ended(job)


def new_job(folder: Path) -> Job:
    job = Job(folder)
    job.data.mkdir()
    raw.write_log(
        job.data,
        events=[raw.envelope(raw.event("sold")), raw.envelope(raw.event("sold")), b"{"],
        impressions=[raw.impression("i1"), raw.click("i2")],
    )
    return job


def ended(job: Job) -> None:
    if job.process is not None:
        job.kill()


def append(job: Job, *events: str) -> None:
    with (job.data / "events.ndjson").open("a", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(raw.envelope(raw.event(event))) + "\n")


def runs_until(job: Job, condition: str) -> bool:
    """Start and drain the job until its result says so: meanwhile nobody can ask."""

    def holds() -> bool:
        job.start()
        job.wait_until_it_writes()
        job.wait(1.0)
        assert job.drain() == 0, job.said
        with opened(job.database) as connection:
            return connection.execute(f"select {condition}").fetchall() == [(True,)]

    return wait_until(holds)


def has(conversions: int) -> str:
    """Ask for so many conversions, all of them final."""
    return f"count(*) = {conversions} and bool_and(is_final) from conversions"


def fails(job: Job, *options: str) -> tuple[int | None, str]:
    """Start a job that cannot go on; give its exit code and its last words."""
    before = len(job.said)
    job.start(*options)
    code = job.wait(20)
    said = job.said[before:]
    assert "Traceback" not in said
    assert "panicked" not in said
    lines = [line for line in said.splitlines() if line.startswith("tributary: ")]
    assert len(lines) == 1, said
    return code, lines[0].replace(str(job.folder), "DIR")


def test_a_drain_commits_what_was_read_and_the_next_start_goes_on(job: Job) -> None:
    """One state goes from shape to shape."""
    for at, (options, signum) in enumerate(ENDS):
        append(job, f"later{at}")
        job.start(*options)
        job.wait_until_it_writes()
        assert job.drain(signum) == 0, job.said
    assert runs_until(job, has(1 + len(ENDS)))
    assert "Traceback" not in job.said


def test_a_run_can_be_watched(job: Job) -> None:
    port = free_port()
    job.start("--metrics-port", str(port))

    def is_well() -> bool:
        try:
            return json.loads(asked(port, "healthz"))["status"] == "ok"
        except OSError:  # nobody listens yet, or the answer is 503
            return False

    assert wait_until(is_well), job.said
    assert wait_until(lambda: b'records_read_total{stream="events"} 3.0' in asked(port, "metrics"))
    assert wait_until(lambda: silent(asked(port, "metrics").decode()) == NOT_HERE)
    assert job.drain(signal.SIGINT) == 0


NOT_HERE: Final = {"tributary_lifts", "tributary_dead_letters", "tributary_kafka_errors"}
"""Metrics of what does not happen to a few records in files."""


def silent(page: str) -> set[str]:
    """Name the metrics that have no value yet."""
    names = set(re.findall(r"^# TYPE (\w+?)(?:_total)? \w+$", page, re.MULTILINE))
    return {name for name in names if not re.search(rf"^{name}\w*[ {{]", page, re.MULTILINE)}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def asked(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return bytes(answer.read())


def test_a_second_run_of_a_state_is_refused(job: Job) -> None:
    job.start()
    assert wait_until(job.database.exists)
    other = Job(job.folder)
    assert job.process is not None
    code, said = fails(other)
    assert (code, said) == (
        2,
        f"tributary: DIR/state is in use by process {job.process.pid}; stop that one first",
    )


def test_settings_that_a_state_was_made_with_hold(ran: Job) -> None:
    code, said = fails(ran, "--set", "policy.post_view=6s", "--set", "flow.key_groups=5")
    assert code == 2
    assert "policy.post_view 5s -> 6s" in said
    assert "key_groups 4 -> 5" in said


def test_a_state_misses_its_result(ran: Job) -> None:
    ran.database.unlink()
    code, said = fails(ran)
    assert code == 2
    assert "it was deleted, or is an older copy" in said


def test_the_result_of_another_state_is_left_alone(ran: Job) -> None:
    shutil.rmtree(ran.state)
    code, said = fails(ran)
    assert code == 2
    assert "DIR/result.duckdb belongs to the state" in said


def test_a_result_of_newer_tables_is_left_alone(ran: Job) -> None:
    with duckdb.connect(str(ran.database)) as connection:
        connection.execute("update database_info set schema_version = schema_version + 1")
    code, said = fails(ran)
    assert code == 2
    assert "made by a newer version" in said


def test_a_store_that_is_gone_is_missed(ran: Job) -> None:
    shutil.rmtree(ran.state / "recovery")
    code, said = fails(ran)
    assert code == 2
    assert "DIR/state/recovery is missing" in said


def test_a_damaged_segment_is_named(ran: Job) -> None:
    segments = sorted((ran.state / "segments").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segments[-1].read_bytes())
    content[len(content) // 2] ^= 0xFF
    segments[-1].write_bytes(content)
    code, said = fails(ran)
    assert code == 4
    assert segments[-1].name in said


def test_a_truncated_file_ends_the_run(ran: Job) -> None:
    ran.start()
    ran.wait_until_it_writes()
    events = ran.data / "events.ndjson"
    os.truncate(events, 10)
    assert ran.wait(20) == 4
    said = [line for line in ran.said.splitlines() if line.startswith("tributary: ")]
    assert len(said) == 1
    assert str(events) in said[0]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    job = Job(tmp_path)
    code, said = fails(job)
    assert code == 2
    expected = "expected one with events*.ndjson and impressions*.ndjson"
    assert said == f"tributary: DIR/data is not a folder; {expected}"
    assert not job.state.exists()


@pytest.mark.parametrize("kilobytes", [500, 2_000])
def test_a_full_disk_ends_the_run_and_loses_nothing(job: Job, kilobytes: int) -> None:
    """No file may grow beyond a size, as on a full disk; later there is room again."""
    append(job, *(f"e{at}" for at in range(2_000)))
    limited = f"ulimit -f {kilobytes}; exec " + " ".join(command(job))
    done = subprocess.run(
        ["/bin/bash", "-c", limited], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("tributary: ")]
    assert (done.returncode, len(said)) == (4, 1), done.stderr
    assert "cannot be written" in said[0]
    assert "Traceback" not in done.stderr
    assert runs_until(job, has(2_001))


def command(job: Job) -> list[str]:
    words = [sys.executable, "-m", "flows", "run", "--data", str(job.data)]
    words += ["--state", str(job.state), "--db", str(job.database)]
    return words + [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_flow_under_the_engine(job: Job, processes: int) -> None:
    """As a cluster runs it; process 0 makes the state, and the engine needs its store before."""
    told = {
        "TRIBUTARY_DATA": str(job.data),
        "TRIBUTARY_STATE": str(job.state),
        "TRIBUTARY_DB": str(job.database),
    }
    base = [sys.executable, "-m", "bytewax.run", "flows.live:flow()"]
    base += ["-r", str(job.state / "recovery"), "-s", "1", "-b", "0"]
    ports = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
    running = [
        subprocess.Popen(
            base + (["-i", str(index), "-a", ports] if processes > 1 else []),
            cwd=ROOT,
            env=os.environ | told,
        )
        for index in range(processes)
    ]
    job.process = running[0]
    try:
        job.wait_until_it_writes(2)
        for each in running:
            each.terminate()
        assert [each.wait(20) for each in running] == [0] * processes
    finally:
        for each in running:
            each.kill()
            each.wait()
    with opened(job.database) as connection:
        assert connection.execute("select event_id from conversions").fetchall() == [("sold",)]
