"""`tributary serve` in a process, and a client of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from connectors.failpoints import VARIABLE
from tests.chaos.job import PATIENCE, wait_until
from tests.support.brokers.broker import free_port


@contextmanager
def serving(
    folder: Path, secret: str, failpoint: str | None = None, *options: str
) -> Iterator[httpx.Client]:
    """Serve the folder in a process that may be killed; yield a client of advertiser `adv`."""
    port = free_port()
    command = [sys.executable, "-m", "flows", "serve", str(folder), "--port", str(port), *options]
    variables = {**os.environ, **({VARIABLE: failpoint} if failpoint else {})}
    process = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/api/buyer/advertisers/adv",
        headers={"Authorization": f"Bearer {secret}"},
        timeout=PATIENCE,
    )

    def answers() -> bool:
        try:
            return client.get("/event-sources").status_code == 200
        except httpx.HTTPError:
            return False

    try:
        assert wait_until(answers)
        yield client
    finally:
        client.close()
        process.terminate()
        ended = process.wait(PATIENCE)
    assert (ended == -signal.SIGKILL) is (failpoint is not None)
