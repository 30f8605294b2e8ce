"""The bulk decoder gives what the contract gives, whatever stands in a line.

Two ways: every spoilt value in every place of a sound document, one at a time; and several
troubles at once, as Hypothesis picks them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribution.contract.document import MAX_DEPTH
from attribution.contract.event import judge_event
from attribution.contract.impression import judge_impression
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from tests.support.both_decoders import BothDecoders
from tests.support.spoiled import FAULTS, ODD_LINES, VALUES, values_at
from tests.support.trees import DOCUMENTS, PATHS, Place, Tree, put, rename, repeat, text, write

STREAMS = sorted(DOCUMENTS)


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> BothDecoders:
    return BothDecoders(tmp_path_factory.mktemp("decoders"))


@pytest.mark.long
@pytest.mark.parametrize("stream", STREAMS)
def test_any_value_in_any_place(decoders: BothDecoders, stream: str) -> None:
    sound = DOCUMENTS[stream]
    lines = [
        write(put(sound, place, value)) for place in PATHS[stream] for value in values_at(place)
    ]
    assert decoders.differences(stream, lines) == ""


@pytest.mark.parametrize("usual", [text("name"), text("4711"), b"4711"])
@pytest.mark.parametrize("name", ["advertiser_id", "impression_id"])
def test_any_value_among_usual_ids(decoders: BothDecoders, name: str, usual: bytes) -> None:
    """How an id is read depends on what most of a chunk's ids look like; what it is does not."""
    sound = put(DOCUMENTS["impressions"], (name,), usual)
    odd = [write(put(sound, (name,), value)) for value in values_at((name,))]
    assert decoders.differences("impressions", [write(sound)] * (20 * len(odd)) + odd) == ""


@pytest.mark.parametrize("stream", STREAMS)
def test_what_is_no_json_in_any_place(decoders: BothDecoders, stream: str) -> None:
    sound = DOCUMENTS[stream]
    lines = [write(put(sound, place, fault)) for place in PATHS[stream] for fault in FAULTS]
    assert decoders.differences(stream, lines) == ""


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("first", [True, False])
def test_repeated_keys_in_any_place(decoders: BothDecoders, stream: str, *, first: bool) -> None:
    sound = DOCUMENTS[stream]
    lines = [
        write(repeat(sound, place, value, first=first))
        for place in PATHS[stream]
        if isinstance(place[-1], str)
        for value in (b"null", b"1", b"{}", b"[]", b'"true"', text("a"), text("a" * 600))
    ]
    assert decoders.differences(stream, lines) == ""


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_spelt_otherwise(decoders: BothDecoders, stream: str) -> None:
    sound = DOCUMENTS[stream]
    lines = [
        write(rename(sound, place, name))
        for place in PATHS[stream]
        if isinstance(place[-1], str)
        for name in _spellings(place[-1])
    ]
    assert decoders.differences(stream, lines) == ""


def _spellings(key: str) -> list[str]:
    return [key.upper(), key + " ", key + "\x00", f"\\u{ord(key[0]):04x}{key[1:]}", f"$.{key}", ""]


@pytest.mark.parametrize("stream", STREAMS)
def test_odd_lines_between_sound_ones(decoders: BothDecoders, stream: str) -> None:
    sound = write(DOCUMENTS[stream])
    lines = [each for odd in ODD_LINES for each in (odd, sound, odd, odd)]
    assert decoders.differences(stream, lines) == ""
    assert decoders.differences(stream, lines, cuts=range(0, len(lines), 3)) == ""


@pytest.mark.parametrize("stream", STREAMS)
def test_odd_lines_alone(decoders: BothDecoders, stream: str) -> None:
    """A chunk of one line: nothing else steers the reader to another way."""
    for line in ODD_LINES:
        assert decoders.differences(stream, [line]) == ""


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("half", [b'"\\ud83d"', b'"a\\uDC00"', b'"\\ude00\\ud83d"'])
def test_half_of_a_surrogate_pair_in_any_place(
    decoders: BothDecoders, stream: str, half: bytes
) -> None:
    sound = DOCUMENTS[stream]
    lines = [write(put(sound, place, half)) for place in PATHS[stream]]
    assert decoders.differences(stream, lines) == ""


SHORTEST = {
    "impressions": b'{"advertiser_id":"a","impression_id":"i","type":"click",'
    b'"time":"2026-05-01T08:00:00Z","campaign_id":"c","x":%b}',
    "events": b'{"advertiser_id":"adv","event_source_id":"src",'
    b'"received_at":"2026-05-01T08:00:00Z","events":[{"event_id":"e","event_type":"lead","event_time":"2026-05-01T08:00:00Z"}],'
    b'"x":%b}',
}


@pytest.mark.parametrize("stream", STREAMS)
def test_how_deep_the_shortest_documents_nest(decoders: BothDecoders, stream: str) -> None:
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1):
        line = SHORTEST[stream] % (b"[" * depth + b"]" * depth)
        assert decoders.differences(stream, [line]) == ""


