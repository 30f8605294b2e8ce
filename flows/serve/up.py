"""API and job under one supervisor, in one folder: started together, ended in the right order.

The API is ended first, so that everything it accepted is read; then the job drains. Whichever dies
is started again, unless its exit code says that an operator has to mend something.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.api.keys import KeyStore
from connectors.registry.growing import FILE
from flows.process.orphans import SUPERVISOR
from flows.process.stopping import BROKEN
from flows.serve.serve import KEYS, page_access

LOG_FOLDER, STATE_FOLDER, RESULT = "log", "state", "result.duckdb"

PRIVATE: Final = 0o700
"""The mode of new folders: they hold API keys and personal data."""

POLL_SECONDS: Final = 0.1

RESTARTS_MAX: Final = 5
"""Restarts of one part within RESTART_WINDOW_SECONDS; then all is ended."""

RESTART_WINDOW_SECONDS: Final = 60.0

API_SECONDS_MAX: Final = 15.0
JOB_SECONDS_MAX: Final = 60.0
"""How long a part may take to end once it is asked to."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of an installation, and what is in it."""

    folder: Path

    @property
    def log(self) -> Path:
        """The raw streams, the event sources and the API keys."""
        return self.folder / LOG_FOLDER

    def make(self) -> str | None:
        """Make what is missing; return the secret of the first API key where it is new."""
        self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.log.mkdir(mode=PRIVATE, exist_ok=True)
        (self.log / FILE).touch()
        keys = KeyStore(self.log / KEYS)
        return None if keys.all() else keys.create("first")[1]

    def serve_command(self, host: str, port: int) -> list[str]:
        """Return the command of the API."""
        where = ["--db", str(self.folder / RESULT), "--host", host, "--port", str(port)]
        return [sys.executable, "-m", "flows", "serve", str(self.log), *where]

    def run_command(self) -> list[str]:
        """Return the command of the job."""
        parts = ["--data", self.log, "--state", self.folder / STATE_FOLDER]
        parts += ["--db", self.folder / RESULT]
        return [sys.executable, "-m", "flows", "run", *map(str, parts)]


def log_of(folder: Path) -> Path:
    """Return the folder of the log, of that folder itself or of an installation of `up`."""
    inside = folder / LOG_FOLDER
    return inside if inside.is_dir() and not (folder / KEYS).exists() else folder


@dataclass(slots=True)
class Part:
    """One of the processes, started again when it dies."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it; signals of the terminal go to the supervisor only.

        It ends by itself when the supervisor is gone (`flows.process.orphans`).
        """
        self.starts = [*self.starts[-RESTARTS_MAX:], time.monotonic()]
        self.process = subprocess.Popen(  # noqa: S603  ours
            self.command,
            start_new_session=True,
            env={**os.environ, SUPERVISOR: str(os.getpid())},
        )

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self.process is None else self.process.poll()

    @property
    def may_restart(self) -> bool:
        """Whether it has died too often of late, or of what a restart does not mend."""
        recent = [at for at in self.starts if time.monotonic() - at < RESTART_WINDOW_SECONDS]
        return self.exit_code not in {2, BROKEN} and len(recent) <= RESTARTS_MAX

    def end(self, seconds: float) -> None:
        """Ask it to end, and wait; a process that does not is killed."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_together(
    api: Part, job: Part, stopping: Callable[[], bool], tell: Callable[[str], None]
) -> int:
    """Keep both running until asked to stop; return the exit code of the whole."""
    parts = (api, job)
    for part in parts:
        part.start()
    code = 0
    try:
        while not stopping():
            if (broken := next(_broken(parts, tell), None)) is not None:
                code = broken
                break
            time.sleep(POLL_SECONDS)
    finally:
        api.end(API_SECONDS_MAX)
        job.end(JOB_SECONDS_MAX)
    return code


def _broken(parts: tuple[Part, ...], tell: Callable[[str], None]) -> Iterator[int]:
    """Restart what has died; yield the exit code of what must not be restarted."""
    for part in parts:
        if (code := part.exit_code) is None:
            continue
        if not part.may_restart:
            yield code or BROKEN
        tell(f"{part.name} ended with {code} and is started again")
        part.start()


def welcome(place: Place, host: str, port: int, secret: str | None) -> Iterator[str]:
    """Yield what to try first."""
    base = f"http://{host}:{port}/api/buyer/advertisers/12345"
    key = secret or "scope3_<your key>"
    yield f"the pages are at {page_access(place.log).address(host, port)}"
    yield f"the API listens on http://{host}:{port} (description: /docs)"
    yield f"the result is {place.folder / RESULT}, the log {place.log}"
    if secret is not None:
        yield f"the first API key, shown only now: {secret}"
    source = json.dumps({"event_sources": [{"event_source_id": "website_pixel"}]})
    yield "register a source, then send events to it:"
    yield (
        f"  curl {base}/event-sources/sync -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{source}'"
    )
