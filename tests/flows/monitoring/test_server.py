"""What a run shows on its port: metrics, and whether epochs come through."""

import json
import socket
import struct
from http.client import HTTPConnection

import pytest

from attribution.columnar.frames import START
from connectors import metrics
from flows.monitoring.server import MonitorError, serve


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def health(port: int) -> tuple[int, str, str | None]:
    status, body = get(port, "/healthz")
    told = json.loads(body)
    assert told.keys() == {"status", "reason", "commit_age_seconds"}
    return status, told["status"], told["reason"]


@pytest.mark.usefixtures("no_epoch_yet")
def test_a_run_is_well_while_epochs_come_through() -> None:
    with serve(0) as port, serve(0, age_max=0) as impatient:
        assert health(port) == (503, "starting", "no epoch has been committed yet")
        metrics.beat()
        assert health(port) == (200, "ok", None)
        assert health(impatient) == (503, "stuck", "no epoch was committed for more than 0 s")


def test_metrics_are_those_of_the_job() -> None:
    metrics.watermarks("events", [START, 5_000_000])
    with serve(0) as port:
        status, page = get(port, "/metrics")
        assert get(port, "/")[0] == 404
    assert status == 200
    assert 'tributary_lane_watermark_seconds{lane="1",stream="events"} 5.0' in page
    names = [line.split()[2] for line in page.splitlines() if line.startswith("# HELP")]
    ours = [name for name in names if not name.startswith("process_")]
    assert all(name.startswith("tributary_") for name in ours)
    assert {"tributary_uptime_seconds", "tributary_commit_age_seconds"} <= set(ours)


def test_the_port_is_let_go_of() -> None:
    with serve(0) as port, pytest.raises(MonitorError, match=f"port {port} cannot be served"):
        serve(port).__enter__()
    with serve(port) as again:
        assert again == port


def test_of_who_does_not_wait_for_the_answer_nothing_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serve(0) as port:
        for _ in range(5):
            gone = socket.create_connection(("127.0.0.1", port))
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            gone.close()
        get(port, "metrics")
    assert capsys.readouterr().err == ""


def test_who_connects_and_asks_nothing_holds_nobody_up() -> None:
    with serve(0) as port, socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/metrics")[0] == 200
