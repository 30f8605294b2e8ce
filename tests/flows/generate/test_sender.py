"""A live log: steady, dated now, keyed as the job expects, and attributed like any other."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from attribution.policy import Policy
from flows.cli.app import app
from flows.generate import live
from flows.generate.live import LiveRecord, LiveStream
from flows.generate.outlets import Folder
from flows.generate.sender import Driven, Pace, drive
from flows.generate.spec import GenerateSpec
from tests.oracle import replay_oracle
from tests.support.brokers.harness import Topics
from tests.support.brokers.topics import everything

NOW = 1_795_000_000_000
SPEC = GenerateSpec(seed=3, events=20_000, impressions=100_000)


class Kept:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, int]] = []

    def register(self, sources: Sequence[object]) -> None:
        raise AssertionError(sources)

    def send(self, records: Sequence[LiveRecord]) -> None:
        self.sent.append((time.monotonic(), sum(each.events or 1 for each in records)))

    def close(self) -> None:
        raise AssertionError


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["generate", "live", *map(str, words)])


def test_records_of_both_streams_come_in_any_portions() -> None:
    whole = LiveStream(SPEC, rate=1000).take(3_000, NOW)
    stream = LiveStream(SPEC, rate=1000)
    parts = [each for size in (1, 999, 2_000) for each in stream.take(size, NOW)]
    events = sum(each.events for each in whole)
    assert len(whole) - sum(each.events > 0 for each in whole) + events == 3_000
    assert 300 < events < 700
    assert events_of(whole) == events_of(parts)
    touches = [each for each in whole if each.stream == "impressions"]
    assert touches == [each for each in parts if each.stream == "impressions"]


def events_of(records: Sequence[LiveRecord]) -> list[str]:
    """Return the events whatever envelopes they are in; unreadable ones as they are."""
    found = []
    for each in records:
        try:
            document = json.loads(each.text)
        except ValueError:
            document = None
        is_envelope = isinstance(document, dict) and each.events
        found += [json.dumps(one) for one in document["events"]] if is_envelope else []
    return sorted(found)


def test_a_record_is_received_now_and_happened_shortly_before() -> None:
    records = LiveStream(SPEC, rate=1000).take(2_000, NOW)
    received = [text for each in records if (text := told(each, "received_at")) is not None]
    assert set(received) == {"2026-11-18T11:06:40.000Z"}
    times = [text for each in records if (text := told(each, "time")) is not None]
    recent = [text for text in times if "2026-11-18T11:06:3" < text < "2026-11-18T11:06:40.001"]
    assert len(recent) > 0.97 * len(times)


def test_keys_name_what_a_repeat_shares() -> None:
    for each in LiveStream(SPEC, rate=1000).take(500, NOW):
        name = "event_source_id" if each.events else "impression_id"
        if (advertiser := told(each, "advertiser_id")) and (other := told(each, name)):
            assert each.key == f"{advertiser}/{other}"


def told(record: LiveRecord, field: str) -> str | None:
    try:
        document = json.loads(record.text)
    except ValueError:
        return None
    value = document.get(field) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def test_a_plan_ends_and_an_empty_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ROUNDS_MAX", 10)
    stream = LiveStream(GenerateSpec(events=0, impressions=1), rate=1)
    assert len(stream.take(15, NOW)) == 10
    assert stream.take(1, NOW) == []
    with pytest.raises(ValueError, match="nothing to send"):
        LiveStream(GenerateSpec(events=0, impressions=0), rate=1)


def test_the_rate_is_steady() -> None:
    kept, shown = Kept(), list[Driven]()
    done = drive(LiveStream(SPEC, rate=2000), kept, Pace(2000, 1.0), on_progress=shown.append)
    assert done.records == sum(count for _, count in kept.sent) == pytest.approx(2_000, abs=1)
    assert done.seconds == 1.0
    assert shown[-1] == done
    assert 1_900 <= done.rate <= 2_001


def test_files_grow_and_a_replay_attributes_them(tmp_path: Path) -> None:
    done = run(tmp_path, "--rate", 2000, "--seconds", 1, "--seed", 5, "--files", 2)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2,000 records in 1.0 s, 2,000 per second; documents: ")
    lines = {path.name: path.read_bytes() for path in tmp_path.glob("*.ndjson")}
    assert len(lines) == 4
    assert run(tmp_path, "--rate", 100, "--seconds", 0.5, "--files", 2).exit_code == 0
    for name, before in lines.items():
        assert (tmp_path / name).read_bytes().startswith(before)
    tables = replay_oracle(tmp_path, Policy())
    attributed = [row for row in tables["conversions"] if row["path_length"]]
    assert 0.2 < len(attributed) / len(tables["conversions"]) < 0.8


@pytest.mark.long
def test_topics_get_what_the_job_reads(bootstrap_servers: str) -> None:
    topics = Topics(bootstrap_servers)
    topics.create()
    sources = f"kafka.topics.event_sources={topics['conversions']}"  # any other topic will do
    settings = [*topics.settings, "--set", f"kafka.topics.conversions=c-{topics.tag}"]
    words = ["kafka", "--rate", 500, "--seconds", 1, *settings, "--set", sources]
    done = run(*words)
    assert done.exit_code == 0, done.output
    found = {
        stream: everything(bootstrap_servers, topics[stream], range(3))
        for stream in ("events", "impressions")
    }
    counts = ", ".join(f"{len(each):,} of {stream}" for stream, each in found.items())
    assert done.output == f"500 records in 1.0 s, 500 per second; documents: {counts}\n"
    by_key: dict[bytes, set[int]] = {}
    for each in found["events"]:
        by_key.setdefault(each.key() or b"", set()).add(each.partition() or 0)
    assert all(len(partitions) == 1 for partitions in by_key.values())
    registered = everything(bootstrap_servers, topics["conversions"])
    assert {each.key() for each in registered} >= by_key.keys() - {
        key for key in by_key if key.endswith(b"/landing_beta")
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("log",), "Missing option '--rate'"),
        (("log", "--rate", 5, "--bad", 1), "Invalid value for '--bad'"),
        (("kafka", "--rate", 5), "kafka.bootstrap_servers is not set"),
        (("log", "--rate", 5, "--events", 0, "--impressions", 0), "nothing to send"),
    ],
)
def test_what_cannot_be_done(
    words: tuple[object, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert message in done.output


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    with pytest.raises(FileExistsError):
        Folder(tmp_path / "log", 1)
    assert run(tmp_path / "log", "--rate", 5).exit_code == 2
