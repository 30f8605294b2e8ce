"""The pages of `tributary up` in a browser, while its job works, is killed, and ends."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.job import PATIENCE, wait_until
from tests.support.browser import Window, window
from tests.whole.test_up import Up, running, sold

pytestmark = pytest.mark.long


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with running(tmp_path / "up") as up:
        up.register()
        yield up


def address(up: Up) -> str:
    """Return what `up` says first."""
    found = re.match(r"the pages are at (http://\S+/\?key=\S+)\n", up.said.read_text())
    assert found is not None, up.said.read_text()
    return found[1]


def says(seen: Window, text: str) -> None:
    seen.page.get_by_text(text).first.wait_for(timeout=PATIENCE * 1_000)


def test_a_page_follows_the_job(up: Up) -> None:
    with window() as seen:
        seen.page.goto(address(up))
        assert "key=" not in seen.page.url
        says(seen, "This page follows the job.")
        says(seen, "No event has been received yet")
        seen.page.get_by_text("SQL behind “What this covers”").click()
        assert up.send(sold("first"), sold("second")).status_code == 200
        says(seen, "2 conversions out of 2 events that came in.")
        # What was open stays open, and has the focus.
        assert seen.page.get_by_text("from conservation").is_visible()
        assert seen.focused() == "SQL behind “What this covers”"
        assert up.send(sold("third")).status_code == 200
        says(seen, "3 conversions out of 3 events that came in.")
        assert {urls.split("?")[0].split("/", 3)[2] for urls in seen.requests} == {
            f"127.0.0.1:{up.port}"
        }
        assert seen.complaints == []


def test_a_page_outlasts_a_job_that_is_killed(up: Up) -> None:
    with window() as seen:
        seen.page.goto(address(up))
        assert up.send(sold("first")).status_code == 200
        says(seen, "1 conversion out of 1 event that came in.")
        os.kill(up.parts()["run"], signal.SIGKILL)
        assert up.send(sold("second")).status_code == 200
        says(seen, "2 conversions out of 2 events that came in.")
        says(seen, "This page follows the job.")


def test_an_event_is_explained_and_a_test_is_judged(up: Up) -> None:
    body = {"event_source_id": "website_pixel", "test_event_code": "T1", "events": [sold("tried")]}
    assert up.client.post("/log-event", json=body).status_code == 200
    assert up.send(sold("paid")).status_code == 200
    with window() as seen:
        seen.page.goto(address(up))
        says(seen, "1 conversion out of 2 events that came in.")
        seen.page.get_by_label("Event id").fill("paid")
        seen.page.keyboard.press("Enter")
        says(seen, "Unattributed, no_touchpoint")
        assert seen.violations() == []
        seen.page.get_by_role("link", name="Test console").click()
        says(seen, "0 would be refused of the latest 1 test event.")
        assert seen.violations() == []


def test_viewers_do_not_keep_an_installation_from_ending(up: Up) -> None:
    with window() as seen:
        seen.page.goto(address(up))
        says(seen, "This page follows the job.")
        asked = time.monotonic()
        assert up.end() == 0
        assert time.monotonic() - asked < 8
        assert wait_until(lambda: not renderers(up))


def renderers(up: Up) -> list[str]:
    """Return the processes that still render pages of an installation."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((entry / "cmdline").read_bytes().decode().replace("\0", " "))
        except OSError:
            continue
    return [each for each in commands if "flows.report.renderer" in each and str(up.folder) in each]


def test_without_scripts_a_page_loads_again_by_itself(up: Up) -> None:
    with window(has_scripts=False) as seen:
        seen.page.goto(address(up))
        says(seen, "No event has been received yet")
        assert seen.page.locator("noscript meta[http-equiv=refresh]").count() == 1
        assert up.send(sold("first")).status_code == 200
        says(seen, "1 conversion out of 1 event that came in.")
