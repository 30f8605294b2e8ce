"""The API over real HTTP, in a thread, with a key for everything."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from attribution.policy import Policy
from connectors.api.app import build_app
from connectors.api.bulk import BulkJudge
from connectors.api.calls import LogEvents
from connectors.api.clicks import Links
from connectors.api.context import Api
from connectors.api.guard import Guard
from connectors.api.impressions import Impressions
from connectors.api.keys import KeyStore
from connectors.api.limits import Limits, Rates
from connectors.api.measurements import MeasurementIndex, Measurements
from connectors.api.sources import Sources
from connectors.registry.growing import SourceFile
from connectors.spool.writer import Spool
from tests.support.brokers.broker import free_port


@dataclass
class Served:
    """A running API: its folder, its keys, and a client that sends the first of them."""

    folder: Path
    keys: KeyStore
    client: httpx.Client
    spool: Spool
    impressions: Spool
    rates: Rates

    def log(self, document: object, advertiser: str = "adv", **options: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes them
        """Send a call of log-event."""
        path = f"/api/buyer/advertisers/{advertiser}/log-event"
        return self.client.post(path, json=document, **options)

    def stored(self, stream: str = "events") -> list[bytes]:
        """Return the stored lines of a stream."""
        files = sorted(self.folder.glob(f"{stream}-api*.ndjson"))
        return [line for file in files for line in file.read_bytes().splitlines()]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    keys = KeyStore(tmp_path / "api.sqlite")
    _, secret = keys.create("tests")
    spool = Spool(tmp_path, "events", lambda _error: None)
    records = Spool(tmp_path, "impressions", lambda _error: None)
    sources = Sources(SourceFile(tmp_path, delay=10_000))
    bulk = BulkJudge(sources.registry, Policy())
    calls = LogEvents(sources, spool, bulk, Policy())
    measured = Spool(tmp_path, "measurements", lambda _error: None)
    measurements = Measurements(measured, MeasurementIndex(keys.path))
    rates = Rates(Limits())
    taker = Impressions(records, Policy())
    links = Links(taker, keys.secret("links"))
    app = build_app(Api(Guard(keys), calls, sources, taker, links, measurements, rates))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
        yield Served(tmp_path, keys, client, spool, records, rates)
    server.should_exit = True
    thread.join()
    bulk.close()
    spool.close()
    records.close()
    measured.close()


@pytest.fixture
def registered(served: Served) -> Served:
    """Return the API with one source, `src` of advertiser `adv`."""
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    done = served.client.post(path, json={"event_sources": [{"event_source_id": "src"}]})
    assert done.status_code == 200, done.text
    return served
