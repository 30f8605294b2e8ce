"""The batching client: nothing is lost or sent for nothing, against a real API and a rude one."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.api import guard
from tests.connectors.api.conftest import Served
from tests.support import raw
from tests.support.brokers.broker import free_port
from tests.support.scripted import CUT_OFF, scripted
from tributary_client import TRIES, Client, NotAccepted, Refused


class Waits(list[float]):
    """The pauses that a client would have made."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def client(registered: Served, tmp_path: Path) -> Iterator[Client]:
    client = connected(registered, tmp_path)
    yield client
    client.close()


def connected(served: Served, folder: Path, **options: Any) -> Client:  # noqa: ANN401  of Client
    secret = served.client.headers["authorization"].removeprefix("Bearer ")
    queue = str(folder / "queue.sqlite")
    return Client(str(served.client.base_url), secret, "adv", queue, **options)


def sent(served: Served) -> list[str]:
    calls = [json.loads(line) for line in served.stored()]
    return [event["event_id"] for call in calls for event in call["events"]]


def test_events_are_sent_in_batches_and_in_order(registered: Served, tmp_path: Path) -> None:
    client = connected(registered, tmp_path, batch=3)
    client.add("src", *(raw.event(f"e{number}") for number in range(7)))
    assert client.waiting() == 7
    assert client.flush() == []
    assert client.waiting() == 0
    assert sent(registered) == [f"e{number}" for number in range(7)]
    assert len(registered.stored()) == 3
    client.close()


def test_a_refused_event_is_handed_back_and_never_sent_again(
    registered: Served, client: Client
) -> None:
    bad = raw.event("bad", event_type="no such type")
    client.add("src", raw.event("e1"), bad, raw.event("e2"))
    (refused,) = client.flush()
    assert (json.loads(refused.event), refused.code) == (bad, "INVALID_EVENT_TYPE")
    assert client.flush() == []
    assert len(registered.stored()) == 1


def test_what_waits_outlives_the_process(
    registered: Served, client: Client, tmp_path: Path
) -> None:
    client.add("src", raw.event("e1"))
    client.close()
    again = connected(registered, tmp_path)
    assert again.waiting() == 1
    assert again.flush() == []
    assert sent(registered) == ["e1"]
    again.close()


def test_while_the_api_is_away_everything_waits(tmp_path: Path) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", "k", "adv", str(tmp_path / "q"))
    client.add("src", raw.event("e1"))
    waits = Waits()
    with pytest.raises(NotAccepted) as refused:
        client.flush(waits)
    assert refused.value.may_resend
    assert (len(waits), client.waiting()) == (TRIES - 1, 1)
    assert waits[0] < 1.1
    assert 50 < sum(waits) < 130
    client.close()


def test_the_api_says_when_to_send_again(tmp_path: Path) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    script = [
        (503, {"Retry-After": "7"}),
        (429, {"Retry-After": later}),
        (CUT_OFF, {}),
        (502, {"Retry-After": "soon"}),
    ]
    with scripted(script) as server:
        client = Client(server.url, "k", "adv", str(tmp_path / "q"))
        client.add("src", raw.event("e1"))
        waits = Waits()
        assert client.flush(waits) == []
        client.close()
    assert (waits[0], round(waits[1], -1)) == (7, 90)
    assert len(waits) == 4
    assert len(server.bodies) == 5
    assert len(set(server.bodies)) == 1, "the same call each time"
    assert json.loads(gzip.decompress(server.bodies[0]))["event_source_id"] == "src"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 415])
def test_what_something_has_to_be_mended_for_is_sent_once(tmp_path: Path, status: int) -> None:
    with scripted([(status, {})]) as server:
        client = Client(server.url, "k", "adv", str(tmp_path / "q"))
        client.add("src", raw.event("e1"))
        with pytest.raises(NotAccepted, match=f"^scripted {status}$") as refused:
            client.flush(Waits())
        assert (refused.value.status, refused.value.may_resend) == (status, False)
        assert (len(server.bodies), client.waiting()) == (1, 1)
        assert client.flush() == []
        client.close()


def test_a_call_that_is_too_large_is_halved(
    registered: Served, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_BYTES_MAX", 1_000)
    events = [raw.event(f"e{number}") for number in range(20)]
    events[17] = raw.event("e17", event_type="no such type")
    client.add("src", *events)
    (refused,) = client.flush()
    assert isinstance(refused, Refused)
    assert json.loads(refused.event)["event_id"] == "e17"
    assert sent(registered) == [f"e{number}" for number in range(20)]


def test_one_event_that_is_too_large_is_not_halved_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_BYTES_MAX", 100)
    client.add("src", raw.event("e1"), raw.event("e2"))
    with pytest.raises(NotAccepted) as refused:
        client.flush()
    assert (refused.value.status, client.waiting()) == (413, 2)


def test_a_number_that_is_none_is_no_event(client: Client) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        client.add("src", raw.event("e1"), {"value": float("nan")})
    assert client.waiting() == 0
