"""`tributary run` as a person gives it: how it starts, ends, and goes on."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from flows.live import _Joining
from flows.process.stopping import Stopping
from flows.run.job import RunOptions
from flows.run.run import prepared_run
from flows.settings.load import load_settings
from tests.chaos.job import PATIENCE, Job, wait_until
from tests.chaos.ledger import opened
from tests.support.running import append, asked, command, free_port, has, runs_until, two_ports

ROOT = Path(__file__).parents[2]
ENDS = [
    ((), signal.SIGTERM),
    (("--workers", "2"), signal.SIGINT),
    (("--processes", "2"), signal.SIGTERM),
    (("--processes", "2"), signal.SIGINT),
]

DRAIN_SECONDS_MAX = 10.0
"""A drain is an epoch and the end of some processes: a second, or some on a busy machine."""


@pytest.mark.long
def test_a_drain_commits_what_was_read_and_the_next_start_goes_on(job: Job) -> None:
    """One state goes from shape to shape."""
    for at, (options, signum) in enumerate(ENDS):
        append(job, f"later{at}")
        job.start(*options)
        job.wait_until_it_writes()
        asked_at = time.monotonic()
        assert job.drain(signum) == 0, job.said
        assert time.monotonic() - asked_at < DRAIN_SECONDS_MAX
    assert runs_until(job, has(1 + len(ENDS)))
    assert "Traceback" not in job.said


@pytest.mark.long
def test_a_pipe_and_empty_files_that_come_and_go_disturb_nothing(job: Job) -> None:
    job.start()
    job.wait_until_it_writes()
    os.mkfifo(job.data / "events-pipe.ndjson")
    for at in range(60):
        (job.data / f"events-empty{at}.ndjson").touch()
        time.sleep(0.02 * (at % 7))
        (job.data / f"events-empty{at}.ndjson").unlink()
    append(job, "later")
    assert job.drain() == 0, job.said
    assert f"{job.data} holds what is not read: events-pipe.ndjson (a pipe)" in job.said
    assert runs_until(job, has(2))


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_the_log_says_from_where_it_goes_on_and_that_it_was_drained(
    job: Job, processes: str
) -> None:
    for _ in range(2):
        job.start("--processes", processes)
        job.wait_until_it_writes(2)
        assert job.drain() == 0, job.said
    lines = [json.loads(line) for line in job.said.splitlines() if line.startswith("{")]
    said = [line for line in lines if line["event"] != "starting"]
    assert [line["event"] for line in said] == [
        *("new state", "answers SQL", "drained"),
        *("goes on from a state", "answers SQL", "drained"),
    ]
    assert said[2]["commit"] >= 1
    assert said[3]["commit"] == said[2]["commit"]
    assert said[3]["state_id"] == said[0]["state_id"]


def test_a_run_can_be_watched(job: Job) -> None:
    port = free_port()
    job.start("--metrics-port", str(port))
    assert wait_until(lambda: is_well(port)), job.said
    assert wait_until(lambda: b'records_read_total{stream="events"} 3.0' in asked(port, "metrics"))
    assert wait_until(lambda: silent(asked(port, "metrics").decode()) == NOT_HERE)
    assert job.drain(signal.SIGINT) == 0


NOT_HERE: Final = {
    "tributary_late_records",
    "tributary_ignored_arrivals",
    "tributary_dead_letters",
    "tributary_kafka_errors",
    "tributary_copies",
    "tributary_quack_queries",
}
"""Metrics of what does not happen to a few records in files."""


@pytest.mark.long
def test_every_process_needs_a_port(job: Job) -> None:
    with socket.socket() as other:
        taken = two_ports() + 1
        other.bind(("127.0.0.1", taken))
        other.listen()
        for first, told in (
            (taken - 1, f"port {taken} cannot be served: Address already in use"),
            (65_535, "port 65536 cannot be served: the last one is 65535"),
        ):
            job.start("--metrics-port", str(first), "--processes", "2")
            assert job.wait(PATIENCE) == 2
            assert f"tributary: {told}; name another --metrics-port\n" in job.said
            assert not job.state.exists()


@pytest.mark.long
def test_every_process_answers_for_its_health(job: Job) -> None:
    first = two_ports()
    job.start("--metrics-port", str(first), "--processes", "2")
    append(job, "one", "two")
    assert wait_until(lambda: is_well(first) and is_well(first + 1))
    assert job.drain() == 0


def silent(page: str) -> set[str]:
    """Name the metrics that have no value yet."""
    names = set(re.findall(r"^# TYPE (\w+?)(?:_total)? \w+$", page, re.MULTILINE))
    return {name for name in names if not re.search(rf"^{name}\w*[ {{]", page, re.MULTILINE)}


def test_a_truncated_file_ends_the_run(ran: Job) -> None:
    ran.start()
    ran.wait_until_it_writes()
    events = ran.data / "events.ndjson"
    os.truncate(events, 10)
    assert ran.wait(20) == 4
    said = [line for line in ran.said.splitlines() if line.startswith("tributary: ")]
    assert len(said) == 1
    assert str(events) in said[0]


def is_well(port: int) -> bool:
    try:
        return bool(json.loads(asked(port, "healthz"))["status"] == "ok")
    except OSError:  # nobody listens yet, or the answer is 503
        return False


HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"
"""What a terminal is told about its cursor."""


@pytest.mark.long
@pytest.mark.parametrize("processes", ["1", "2"])
def test_whoever_will_not_wait_gets_the_cursor_back(job: Job, processes: str) -> None:
    """Every interrupt after the first ends the run at once."""

    def interrupted() -> bool:
        with suppress(ProcessLookupError):
            running.send_signal(signal.SIGINT)
        return running.poll() is not None

    with on_a_terminal(*command(job), "--processes", processes) as (running, screen):
        assert wait_until(lambda: HIDDEN in screen())
        assert wait_until(interrupted)
        # An interrupt may also meet a run that has drained and is on its way out.
        assert running.returncode in {130, -signal.SIGINT}
        assert screen().rindex(SHOWN) > screen().rindex(HIDDEN)


def test_a_run_that_cannot_go_on_leaves_the_terminal_as_it_was(ran: Job) -> None:
    with on_a_terminal(*command(ran)) as (running, screen):
        assert wait_until(lambda: HIDDEN in screen())
        os.truncate(ran.data / "events.ndjson", 10)
        assert running.wait(PATIENCE) == 4
        assert screen().rindex(SHOWN) > screen().rindex(HIDDEN)
        assert b"tributary: " in screen()


@contextmanager
def on_a_terminal(*words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], bytes]]]:
    """Run a program with a terminal to write its errors to; give what that was told so far."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    told = bytearray()

    def screen() -> bytes:
        with suppress(OSError):  # there is nothing more now, or nobody has it open any more
            while more := os.read(ours, 4096):
                told.extend(more)
        return bytes(told)

    environment = os.environ | {"TERM": "xterm"}
    running = subprocess.Popen(words, stderr=theirs, stdin=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    with ExitStack() as ends:
        ends.callback(os.close, ours)
        ends.callback(running.wait)
        ends.callback(running.kill)
        yield running, screen


def test_who_joins_judges_by_the_registry_of_process_0(job: Job) -> None:
    """The file may have changed since that read it."""
    run = RunOptions(job.data, job.state, job.database, load_settings(config=None, overrides=[]))
    with prepared_run(run) as (prepared, opened):
        (job.data / "event_sources.json").write_text("[]")
        joining = _Joining(run, opened.facts, Stopping())
        assert joining._source.rules.registry == prepared.registry  # noqa: SLF001  what it reads by


@pytest.mark.long
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
    watched = [free_port() for _ in range(processes)]
    ports = f"127.0.0.1:{free_port()};127.0.0.1:{free_port()}"
    name = "BYTEWAX_PROCESS_ID" if processes > 1 else "NOTHING"
    running = [
        subprocess.Popen(
            base + (["-i", str(index), "-a", ports] if processes > 1 else []),
            cwd=ROOT,
            # The flag says otherwise, and is what counts.
            env=os.environ | told | {name: "1"} | {"TRIBUTARY_METRICS_PORT": str(watched[index])},
        )
        for index in range(processes)
    ]
    job.process = running[0]
    try:
        job.wait_until_it_writes(2)
        assert wait_until(lambda: is_well(watched[0]))
        assert all(b"tributary_records_read_total" in asked(port, "metrics") for port in watched)
        for each in running:
            each.terminate()
        assert [each.wait(20) for each in running] == [0] * processes
    finally:
        for each in running:
            each.kill()
            each.wait()
    with opened(job.database) as connection:
        assert connection.execute("select event_id from conversions").fetchall() == [("sold",)]
