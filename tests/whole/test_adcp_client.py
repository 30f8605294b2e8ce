"""The official AdCP client, in an environment of its own, calls every tool of a served API.

It needs an older pydantic than the API, and hundreds of megabytes; where it cannot be installed,
the test is skipped.
"""

import json
import subprocess
import venv
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.api.keys import KeyStore
from flows.serve.serve import KEYS
from tests.connectors.api.reads.delivery_log import make_result
from tests.support.serving import serving

CLIENT: Final = "adcp==9.2.*"
INSTALL_SECONDS: Final = 600
CALL_SECONDS: Final = 300

SCRIPT: Final = """
import asyncio, json, sys

from adcp import ADCPClient, AgentConfig, Protocol
from adcp.exceptions import IdempotencyConflictError
from adcp.types import (
    GetAdcpCapabilitiesRequest,
    GetMediaBuyDeliveryRequest,
    LogEventRequest,
    SyncEventSourcesRequest,
)
from adcp.validation import ValidationHookConfig

url, secret = sys.argv[1:]
agent = AgentConfig(id="t", agent_uri=url, protocol=Protocol.MCP, auth_token=secret)
account = {"account_id": "adv"}
event = {"event_id": "e1", "event_type": "purchase", "event_time": "2026-11-29T10:00:00Z",
         "user_match": {"click_id": "c1"}, "custom_data": {"value": 89.99, "currency": "USD"}}
sync = {"idempotency_key": "a-sync-of-this-test", "account": account, "context": {"n": 1},
        "event_sources": [{"event_source_id": "shop", "allowed_domains": ["shop.example"]}]}
log = {"idempotency_key": "a-call-of-this-test", "account": account, "event_source_id": "shop",
       "events": [event], "context": {"n": 2}}
other = {**log, "events": [{**event, "event_id": "e2"}]}
discover = {"account": account, "idempotency_key": "a-look-of-this-test"}
ask = {"account": account, "media_buy_ids": ["mb", "mixed"], "start_date": "2026-05-10",
       "end_date": "2026-05-12", "include_package_daily_breakdown": True}
unknown = {**log, "idempotency_key": "another-of-this-test", "event_source_id": "none"}


async def told(call):
    try:
        result = await call
    except IdempotencyConflictError:
        return "conflict"
    return result.model_dump(mode="json", exclude_none=True)


async def main():
    strict = ValidationHookConfig(requests="strict", responses="strict")
    async with ADCPClient(agent, validation=strict, strict_idempotency=True) as client:
        told_of = {
            "capabilities": await told(client.get_adcp_capabilities(GetAdcpCapabilitiesRequest())),
            "sync": await told(client.sync_event_sources(SyncEventSourcesRequest(**sync))),
            "log": await told(client.log_event(LogEventRequest(**log))),
            "copy": await told(client.log_event(LogEventRequest(**log))),
            "conflict": await told(client.log_event(LogEventRequest(**other))),
            "unknown": await told(client.log_event(LogEventRequest(**unknown))),
            "list": await told(client.sync_event_sources(SyncEventSourcesRequest(**discover))),
            "delivery": await told(
                client.get_media_buy_delivery(GetMediaBuyDeliveryRequest(**ask))
            ),
        }
    print(json.dumps(told_of))


asyncio.run(main())
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return the Python of an environment that has the client."""
    home = tmp_path / "client"
    venv.create(home, with_pip=True)
    python = home / "bin/python"
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        CLIENT,
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"it took too long").decode().strip().splitlines()[-1]
        pytest.skip(f"{CLIENT} cannot be installed: {said}")
    return python


@pytest.mark.long
def test_the_official_client_calls_every_tool(tmp_path: Path, python: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    _, secret = KeyStore(folder / KEYS).create("test")
    replayed = tmp_path / "replayed"
    replayed.mkdir()
    with serving(folder, secret, None, "--db", str(make_result(replayed))) as client:
        url = str(client.base_url.join("/mcp"))
        command = [str(python), "-c", SCRIPT, url, secret]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=CALL_SECONDS
        )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["capabilities"]["success"], told["capabilities"]
    (source,) = told["sync"]["data"]["event_sources"]
    assert (source["event_source_id"], source["action"]) == ("shop", "created")
    assert told["sync"]["data"]["context"] == {"n": 1}
    log, copy = told["log"], told["copy"]
    assert (log["data"]["events_processed"], log["replayed"]) == (1, False)
    assert copy["data"] == log["data"] | {"replayed": True}
    assert told["conflict"] == "conflict"
    assert told["unknown"]["adcp_error"]["code"] == "REFERENCE_NOT_FOUND"
    (listed,) = told["list"]["data"]["event_sources"]
    assert listed["health"]["status"] == "insufficient"
    bought, mixed = told["delivery"]["data"]["media_buy_deliveries"]
    assert (bought["totals"]["conversions"], bought["totals"]["spend"]) == (5, 11)
    assert "spend" not in mixed["totals"]
    stored = [path.read_bytes().count(b"\n") for path in folder.glob("events-api*.ndjson")]
    assert stored == [1]
