"""Jobs for tests of `tributary run`: a small log, what is asked of its result, how it fails."""

import json
import socket
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from random import randrange

from tests.chaos.job import SETTINGS, Job, wait_until
from tests.chaos.ledger import opened
from tests.support import raw

ROOT = Path(__file__).parents[2]
MANY = [f"e{at}" for at in range(600)]
"""Events enough for segments to be written."""


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


def command(job: Job) -> list[str]:
    words = [sys.executable, "-m", "flows", "run", "--data", str(job.data)]
    words += ["--state", str(job.state), "--db", str(job.database)]
    return words + [word for setting in SETTINGS for word in ("--set", setting)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def two_ports() -> int:
    """Return the first of two free ports in a row, from below those that the system deals out."""
    while True:
        first = randrange(20_000, 30_000, 2)  # noqa: S311  not a secret
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", first))
            other.bind(("127.0.0.1", first + 1))
            return first


def asked(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return bytes(answer.read())
