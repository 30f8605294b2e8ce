"""The API over real HTTP, in a thread, with a key for everything."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from attribution.policy import Policy
from connectors.api import sources
from connectors.api.app import build_app
from connectors.api.bulk import BulkJudge
from connectors.api.calls import LogEvents
from connectors.api.claims import Claims
from connectors.api.clicks import Links
from connectors.api.context import Api
from connectors.api.guard import Guard
from connectors.api.impressions import Impressions
from connectors.api.keys import KeyStore
from connectors.api.limits import Limits, Rates
from connectors.api.measurements import MeasurementIndex, Measurements
from connectors.api.once import Once
from connectors.api.results import Results
from connectors.api.sources import Sources
from connectors.database.file import create_database
from connectors.registry.growing import SourceFile
from connectors.spool.lookup import find_claim
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


@contextmanager
def built(
    folder: Path, *, is_staging: bool = False, result: Path | None = None
) -> Iterator[tuple[Api, Spool, Spool]]:
    """Yield what an application is built from, in a folder."""
    spool = Spool(folder, "events", lambda _error: None)
    known = Sources(SourceFile(folder, delay=10_000))
    claims = Claims(folder / "api.sqlite")
    once = Once(claims, partial(find_claim, folder, "events"))
    bulk = BulkJudge(known.registry, Policy())
    rates = Rates(Limits())
    calls = LogEvents(known, spool, bulk, Policy(), once, rates.events)
    keys = KeyStore(folder / "api.sqlite", is_staging=is_staging)
    sync_once = Once(claims, SourceFile(folder).find_claim)
    measured = Spool(folder, "measurements", lambda _error: None)
    measurements = Measurements(measured, MeasurementIndex(folder / "api.sqlite"))
    records = Spool(folder, "impressions", lambda _error: None)
    shown = Impressions(records, Policy(), rates.events)
    takers = (calls, known, shown, Links(shown, keys.secret("links")), measurements)
    results = None if result is None else Results(result)
    keyed = Guard(keys)
    api = Api(keyed, *takers, rates, False, is_staging, sync_once, results, folder)  # noqa: FBT003  as its fields are
    yield api, spool, records
    if results is not None:
        results.close()
    bulk.close()
    spool.close()
    records.close()
    measured.close()
    claims.close()


@contextmanager
def serving(
    folder: Path, *, is_staging: bool = False, result: Path | None = None
) -> Iterator[Served]:
    """Serve a folder, with a key for everything."""
    keys = KeyStore(folder / "api.sqlite", is_staging=is_staging)
    _, secret = keys.create("tests")
    headers = {"Authorization": f"Bearer {secret}"}
    with built(folder, is_staging=is_staging, result=result) as (api, spool, records):
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(build_app(api), port=port, log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, headers=headers, timeout=20) as client:
            yield Served(folder, keys, client, spool, records, api.rates)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def empty_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a result without rows, to be copied: to make the tables takes a while."""
    path = tmp_path_factory.mktemp("empty") / "result.duckdb"
    create_database(path, overwrite=False).close()
    return path


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with built(tmp_path) as (api, _, _):
        yield api


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, is_staging=True) as served:
        yield served


@pytest.fixture
def registered(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return the API with one source, `src` of advertiser `adv`."""
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.02)  # no lane of a run follows the file
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    done = served.client.post(path, json={"event_sources": [{"event_source_id": "src"}]})
    assert done.status_code == 200, done.text
    return served
