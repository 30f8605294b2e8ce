"""`tributary run` as a person gives it: how it starts, ends, goes on, and what it refuses."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests import raw
from tests.chaos.job import SETTINGS, Job, wait_until
from tests.chaos.ledger import opened

ROOT = Path(__file__).parents[1]
ENDS = [
    ((), signal.SIGTERM),
    (("--workers", "2"), signal.SIGTERM),
    (("--processes", "2"), signal.SIGTERM),
    (("--processes", "2"), signal.SIGINT),
]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Give a job over a small log, not started; it ends with the test."""
    data = tmp_path / "data"
    data.mkdir()
    raw.write_log(
        data,
        events=[raw.envelope(raw.event("sold")), raw.envelope(raw.event("sold")), b"{"],
        impressions=[raw.impression("i1"), raw.click("i2")],
    )
    job = Job(tmp_path)
    yield job
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


def drained(job: Job, *options: str, signum: signal.Signals = signal.SIGTERM) -> None:
    """Start the job, wait until it writes, and let it drain."""
    job.start(*options)
    job.wait_until_it_writes()
    assert job.drain(signum) == 0, job.said


def fails(job: Job, *options: str) -> tuple[int | None, str]:
    """Start a job that cannot go on; give its exit code and its last words."""
    before = len(job.said) if (job.folder / "stderr").exists() else 0
    job.start(*options)
    code = job.wait(20)
    said = job.said[before:]
    assert "Traceback" not in said
    assert "panicked" not in said
    lines = [line for line in said.splitlines() if line.startswith("tributary: ")]
    assert len(lines) == 1, said
    return code, lines[0].replace(str(job.folder), "DIR")


@pytest.mark.parametrize(("options", "signum"), ENDS, ids=["one", "workers", "processes", "INT"])
def test_a_drain_commits_what_was_read_and_the_next_start_goes_on(
    job: Job, options: tuple[str, ...], signum: signal.Signals
) -> None:
    drained(job, *options, signum=signum)
    append(job, "later")
    assert runs_until(job, has(2))
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
    assert job.drain(signal.SIGINT) == 0


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


def test_settings_that_a_state_was_made_with_hold(job: Job) -> None:
    drained(job)
    code, said = fails(job, "--set", "policy.post_view=6s")
    assert code == 2
    assert "policy.post_view 5s -> 6s" in said
    code, said = fails(job, "--set", "flow.key_groups=5")
    assert code == 2
    assert "key_groups 4 -> 5" in said


def test_the_result_must_be_the_one_of_the_state(job: Job) -> None:
    drained(job)
    job.database.unlink()
    code, said = fails(job)
    assert code == 2
    assert "it was deleted, or is an older copy" in said
    shutil.rmtree(job.state)
    assert runs_until(job, has(1))
    shutil.rmtree(job.state)
    code, said = fails(job)
    assert code == 2
    assert "DIR/result.duckdb belongs to the state" in said


def test_a_result_of_newer_tables_is_left_alone(job: Job) -> None:
    drained(job)
    with duckdb.connect(str(job.database)) as connection:
        connection.execute("update database_info set schema_version = schema_version + 1")
    code, said = fails(job)
    assert code == 2
    assert "made by a newer version" in said


def test_a_store_that_is_gone_is_missed(job: Job) -> None:
    drained(job)
    shutil.rmtree(job.state / "recovery")
    code, said = fails(job)
    assert code == 2
    assert "DIR/state/recovery is missing" in said


def test_a_damaged_segment_is_named(job: Job) -> None:
    for _ in range(3):
        append(job, *(f"e{at}" for at in range(200)))
    assert runs_until(job, has(201))
    segments = sorted((job.state / "segments").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segments[-1].read_bytes())
    content[len(content) // 2] ^= 0xFF
    segments[-1].write_bytes(content)
    code, said = fails(job)
    assert code == 4
    assert segments[-1].name in said


def test_a_truncated_file_ends_the_run(job: Job) -> None:
    assert runs_until(job, has(1))
    job.start()
    job.wait_until_it_writes()
    events = job.data / "events.ndjson"
    os.truncate(events, 10)
    assert job.wait(20) == 4
    said = [line for line in job.said.splitlines() if line.startswith("tributary: ")]
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
    assert wait_until(job.database.exists)
    with pytest.raises(subprocess.TimeoutExpired):
        running[0].wait(3)
    for each in running:
        each.terminate()
    assert [each.wait(20) for each in running] == [0] * processes
    with opened(job.database) as connection:
        assert connection.execute("select event_id from conversions").fetchall() == [("sold",)]
