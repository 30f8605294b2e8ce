"""The examples in three languages send the same events, and a real API accepts them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.api.conftest import Served

CLIENTS = Path(__file__).parents[2] / "clients"
LANGUAGES = {"log_event.sh": "sh", "log_event.py": sys.executable, "log_event.mjs": "node"}


def ran(served: Served, name: str, key: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which(LANGUAGES[name])
    if program is None:
        pytest.skip(f"{LANGUAGES[name]} is not installed")
    base = f"{str(served.client.base_url).rstrip('/')}/api/buyer/advertisers/adv"
    return subprocess.run(
        [program, str(CLIENTS / name)],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "BASE": base, "KEY": key},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def website(served: Served) -> Served:
    """Return the API with the source of the examples."""
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    sources = {"event_sources": [{"event_source_id": "website_pixel"}]}
    assert served.client.post(path, json=sources).status_code == 200
    return served


def secret(served: Served) -> str:
    return served.client.headers["authorization"].removeprefix("Bearer ")


def events(line: bytes) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in event.items() if name != "event_time"}
        for event in json.loads(line)["events"]
    ]


def test_all_examples_log_the_same_two_events(website: Served) -> None:
    for name in LANGUAGES:
        done = ran(website, name, secret(website))
        assert done.returncode == 0, (name, done.stderr)
        answer = json.loads(done.stdout)
        assert (answer["events_processed"], answer["warnings"]) == (2, []), name
    first, *others = map(events, website.stored())
    assert len(others) == len(LANGUAGES) - 1
    assert all(other == first for other in others)
    assert first[1]["user_match"]["hashed_email"].startswith("b4c9a289")


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_example_with_a_wrong_key_fails(website: Served, name: str) -> None:
    done = ran(website, name, "scope3_wrong")
    assert done.returncode != 0
    assert website.stored() == []


def test_every_file_is_named_in_the_documents() -> None:
    page = (CLIENTS.parent / "docs/ingest.md").read_text(encoding="utf-8")
    names = {path.name for path in CLIENTS.iterdir() if path.is_file()}
    assert {name for name in names if f"clients/{name}" not in page} == set()
