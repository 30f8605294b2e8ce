"""The API behaves as its OpenAPI document says, whatever is sent to it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok

from connectors.api import sources
from connectors.api.limits import Rate
from tests.connectors.api.conftest import Served

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
"""Without those that expect each deviation from a schema to be refused: a bad event is no reason
to refuse a call, and identifiers that are malformed are dropped."""

NOTHING_TO_SEND = ("/healthz", "/readyz")


@pytest.mark.parametrize("examples", [10, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_is_described(
    registered: Served, examples: int, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered.rates, "requests", Rate(0, "requests"))
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.0)
    _, secret = registered.keys.create("one", advertisers=["adv"])
    headers = {"Authorization": f"Bearer {secret}"}
    schema = schemathesis.openapi.from_dict(registered.client.get("/openapi.json").json())
    base = str(registered.client.base_url)
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in NOTHING_TO_SEND and mode is GenerationMode.NEGATIVE:
            continue

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def sends(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(base_url=base, headers=headers, checks=CHECKS)

        sends()
        tried += 1
    assert tried >= 8
