"""How a run says how it is doing: a line for people, JSON for machines."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest
import structlog

from connectors import metrics
from connectors.state.sizes import state_size
from flows.monitoring.logs import set_up_logs
from flows.monitoring.status import Observer, Status, shown_status


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.usefixtures("no_epoch_yet")
def test_a_look_is_a_rate_and_the_state_of_things() -> None:
    ticks = Ticks()
    observer = Observer(ticks)
    assert observer.look().commit_age_seconds is None
    state = {"runs": [pa.RecordBatch.from_pydict({"key": pa.array([1, 2], pa.uint64())})]}
    before = observer.look()
    for stream, records in (("events", 30), ("impressions", 70)):
        metrics.read(stream, records, 0)
        metrics.watermarks(stream, [int(time.time() * 1e6) - records * 1_000_000])
    state_size("test_status", 0, state)
    state_size("test_status", 1, state)
    state_size("test_status", 1, {"runs": []})  # so soon it is not looked at again
    metrics.beat()
    ticks.now += 2
    seen = observer.look()
    assert seen.records_per_second == 50
    assert seen.lag_seconds == pytest.approx(70, abs=5)
    assert (seen.state_rows - before.state_rows, seen.state_bytes - before.state_bytes) == (4, 32)
    assert seen.commit_age_seconds == pytest.approx(0, abs=5)


def test_the_line_of_a_terminal() -> None:
    start = Status(0, None, 0, 0, 0, None)
    assert start.line() == (
        "0 records/s · lag - · 0 in flight · state 0 rows, 0.0 MB · last epoch - ago"
    )
    busy = Status(5123.4, 0.31, 17_000, 2_500_000, 81_000_000, 0.2)
    assert busy.line() == (
        "5,123 records/s · lag 0.3 s · 17,000 in flight · state 2,500,000 rows, 81.0 MB · "
        "last epoch 0.2 s ago"
    )
    assert (
        replace(start, processes=2)
        .line()
        .endswith("last epoch - ago · records and state of 1 in 2 processes")
    )


def test_on_a_terminal_the_line_is_shown_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_status(terminal=True, every=0.01):
        time.sleep(0.2)
    assert "records/s" in capsys.readouterr().err


def test_without_a_terminal_it_is_logged_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(terminal=False)
    with shown_status(terminal=False, every=0.01):
        time.sleep(0.2)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {(line["event"], line["level"]) for line in lines} == {("running", "info")}
    assert {"timestamp", *Status.__slots__} <= lines[0].keys()


def test_what_the_library_for_kafka_says_is_a_line_like_others_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs(terminal=False)
    log = logging.getLogger("tributary.kafka")
    for client in range(3):
        log.error("%s [%s] %s", "FAIL", client, "refused")
        log.warning("event source at %s is refused", client)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each["level"], each["event"]) for each in told] == [
        ("error", "FAIL [0] refused"),
        *(("warning", f"event source at {client} is refused") for client in range(3)),
    ]


def test_on_a_terminal_logs_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(terminal=True)
    structlog.get_logger("tributary").warning("restarted", attempt=2)
    told = capsys.readouterr().err
    assert "restarted" in told
    assert not told.startswith("{")
