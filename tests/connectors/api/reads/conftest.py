"""A result that a replay has made, served with an empty log; once for all tests that only read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.api.keys import KeyStore
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.connectors.api.conftest import Served, serving
from tests.connectors.api.reads.delivery_log import make_result
from tests.support import raw

SALE = {"value": 90, "currency": "USD"}
AD: dict[str, Any] = {"media_buy_id": "mb", "package_id": "pkg", "creative_id": "cr"}


def write_log(folder: Path) -> Path:
    return raw.write_log(
        folder,
        events=[
            raw.envelope(
                raw.event("sold", custom_data=SALE),
                raw.event("sold", event_type="lead"),
                raw.event("alone", user_match={"uids": [{"type": "uid2", "value": "nobody"}]}),
                raw.event("a/b é", user_match=None),
                raw.event("back", event_type="refund", custom_data=SALE),
                raw.event("wrong", event_time="yesterday"),
            ),
            raw.envelope(raw.event("sold", custom_data=SALE)),
            raw.envelope(raw.event("sold", custom_data=SALE | {"value": 1})),
            raw.envelope(raw.event("sold"), event_source_id="app"),
            raw.envelope(raw.event("tried"), test_event_code="T1"),
            raw.envelope(raw.event("sold", user_match=None), advertiser_id="rival"),
        ],
        impressions=[raw.impression("i1", **AD), raw.click("i2", **AD, price=1, currency="USD")],
        sources=[raw.source(), raw.source("app"), raw.source() | {"advertiser_id": "rival"}],
    )


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replayed")
    write_log(folder)
    database = folder / "result.duckdb"
    replay(ReplayOptions(folder, database, Settings()))
    return database


@pytest.fixture(scope="session")
def reading(tmp_path_factory: pytest.TempPathFactory, result: Path) -> Iterator[Served]:
    """Serve the result, with an empty log; not to be written to."""
    with serving(tmp_path_factory.mktemp("reading"), result=result) as served:
        yield served


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the result of the log; not to be written to."""
    database = make_result(tmp_path_factory.mktemp("delivered"))
    with serving(tmp_path_factory.mktemp("log"), result=database) as served:
        yield served


def headers(keys: KeyStore, **limits: Any) -> dict[str, str]:  # noqa: ANN401  as create takes them
    """Make a key, and return the headers that it is sent in."""
    _, secret = keys.create("limited", **limits)
    return {"Authorization": f"Bearer {secret}"}


def published(name: str) -> dict[str, Any]:
    """Return a published schema, where it is at hand; else one that takes anything."""
    file = Path(__file__).parents[5] / "shared" / "schemas" / name
    schema: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    return schema
