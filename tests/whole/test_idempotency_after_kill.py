"""A call whose process was killed between its claim and its answer is kept once all the same."""

from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from connectors.api.keys import KeyStore
from connectors.spool.packing import ENDING
from flows.serve.serve import KEYS
from tests.support import raw
from tests.support.serving import serving

SYNC = {
    "idempotency_key": "sync-of-the-source",
    "event_sources": [{"event_source_id": "src"}],
}
CALL = {
    "idempotency_key": "call-of-one-event",
    "event_source_id": "src",
    "events": [raw.event("e1"), None],
}


def stored(folder: Path) -> int:
    """Count the stored lines, also those of files that were packed meanwhile."""
    names = {path.name.removesuffix(ENDING) for path in folder.glob("events-api*.ndjson*")}
    return sum(_lines(folder / name) for name in names)


def _lines(path: Path) -> int:
    packed = path.with_name(path.name + ENDING)
    with pa.input_stream(packed if packed.exists() else path, compression="detect") as file:
        return file.read().count(b"\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("failpoint", "was_stored"), [("claim.before_append", False), ("claim.after_append", True)]
)
def test_a_killed_call_is_looked_up(tmp_path: Path, failpoint: str, *, was_stored: bool) -> None:
    _, secret = KeyStore(tmp_path / KEYS).create("test")
    with serving(tmp_path, secret, f"{failpoint}:2") as client:
        # The first claim is that of the sync.
        assert client.post("/event-sources/sync", json=SYNC).status_code == 200
        with pytest.raises(httpx.TransportError):
            client.post("/log-event", json=CALL)
    assert stored(tmp_path) == was_stored
    with serving(tmp_path, secret) as client:
        conflict = client.post("/log-event", json={**CALL, "events": [raw.event("e2")]})
        again = client.post("/log-event", json=CALL)
        copy = client.post("/log-event", json=CALL)
    assert conflict.status_code == 409
    assert again.status_code == 200
    assert again.json()["events_processed"] == 1
    assert again.headers.get("Idempotent-Replayed") == ("true" if was_stored else None)
    assert (copy.content, copy.headers["Idempotent-Replayed"]) == (again.content, "true")
    assert copy.headers["Tributary-Receipt"] == again.headers["Tributary-Receipt"]
    assert stored(tmp_path) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("failpoint", "was_stored"), [("claim.before_append", False), ("claim.after_append", True)]
)
def test_a_killed_sync_is_looked_up(tmp_path: Path, failpoint: str, *, was_stored: bool) -> None:
    _, secret = KeyStore(tmp_path / KEYS).create("test")
    with serving(tmp_path, secret, failpoint) as client, pytest.raises(httpx.TransportError):
        client.post("/event-sources/sync", json=SYNC)
    with serving(tmp_path, secret) as client:
        again = client.post("/event-sources/sync", json=SYNC)
    assert again.json()["event_sources"][0]["action"] == "created"
    assert again.headers.get("Idempotent-Replayed") == ("true" if was_stored else None)
    assert (tmp_path / "event_sources.ndjson").read_bytes().count(b"\n") == 1
