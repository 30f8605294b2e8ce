"""What a caller is told of an event while a job reads it, is killed, and reads on."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from connectors.api.keys import KeyStore
from connectors.registry.growing import FILE
from flows.serve.serve import KEYS
from tests.chaos.job import PATIENCE, Job
from tests.support.serving import serving

STATES: Final = ("stored", "read", "provisional", "final")

CLICK: Final = {"click_id": "c1", "click_id_type": "sc3clid"}

Answer = dict[str, Any]


class Caller:
    """A client that sends events of a person who has clicked, and asks what became of them."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def register(self) -> None:
        source = {"event_sources": [{"event_source_id": "src"}]}
        assert self.client.post("/event-sources/sync", json=source).status_code == 200

    def click(self) -> None:
        record = {
            "impression_id": "i1",
            "type": "click",
            "time": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(),
            "campaign_id": "shoes",
            "media_buy_id": "mb",
            "package_id": "pkg",
            "user_match": CLICK,
        }
        assert self.client.post("/impressions", json=[record]).status_code == 200

    def buy(self, event_id: str) -> str:
        """Send an event; return where it lies."""
        event = {
            "event_id": event_id,
            "event_type": "purchase",
            "event_time": datetime.now(UTC).isoformat(),
            "user_match": CLICK,
            "custom_data": {"value": 90, "currency": "USD"},
        }
        sent = self.client.post("/log-event", json={"event_source_id": "src", "events": [event]})
        assert sent.status_code == 200, sent.text
        return sent.headers["Tributary-Receipt"]

    def receipt(self, event_id: str) -> Answer | None:
        """Return what became of an event; None where the result cannot be read now."""
        answer = self.client.get(f"/events/{event_id}")
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            return None
        assert answer.status_code == 200, answer.text
        (event,) = answer.json()["events"]
        return dict(event)

    def follow(self, event_id: str, until: Callable[[Answer], bool]) -> list[Answer]:
        """Ask until an event is as wanted; return all that was told of it."""
        told: list[Answer] = []
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            if (event := self.receipt(event_id)) is not None:
                told.append(event)
                if until(event):
                    return told
            time.sleep(0.1)
        pytest.fail(f"{event_id} ends as {told[-1:]}")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Yield a job whose log the API writes; not started."""
    job = Job(tmp_path)
    job.data.mkdir()
    (job.data / FILE).touch()
    yield job
    if job.process is not None:
        job.kill()


@pytest.fixture
def caller(job: Job) -> Iterator[Caller]:
    _, secret = KeyStore(job.data / KEYS).create("test")
    with serving(job.data, secret, None, "--db", str(job.database)) as client:
        yield Caller(client)


def is_final(event: Answer) -> bool:
    return event["state"] == "final"


@pytest.mark.long
def test_an_event_is_stored_then_read_then_attributed_also_after_a_kill(
    job: Job, caller: Caller
) -> None:
    caller.register()
    caller.click()
    place = caller.buy("first")
    event = caller.receipt("first")
    assert event is not None, "what is stored is told without a result"
    assert (event["state"], event["place"], event["durable"]) == ("stored", place, True)
    assert caller.client.get("/events/summary").status_code == 503

    job.start()
    told = caller.follow("first", is_final)
    order = [STATES.index(each["state"]) for each in told]
    assert order == sorted(order), "nothing is taken back"
    last = told[-1]
    assert (last["outcome"], last["place"], last["read"]) == ("attributed", place, True)
    (credit,) = last["credits"]
    assert (credit["media_buy_id"], credit["values"]["last_touch"]) == ("mb", 90)
    caller.buy("second")
    provisional = caller.follow("second", lambda each: each.get("outcome") is not None)[-1]
    assert provisional["state"] in {"provisional", "final"}

    job.kill()
    again = caller.follow("first", is_final)
    assert again[-1]["commit"] == last["commit"], "the last state, from the file"
    place = caller.buy("third")
    waiting = caller.follow("third", lambda each: "read" in each)[-1]
    assert (waiting["state"], waiting["place"], waiting["read"]) == ("stored", place, False)

    job.start()
    assert caller.follow("third", is_final)[-1]["outcome"] == "attributed"
    delivered = caller.client.get("/media-buys/mb/delivery").json()
    (media_buy,) = delivered["media_buy_deliveries"]
    assert media_buy["totals"]["conversions"] == 3
    assert media_buy["is_final"] is False
    totals = caller.client.get("/events/summary").json()["totals"]
    assert (totals["received"], totals["attributed"]) == (3, 3)
