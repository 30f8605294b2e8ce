"""The dashboard in docs/grafana has what Grafana needs, and asks for metrics that exist."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from connectors import metrics
from connectors.api.keys import KeyStore
from connectors.api.rendering import LOST
from connectors.sql.announcement import find_job
from connectors.sql.reader import open_reader
from flows.serve.serve import KEYS
from tests.chaos.job import Job, wait_until
from tests.support import raw
from tests.support.running import asked, ended, free_port, new_job
from tests.support.serving import serving

PATH: Final = Path(__file__).parents[2] / "docs/grafana/tributary.json"
DASHBOARD: Final[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
QUERIES: Final = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]

METRIC: Final = re.compile(r"\b((?:tributary|process)_\w+)(?:\{([^}]*)\})?")
SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$", re.MULTILINE)
LABEL: Final = re.compile(r"(\w+)=")
BY_PROMETHEUS: Final = {"instance", "job"}
"""Labels that Prometheus adds when it collects."""

UNSEEN: Final = {
    "tributary_lost_records_total": LOST,  # unless a disk is full
    "tributary_dead_letters_total": metrics.DEAD_LETTERS,  # these and the next: only over Kafka
    "tributary_kafka_errors_total": metrics.KAFKA_ERRORS,
}
"""What has no sample here, so that the page shows only its name."""

Labels = dict[str, set[str]]


def wanted() -> Labels:
    """Return the metrics that the dashboard asks for, each with the labels it names."""
    found: Labels = defaultdict(set)
    for query in QUERIES:
        grouped = {each for by in re.findall(r"by \(([^)]*)\)", query) for each in by.split(", ")}
        for name, selected in METRIC.findall(query):
            found[name] |= (set(LABEL.findall(selected)) | grouped) - BY_PROMETHEUS
    return found


def exposed(page: str) -> Labels:
    """Return the metrics of a page, each with the labels of its samples."""
    found: Labels = {name: set() for name in re.findall(r"^# TYPE (\w+)", page, re.MULTILINE)}
    for name, labels in SAMPLE.findall(page):
        found.setdefault(name, set()).update(LABEL.findall(labels))
    return found


def test_grafana_can_import_it() -> None:
    assert DASHBOARD["uid"] == "tributary"
    assert DASHBOARD["schemaVersion"] >= 39
    assert "id" not in DASHBOARD  # a number of one installation
    [datasource, instance] = DASHBOARD["templating"]["list"]
    assert (datasource["type"], datasource["query"]) == ("datasource", "prometheus")
    assert (instance["type"], instance["name"]) == ("query", "instance")
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        assert (panel["type"] == "row") == ("targets" not in panel)
        for target in panel.get("targets", ()):
            assert target["datasource"] == panel["datasource"]
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["expr"].count("(") == target["expr"].count(")")


def test_no_panel_covers_another() -> None:
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_it_shows_what_an_operator_looks_for() -> None:
    assert {
        "tributary_watermark_lag_seconds",
        "tributary_lane_watermark_seconds",
        "tributary_commit_duration_seconds_bucket",
        "tributary_records_read_total",
        "tributary_outcomes_total",
        "tributary_dead_letters_total",
        "process_resident_memory_bytes",
        "tributary_api_calls_total",
        "tributary_sql_queries_total",
    } <= wanted().keys()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = new_job(tmp_path)
    yield job
    ended(job)


@pytest.mark.long
def test_the_job_and_the_api_expose_every_metric_with_its_labels(job: Job) -> None:
    found = exposed(_of_job(job)) | exposed(_of_api(job.folder / "api"))
    for name, labels in wanted().items():
        assert name in found, f"no metric {name}"
        if name in UNSEEN:
            UNSEEN[name].labels(**dict.fromkeys(labels, "x"))  # raises unless these are its labels
            UNSEEN[name].remove(*"x" * len(labels))
        else:
            assert labels <= found[name], f"{name} has {found[name]}, not all of {labels}"


def _of_job(job: Job) -> str:
    """Return the metrics of a job that met a late record, a wrong clock and a malformed line."""
    port = free_port()
    job.start("--metrics-port", str(port))
    assert wait_until(lambda: find_job(job.database) is not None)
    reader = open_reader(job.database)
    assert wait_until(lambda: reader.query("select 1 from conversions").num_rows == 1)
    late = raw.envelope(raw.event("late"), received_at=-raw.DAY)
    ahead = raw.envelope(raw.event("early"), received_at=10_000 * raw.DAY)
    with (job.data / "events.ndjson").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in (late, ahead))
    assert wait_until(lambda: reader.query("select 1 from conversions").num_rows == 3)
    page = asked(port, "metrics").decode()
    assert job.drain() == 0
    return page


def _of_api(folder: Path) -> str:
    """Return the metrics of an API that has answered a call."""
    folder.mkdir()
    _, secret = KeyStore(folder / KEYS).create("dashboard")
    with serving(folder, secret) as client:
        return httpx.get(f"http://{client.base_url.netloc.decode()}/metrics").text