def test_any_number_of_events(decoders: BothDecoders) -> None:
    sound = DOCUMENTS["events"]
    lines = [
        write(put(sound, ("events",), [{"event_id": "e"}] * n)) for n in (0, 1, 10_000, 10_001)
    ]
    assert decoders.differences("events", lines) == ""


SOURCES = ["src", "strict", "trial", "nobody"]
values = st.one_of(
    st.sampled_from(VALUES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(FAULTS),
)


@st.composite
def lines_of(draw: st.DrawFn, stream: str) -> bytes:
    """Draw a line with up to four troubles."""
    document: Tree = DOCUMENTS[stream]
    if stream == "events":
        document = put(document, ("event_source_id",), draw(st.sampled_from(SOURCES)))
        if draw(st.booleans()):
            document = put(document, ("events",), [document["events"][0]] * 2)
    for _ in range(draw(st.integers(0, 4))):
        document = _troubled(draw, document, draw(st.sampled_from(PATHS[stream])))
    comma, colon = draw(st.sampled_from([(b",", b":"), (b", ", b": "), (b"\t,\r ", b" :\t")]))
    line = write(document, comma=comma, colon=colon)
    return _scratched(draw, line) if draw(st.integers(0, 9)) == 0 else line


def _troubled(draw: st.DrawFn, document: Tree, place: Place) -> Tree:
    if isinstance(place[-1], str) and draw(st.integers(0, 4)) == 0:
        return repeat(document, place, draw(values), first=draw(st.booleans()))
    return put(document, place, draw(values))


def _scratched(draw: st.DrawFn, line: bytes) -> bytes:
    """Change, add or lose some bytes."""
    at = draw(st.integers(0, len(line)))
    return (line[:at] + draw(st.binary(max_size=2)) + line[at + draw(st.integers(0, 2)) :]).replace(
        b"\n", b""
    )


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_several_troubles_at_once(decoders: BothDecoders, stream: str, data: st.DataObject) -> None:
    lines = data.draw(st.lists(lines_of(stream), min_size=1, max_size=6))
    cuts = data.draw(st.sets(st.integers(1, len(lines))))
    assert decoders.differences(stream, lines, cuts) == ""


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count what reaches the contract."""
    counts = {"events": 0, "impressions": 0}

    def counting(stream: str, judge: Callable[..., Any]) -> Callable[..., Any]:
        def count(*given: object, **rest: object) -> object:
            counts[stream] += 1
            return judge(*given, **rest)

        return count

    monkeypatch.setattr("connectors.decoding.judged.judge_event", counting("events", judge_event))
    judge = counting("impressions", judge_impression)
    monkeypatch.setattr("connectors.decoding.judged.judge_impression", judge)
    return counts


def test_a_clean_log_hardly_ever_reaches_the_contract(
    tmp_path: Path, judged: dict[str, int]
) -> None:
    spec = GenerateSpec(events=2_000, impressions=2_000, bad=0, duplicate=0, test=0)
    generate_log(tmp_path, spec)
    documents = json.loads((tmp_path / "event_sources.json").read_text())
    registry = Registry.from_documents(documents, allow_unregistered=True)
    rows = {}
    for stream in STREAMS:
        lines = Lines.of((tmp_path / f"{stream}-00.ndjson").read_bytes())
        decoder = PartitionDecoder(stream, stream, policy=Policy(), registry=registry)
        rows[stream] = decoder.decode(lines, lines.numbered(0)).rows.num_rows
    assert {stream: count >= 1_500 for stream, count in rows.items()} == dict.fromkeys(
        STREAMS, True
    )
    assert {s: judged[s] <= 0.05 * rows[s] for s in STREAMS} == dict.fromkeys(STREAMS, True), judged


VERSIONS = [b'"3.0"', b'"3.2"', b'"3.12"', b'"4.0"', b'"3.1.19"', b'"3."', b'"3\\u002e1"', b"3.1"]
MAJORS = [b"3", b"4", b"3.0", b"03", b'"3"', b"33"]


def with_versions(version: bytes | None, major: bytes | None) -> bytes:
    named = {("adcp_version",): version, ("adcp_major_version",): major}
    document: Tree = DOCUMENTS["events"]
    for place, value in named.items():
        document = document if value is None else put(document, place, value)
    return write(document)


def test_versions_of_adcp(decoders: BothDecoders, judged: dict[str, int]) -> None:
    lines = [with_versions(each, None) for each in VERSIONS]
    lines += [with_versions(None, each) for each in MAJORS]
    assert decoders.differences("events", lines) == ""
    judged["events"] = 0
    decoder = PartitionDecoder(
        "events", "events", policy=Policy(), registry=Registry(versions={}, allow_unregistered=True)
    )
    usual = Lines.of_documents([with_versions(b'"3.2"', b"3")])
    assert decoder.decode(usual, usual.numbered(0)).rows.num_rows == 1
    assert judged["events"] == 0, "a version that is ours needs no reading"
