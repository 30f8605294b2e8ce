"""Small chunks: what the contract makes of them whole is what it makes of them line by line."""

from pathlib import Path

import numpy as np
import pytest

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding import decoder, small_chunks
from connectors.decoding.decoder import Next, PartitionDecoder, read_chunk
from connectors.decoding.lines import Lines
from tests.support.both_decoders import BothDecoders
from tests.support.spoiled import FAULTS, ODD_LINES, values_at
from tests.support.trees import DOCUMENTS, PATHS, put, write

STREAMS = sorted(DOCUMENTS)


@pytest.fixture(autouse=True)
def _are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("the fast path is not taken")

    monkeypatch.setattr(small_chunks, "SMALL_BYTES", dict.fromkeys(STREAMS, 1 << 30))
    monkeypatch.setattr(decoder, "read_events", fail)
    monkeypatch.setattr(decoder, "read_impressions", fail)


@pytest.mark.parametrize("stream", STREAMS)
def test_whatever_is_in_a_line(tmp_path: Path, stream: str) -> None:
    sound = DOCUMENTS[stream]
    lines = [write(put(sound, place, fault)) for place in PATHS[stream] for fault in FAULTS]
    lines += [write(put(sound, place, [*values_at(place)][-1])) for place in PATHS[stream]]
    lines += [*ODD_LINES, write(sound)]
    assert BothDecoders(tmp_path).differences(stream, lines, cuts=(1, 2, 40)) == ""


@pytest.mark.parametrize("stream", STREAMS)
def test_messages_and_blank_lines(tmp_path: Path, stream: str) -> None:
    messages = [b"", b" ", b"\n", write(DOCUMENTS[stream])]
    assert BothDecoders(tmp_path).message_differences(stream, messages) == ""
    assert BothDecoders(tmp_path).differences(stream, [b"", b"  "]) == ""


@pytest.mark.parametrize(("size", "is_small"), [(0, True), (1, False)])
def test_a_chunk_is_small_up_to_a_size(
    monkeypatch: pytest.MonkeyPatch, size: int, *, is_small: bool
) -> None:
    monkeypatch.setattr(small_chunks, "SMALL_BYTES", {"events": 2})
    assert small_chunks.is_small("events", Lines.of(b"{}" + b" " * size)) == is_small


def test_a_chunk_without_lines_has_no_times() -> None:
    registry = Registry(versions={}, allow_unregistered=True)
    partition = PartitionDecoder("events", "p", policy=Policy(), registry=registry)
    lines = Lines.of_documents([])
    chunk = read_chunk([Next(partition, lines, np.array([], dtype=np.int64))])
    assert (chunk.rows.num_rows, len(chunk.arrived), len(chunk.stand_in)) == (0, 0, 0)
