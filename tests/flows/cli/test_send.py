"""`tributary send`: files of events and of calls, against a real API."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from tests.connectors.api.conftest import Served
from tests.support import raw
from tests.support.scripted import scripted
from tributary_client import TRIES

EVENTS = ("--advertiser", "adv", "--source", "src")


def run(served: Served, content: str, *words: str) -> Result:
    file = served.folder / "sent"
    file.write_text(content, encoding="utf-8")
    secret = served.client.headers["authorization"].removeprefix("Bearer ")
    where = ["--url", str(served.client.base_url), "--key", secret]
    return CliRunner().invoke(app, ["send", str(file), *where, *words])


def lines(*documents: object) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


def test_lines_are_events_and_numbers_stay_as_they_are(registered: Served) -> None:
    data = '{"value":1e1,"currency":"USD"}'
    event = json.dumps(raw.event("e1", custom_data={})).replace("{}", data)
    done = run(registered, f"{event}\n\n" + lines(raw.event("e2")), *EVENTS, "--batch", "1")
    assert (done.exit_code, done.stdout) == (0, "2 events: 2 accepted, 0 refused\n")
    assert len(registered.stored()) == 2
    assert data.encode() in registered.stored()[0]


def test_a_saved_call_is_sent_with_its_fields(registered: Served) -> None:
    call = raw.envelope(raw.event("e1"), raw.event("e2"), test_event_code="T1")
    done = run(registered, json.dumps(call, indent=2))
    assert (done.exit_code, done.stdout) == (0, "2 events: 2 accepted, 0 refused\n")
    stored = json.loads(registered.stored()[0])
    assert (stored["test_event_code"], stored["advertiser_id"]) == ("T1", "adv")
    assert stored["received_at"] != call["received_at"]


def test_a_raw_stream_is_sent_call_by_call(registered: Served) -> None:
    stream = lines(*(raw.envelope(raw.event(f"e{number}")) for number in range(3)))
    assert run(registered, stream).stdout == "3 events: 3 accepted, 0 refused\n"
    assert len(registered.stored()) == 3


def test_what_is_refused_is_counted_and_written_down(registered: Served, tmp_path: Path) -> None:
    bad = raw.event("bad", event_type="no such type")
    content = lines(raw.event("e1"), bad) + '{"event_id":\n'
    refused = tmp_path / "refused"
    done = run(registered, content, *EVENTS, "--refused", str(refused))
    assert done.exit_code == 3
    assert done.stdout.splitlines()[0] == "3 events: 1 accepted, 2 refused"
    assert "INVALID_EVENT_TYPE   1" in done.stdout
    written = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [each["code"] for each in written] == ["UNREADABLE_LINE", "INVALID_EVENT_TYPE"]
    assert json.loads(written[1]["event"]) == bad
    assert written[0]["message"].startswith("line 3: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines({"event_source_id": "src", "events": [{}]}), "line 1: a call without advertiser_id"),
        (lines({"advertiser_id": "adv", "events": {}}), "line 1: events of a call are an array"),
    ],
)
def test_a_line_that_nobody_can_place_is_named(
    registered: Served, tmp_path: Path, content: str, message: str
) -> None:
    done = run(registered, content, "--refused", str(tmp_path / "refused"))
    assert done.exit_code == 3
    assert message in (tmp_path / "refused").read_text()
    assert registered.stored() == []


def test_events_that_nobody_can_place_are_not_sent(registered: Served) -> None:
    done = run(registered, lines(raw.event("e1")))
    assert done.exit_code == 2
    assert "line 1 is an event, which needs --advertiser and --source" in done.stderr
    assert registered.stored() == []


def test_a_call_that_is_refused_as_a_whole_ends_it(registered: Served) -> None:
    done = run(registered, lines(raw.event("e1")), "--advertiser", "adv", "--source", "none")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no such advertiser or event source" in done.stderr
    assert "mend that" in done.stderr


def test_an_api_that_stays_away_is_given_up(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with scripted([(503, {"Retry-After": "90"})] * TRIES) as server:
        done = run(registered, lines(raw.event("e1")), *EVENTS, "--url", server.url)
    assert (done.exit_code, waits) == (1, [90.0] * (TRIES - 1))
    assert "next try in 90 s" in done.stderr
    assert "send the file again later" in done.stderr


def test_the_key_may_come_from_the_environment(registered: Served) -> None:
    secret = registered.client.headers["authorization"].removeprefix("Bearer ")
    done = CliRunner(env={"TRIBUTARY_API_KEY": secret}).invoke(
        app,
        ["send", "-", "--url", str(registered.client.base_url)],
        input=lines(raw.envelope(raw.event("e1"))),
    )
    assert (done.exit_code, done.stdout) == (0, "1 event: 1 accepted, 0 refused\n")
