"""The API behaves as its OpenAPI document says, whatever is sent to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok

from connectors.api import sources
from connectors.api.limits import Rate
from tests.connectors.api.conftest import Served, serving
from tests.connectors.api.reads.delivery_log import make_result

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
"""Without those that expect each deviation from a schema to be refused: a bad event is no reason
to refuse a call, and identifiers that are malformed are dropped."""

NOTHING_TO_SEND = ("/healthz", "/readyz")

KNOWN = {
    "advertiser_id": "adv",
    "event_id": "o1",
    "event_source_id": "src",
    "media_buy_id": "mb",
}
"""What is in paths of requests that are as described: there is something to answer."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Yield an API with a source, and with a result to read."""
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.0)
    log = tmp_path / "log"
    log.mkdir()
    replayed = tmp_path / "replayed"
    replayed.mkdir()
    with serving(log, result=make_result(replayed)) as served:
        path = "/api/buyer/advertisers/adv/event-sources/sync"
        served.client.post(path, json={"event_sources": [{"event_source_id": "src"}]})
        yield served


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_is_described(
    api: Served, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.rates, "requests", Rate(0, "requests"))
    _, secret = api.keys.create("one", advertisers=["adv"])
    headers = {"Authorization": f"Bearer {secret}"}
    schema = schemathesis.openapi.from_dict(api.client.get("/openapi.json").json())
    base = str(api.client.base_url)
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in NOTHING_TO_SEND and mode is GenerationMode.NEGATIVE:
            continue

        @settings(
            max_examples=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def sends(case: schemathesis.Case[Any]) -> None:
            if mode is GenerationMode.POSITIVE:
                paths = {name: KNOWN[name] for name in case.path_parameters or {}}
                case.path_parameters = paths
            case.call_and_validate(base_url=base, headers=headers, checks=CHECKS)

        sends()
        tried += 1
    assert tried >= 16
