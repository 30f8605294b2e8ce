"""The first page of a newcomer: its blocks are run, and print what it shows."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.chaos.job import PATIENCE, wait_until
from tests.support.brokers.broker import free_port
from tests.support.shell_page import Block, blocks, run

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "ingest.md"
NEXT_PAGE = DOCS / "api-reads.md"
UP = "tributary up ./tributary\n"


def chapter() -> list[Block]:
    text = PAGE.read_text(encoding="utf-8")
    return blocks(text.partition("## Five minutes")[2].partition("\n## ")[0])


class Started:
    """`tributary up` in the first terminal, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        self._said = folder / "said"
        with self._said.open("wb") as output:
            self.process = subprocess.Popen(
                [*UP.split(), "--port", str(self.port)],
                cwd=folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def key(self) -> str:
        assert wait_until(lambda: "shown only now: " in self.said), self.said
        return self.said.partition("shown only now: ")[2].split()[0]

    def tells_of(self, event_id: str) -> bool:
        """Return whether the page that is read next has an outcome to show."""
        url = f"http://127.0.0.1:{self.port}/api/buyer/advertisers/12345/events/{event_id}"
        command = ["curl", "-sf", url, "-H", f"Authorization: Bearer {self.key()}"]
        return b'"outcome"' in subprocess.run(command, capture_output=True, check=False).stdout

    def answers(self) -> bool:
        command = ["curl", "-sf", f"http://127.0.0.1:{self.port}/healthz"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGINT)
        started.process.wait(PATIENCE)


def test_the_page_leads_to_an_attributed_conversion(started: Started) -> None:
    up, *steps, outcome = chapter()
    assert up.commands.endswith(UP)
    changes = {"scope3_...": started.key(), ":8600": f":{started.port}"}
    assert wait_until(started.answers), started.said
    for step, printed in zip(
        steps, run(steps, started.folder, started.environment, changes), strict=True
    ):
        assert step.shows(printed), printed
    assert wait_until(lambda: started.tells_of("order_55512")), started.said
    steps = blocks(NEXT_PAGE.read_text(encoding="utf-8"))
    for step, printed in zip(
        steps, run(steps, started.folder, started.environment, changes), strict=True
    ):
        assert step.shows(printed), printed
    (printed,) = run([outcome], started.folder, started.environment, {})
    assert outcome.shows(printed), printed
    assert "attributed" in printed
    assert "spring_shoes" in printed
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(PATIENCE) == 0, started.said
    what_is_stored_is_what_privacy_says(started.folder / "tributary", started.key())


def what_is_stored_is_what_privacy_says(folder: Path, key: str) -> None:
    """Look for the click id, the API key and curl's user agent in all files and tables."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    log = b"".join(content for path, content in files.items() if path.parent.name == "log")
    click_id = log.partition(b'"click_id":"')[2].partition(b'"')[0]
    assert len(click_id) == 26
    places = {path.parent.name for path, content in files.items() if click_id in content}
    assert places == {"log"}
    for path, content in files.items():
        assert key.encode() not in content, path
        assert b"curl/" not in content, path
    with duckdb.connect(str(folder / "result.duckdb"), read_only=True) as connection:
        names = connection.execute("select table_name from duckdb_tables()").fetchall()
        rows = {name: connection.execute(f"from {name}").fetchall() for (name,) in names}
    assert "order_55512" in repr(rows)
    assert click_id.decode() not in repr(rows)
