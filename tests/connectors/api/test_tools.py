"""The tools of AdCP over MCP: the answers of the same core, as AdCP writes them."""

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import httpx2
import pytest
from jsonschema import Draft7Validator
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from structlog.testing import capture_logs

from attribution.policy import Policy, Windows
from connectors.api.app import build_app
from connectors.api.calls import LogEvents
from connectors.api.capabilities import capabilities
from connectors.api.claims import REPLAY_SECONDS
from connectors.api.context import Api
from connectors.api.keys import KeyStore
from tests.connectors.api.conftest import Served
from tests.connectors.api.test_app import call
from tests.support import raw

SCHEMAS: Final = Path(__file__).parents[4] / "shared" / "schemas" / "adcp-3.2.4"
ACCOUNT: Final = {"account": {"account_id": "adv"}}
KEY: Final = "a-key-of-this-test"
HEADERS: Final = {"Accept": "application/json, text/event-stream"}
SENT: Final = {"idempotency_key": KEY, **ACCOUNT}


class Tools:
    """A client that calls tools as one JSON-RPC request each."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def post(self, message: dict[str, Any] | bytes, **headers: str) -> Any:  # noqa: ANN401  httpx
        content = message if isinstance(message, bytes) else json.dumps(message).encode()
        kind = {"Content-Type": "application/json"}
        return self.served.client.post("/mcp", content=content, headers=HEADERS | kind | headers)

    def call(self, name: str, arguments: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Return the answer of a tool, after checking how it is wrapped and that it is valid."""
        params = {"name": name, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        response = self.post(message, **headers)
        assert response.status_code == 200, response.text
        result = response.json()["result"]
        answer: dict[str, Any] = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == answer
        assert result["isError"] is (answer["status"] == "failed")
        check(name, answer)
        return answer

    def log(self, *events: object, **fields: object) -> dict[str, Any]:
        return self.call("log_event", call(*events) | SENT | fields)

    def sync(self, **fields: object) -> dict[str, Any]:
        return self.call("sync_event_sources", SENT | fields)


def check(name: str, answer: dict[str, Any]) -> None:
    """Check an answer against the published schema, if that is there, and what it must have."""
    file = SCHEMAS / f"{name.replace('_', '-')}-response.json"
    schema = json.loads(file.read_bytes()) if file.exists() else {}
    # Some have no form for a refused call.
    if answer["status"] == "completed" or "oneOf" in schema:
        assert [each.message for each in Draft7Validator(schema).iter_errors(answer)] == []
    if answer["status"] == "failed":
        assert answer["errors"] == [answer["adcp_error"]]
        assert answer["adcp_error"]["recovery"] in {"transient", "correctable", "terminal"}
        assert "sandbox" not in answer
    else:
        assert answer["status"] == "completed"
        assert name == "get_media_buy_delivery" or "errors" not in answer


@pytest.fixture
def tools(registered: Served) -> Tools:
    return Tools(registered)


def test_one_malformed_event_loses_itself_only(tools: Tools) -> None:
    assert tools.log(raw.event("e1"), None, {"event_id": "e3"}, context={"trace": [1, 2.5]}) == {
        "status": "completed",
        "events_received": 3,
        "events_processed": 1,
        "partial_failures": [
            {
                "event_id": "event_1",
                "code": "INVALID_REQUEST",
                "message": "an event must be an object (at /events/1)",
            },
            {
                "event_id": "e3",
                "code": "MISSING_EVENT_TYPE",
                "message": "event_type must be an event type of the log-event guide or of AdCP, "
                "spelt in lower case; got nothing (at /events/2/event_type)",
            },
        ],
        "warnings": [],
        "match_quality": 0.9,
        "context": {"trace": [1, 2.5]},
    }
    (line,) = tools.served.stored()
    assert json.loads(line)["advertiser_id"] == "adv"


def test_a_copy_is_replayed_with_its_own_context(tools: Tools) -> None:
    first = tools.log(raw.event(), context={"n": 1})
    copy = tools.log(raw.event(), context={"n": 2})
    assert copy == first | {"replayed": True, "context": {"n": 2}}
    assert len(tools.served.stored()) == 1
    conflict = tools.log(raw.event("other"), context={"n": 3})
    assert conflict["adcp_error"].keys() == {"code", "message", "recovery"}
    assert conflict["adcp_error"]["code"] == "IDEMPOTENCY_CONFLICT"
    assert conflict["context"] == {"n": 3}


def test_rest_and_tools_share_keys_of_idempotency(tools: Tools) -> None:
    document = call(raw.event()) | SENT
    first = tools.served.log(document)
    replay = tools.call("log_event", document)
    assert replay == first.json() | {"status": "completed", "replayed": True}


def test_numbers_keep_their_digits_on_the_way_to_the_log(tools: Tools) -> None:
    text = json.dumps(call(raw.event(custom_data={"value": 0, "currency": "USD"})) | SENT)
    text = text.replace('"value": 0', '"value": 123456789.1234500, "note": "\\ud83d"')
    message = (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log_event","arguments":'
        + text
        + "}}"
    )
    answer = tools.post(message.encode()).json()["result"]["structuredContent"]
    assert answer["events_processed"] == 1, answer
    assert b'"value":123456789.1234500,"note":"\\ud83d"' in tools.served.stored()[0]


def test_a_call_of_ten_thousand_events_is_taken_also_when_packed(tools: Tools) -> None:
    events = [
        raw.event(f"event {number}", event_source_url="https://a.example/" + "x" * 300)
        for number in range(10_000)
    ]
    params = {"name": "log_event", "arguments": call(*events) | SENT}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(message).encode()
    assert len(body) > 4 << 20
    answers = [tools.post(body), tools.post(gzip.compress(body, 1), **{"Content-Encoding": "gzip"})]
    contents = [each.json()["result"]["structuredContent"] for each in answers]
    assert [each["events_processed"] for each in contents] == [10_000, 10_000]
    assert contents[1]["replayed"] is True


REFUSALS: Final[list[tuple[dict[str, Any], str, str | None]]] = [
    ({"idempotency_key": None}, "INVALID_REQUEST", "idempotency_key"),
    ({"idempotency_key": "short"}, "INVALID_REQUEST", "idempotency_key"),
    ({"events": []}, "INVALID_REQUEST", "events"),
    ({"event_source_id": "none"}, "REFERENCE_NOT_FOUND", None),
    ({"account": None}, "INVALID_REQUEST", "account"),
    ({"account": {}}, "INVALID_REQUEST", "account"),
    ({"account": {"account_id": ""}}, "INVALID_REQUEST", "account"),
    (
        {"account": {"brand": {"domain": "a.example"}, "operator": "b"}},
        "ACCOUNT_NOT_FOUND",
        None,
    ),
    ({"adcp_version": "9.0"}, "VERSION_UNSUPPORTED", "adcp_version"),
    ({"adcp_version": "3.1.19"}, "INVALID_REQUEST", "adcp_version"),
    ({"adcp_major_version": 4}, "VERSION_UNSUPPORTED", "adcp_major_version"),
    ({"context": "text"}, "INVALID_REQUEST", "context"),
    ({"context": {"a": "\ud83d"}}, "INVALID_REQUEST", "context"),
    ({"context": {"a": "x" * 70_000}}, "INVALID_REQUEST", "context"),
    ({"api-key": "scope3_x"}, "CREDENTIAL_IN_ARGS", None),
]


def test_a_refused_call_says_why(tools: Tools) -> None:
    for arguments, code, field in REFUSALS:
        error = tools.log(raw.event(), **arguments)["adcp_error"]
        assert (error["code"], error.get("field")) == (code, field), arguments
    assert tools.served.stored() == []


def test_ten_thousand_and_one_events_are_refused_with_a_reason(tools: Tools) -> None:
    error = tools.log(*[{}] * 10_001)["adcp_error"]
    assert (error["code"], error["details"]) == ("INVALID_REQUEST", {"reason": "BATCH_TOO_LARGE"})


def test_sources_are_synced_and_listed(tools: Tools) -> None:
    sources = [
        {"event_source_id": "shop", "event_types": ["purchase"], "value_currencies": ["EUR"]}
    ]
    (created,) = tools.sync(event_sources=sources)["event_sources"]
    assert created.pop("setup")["snippet"].startswith("curl ")
    assert created == {
        "event_source_id": "shop",
        "action": "created",
        "name": "shop",
        "event_types": ["purchase"],
        "value_currencies": ["EUR"],
        "managed_by": "buyer",
    }
    assert tools.sync(event_sources=sources)["replayed"] is True
    listed = tools.sync(delete_missing=True)["event_sources"]
    assert [(each["event_source_id"], each["action"]) for each in listed] == [
        ("shop", "unchanged"),
        ("src", "unchanged"),
    ]
    left = tools.sync(event_sources=sources, delete_missing=True, idempotency_key="k" * 16)
    assert [each["action"] for each in left["event_sources"]] == ["unchanged", "deleted"]
    mixed = [{"event_source_id": "bad", "event_types": ["bogus"]}, {"event_source_id": "good"}]
    failed, created = tools.sync(event_sources=mixed, idempotency_key="m" * 16)["event_sources"]
    assert (failed["action"], created["action"]) == ("failed", "created")
    assert failed["errors"][0]["code"] == "UNSUPPORTED_FEATURE"
    twice = tools.sync(event_sources=sources * 2, idempotency_key="l" * 16)["adcp_error"]
    assert twice["code"] == "VALIDATION_ERROR"


def test_keys_count_as_they_do_for_rest(tools: Tools) -> None:
    keys = tools.served.keys

    def code(secret: str, **arguments: object) -> str:
        document = call(raw.event()) | {"idempotency_key": KEY} | arguments
        answer = tools.call("log_event", document, Authorization=f"Bearer {secret}")
        return str(answer.get("adcp_error", answer).get("code", answer["status"]))

    one = keys.create("one", advertisers=["adv"], rights=["write"])[1]
    assert code(one) == "completed", "the account is that of the key"
    assert code(one, account={"brand": {"domain": "a.example"}, "operator": "b"}) == (
        "IDEMPOTENCY_CONFLICT"
    ), "and this is it too"
    assert code(one, account={"account_id": "other"}) == "REFERENCE_NOT_FOUND"
    assert code(keys.create("r", advertisers=["adv"], rights=["read"])[1]) == "READ_ONLY_SCOPE"
    assert code(keys.create("a", advertisers=["adv"], rights=["admin"])[1]) == "SCOPE_INSUFFICIENT"


def test_without_a_valid_key_no_tool_is_there(tools: Tools) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    def refused(**headers: str) -> tuple[int, str, str]:
        answer = tools.post(message, Authorization="", **headers)
        error = answer.json()["error"]["data"]["adcp_error"]
        return answer.status_code, answer.headers["WWW-Authenticate"], error["code"]

    assert refused() == (401, "Bearer", "AUTH_MISSING")
    assert refused(**{"x-scope3-api-key": "scope3_wrong"}) == (401, "Bearer", "AUTH_INVALID")
    secret = tools.served.client.headers["Authorization"].removeprefix("Bearer ")
    listed = tools.post(message, Authorization="", **{"x-adcp-auth": secret}).json()
    assert [each["name"] for each in listed["result"]["tools"]] == [
        "log_event",
        "sync_event_sources",
        "get_media_buy_delivery",
        "get_adcp_capabilities",
    ]
    for tool in listed["result"]["tools"]:
        Draft7Validator.check_schema(tool["inputSchema"])


def test_what_is_no_message_is_refused(tools: Tools) -> None:
    for body in (b"{", b"[]", b'{"a":NaN}'):
        answer = tools.post(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32_700), body


def test_an_unknown_tool_and_other_methods_are_refused(tools: Tools) -> None:
    params = {"name": "none", "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    assert tools.post(message).json()["error"]["code"] == -32_602
    assert tools.served.client.get("/mcp").status_code == 405
    assert tools.served.client.delete("/mcp").status_code == 405


def test_a_fault_of_the_program_is_an_answer_and_the_log_holds_nothing_that_was_sent(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: object, **_rest: object) -> None:
        message = "jane@example.com"
        raise ValueError(message)

    monkeypatch.setattr(LogEvents, "take", fails)
    with capture_logs() as logs:
        error = tools.log(raw.event(), context={"n": 1})["adcp_error"]
    assert (error["code"], error["recovery"]) == ("SERVICE_UNAVAILABLE", "transient")
    assert [each["kind"] for each in logs] == ["ValueError"]
    assert "jane" not in str(logs)


def test_calls_of_tools_are_counted(tools: Tools) -> None:
    tools.log()
    metrics = tools.served.client.get("/metrics").text
    assert 'tributary_api_calls_total{route="mcp/log_event",status="400"}' in metrics


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_the_client_of_the_library_calls_them(tools: Tools, mode: str) -> None:
    """Of both generations of the protocol: with a handshake, and without."""
    client = tools.served.client
    headers = {"Authorization": client.headers["Authorization"]}

    async def called() -> Any:  # noqa: ANN401  JSON
        async with httpx2.AsyncClient(headers=headers) as carrier:
            transport = streamable_http_client(
                str(client.base_url.join("/mcp")), http_client=carrier
            )
            async with Client(transport, mode=mode) as session:
                names = [tool.name for tool in (await session.list_tools()).tools]
                assert names[0] == "log_event"
                answer = await session.call_tool("log_event", call(raw.event()) | SENT)
                return answer.structured_content

    assert asyncio.run(called())["events_processed"] == 1
    assert len(tools.served.stored()) == 1


def test_capabilities_say_what_is_so(tools: Tools) -> None:
    answer = tools.call("get_adcp_capabilities", {"context": {"n": 1}})
    assert answer["context"] == {"n": 1}
    assert answer["adcp"]["idempotency"] == {
        "supported": True,
        "replay_ttl_seconds": REPLAY_SECONDS,
    }
    assert answer["supported_protocols"] == ["media_buy"]


def test_windows_are_those_of_the_rules() -> None:
    policy = Policy(post_view="90m", windows={"lead": Windows(post_click="1500ms")})
    tracking = capabilities(policy)["media_buy"]["conversion_tracking"]
    assert tracking["attribution_windows"] == [
        {
            "post_click": [{"interval": 30, "unit": "days"}],
            "post_view": [{"interval": 90, "unit": "minutes"}],
        },
        {
            "event_type": "lead",
            "post_click": [{"interval": 1, "unit": "seconds"}],
            "post_view": [{"interval": 90, "unit": "minutes"}],
        },
    ]
    assert (
        "supported_uid_types"
        not in capabilities(Policy(match_keys=("click",)))["media_buy"]["conversion_tracking"]
    )


def test_answers_of_staging_say_so(staging: Served) -> None:
    tools = Tools(staging)
    synced = tools.sync(event_sources=[{"event_source_id": "src"}])
    assert synced["sandbox"] is True
    assert tools.log(raw.event(), idempotency_key="k" * 16)["sandbox"] is True
    tools.log(idempotency_key="l" * 16)
    assert staging.client.headers["Authorization"].startswith("Bearer scope3_test_")
    _, live = KeyStore(staging.keys.path).create("live")
    assert staging.log({}, headers={"Authorization": f"Bearer {live}"}).status_code == 401


def test_without_the_extra_there_are_no_tools_and_the_log_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith("mcp.") or name == "connectors.api.routes.mcp":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with capture_logs() as logs:
        app = build_app(api)
    (line,) = logs
    assert "tributary-attribution[adcp]" in line["event"]

    async def posted() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.post("/mcp", json={})).status_code

    assert asyncio.run(posted()) == 404
