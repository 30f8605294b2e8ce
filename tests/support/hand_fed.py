"""A continuous run whose lane is fed by hand: what it reads, and what it promises, are given.

The flow, its writer and its file are the real ones. The end of time never comes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bytewax.run import cli_main
from bytewax.testing import TestingSource

from attribution.columnar.frames import END, START, DecodedChunk
from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.database.live_sink import LiveDatabaseSink
from connectors.database.runs import Start
from connectors.decoding.decoder import Next, PartitionDecoder, decode_together
from connectors.decoding.keys import keyed
from connectors.decoding.lines import Lines
from connectors.hashing import Salts
from connectors.progress import future_record_rows, late_record_rows, read_offset_rows
from flows.dataflow.flow import Io, build_flow
from tests.support import raw


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a lane reads at once and when, and what it promised before and promises then."""

    partition: str
    documents: Sequence[raw.Document]
    promised: int | None = None
    watermark: int | None = None
    read_at: int | None = None


def line(document: raw.Document) -> bytes:
    """Write a document as a file has it."""
    return (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n"


class Lane:
    """Reads chunks as a lane of a continuous run does, and writes them to the files they are of."""

    def __init__(self, folder: Path, policy: Policy, registry: Registry) -> None:
        """Start with an empty folder."""
        self._folder = folder
        self._policy = policy
        self._registry = registry
        self._decoders: dict[str, PartitionDecoder] = {}
        self._lines: dict[str, int] = {}
        self._watermark = START

    def read(self, chunk: Chunk) -> list[DecodedChunk]:
        """Return the chunk as the flow takes it, and the promise of the other stream."""
        content = b"".join(line(document) for document in chunk.documents)
        with (self._folder / chunk.partition).open("ab") as file:
            file.write(content)
        decoded = self._decoded(chunk, Lines.of(content))
        if chunk.watermark is not None:
            self._watermark = raw.since_epoch(chunk.watermark)
        other = {"events": "impressions", "impressions": "events"}[decoded.stream]
        return [self._keyed(decoded), DecodedChunk(other, 0, self._watermark, {}, {}, 0)]

    def _decoded(self, chunk: Chunk, lines: Lines) -> Decoded:
        name = chunk.partition
        stream = "events" if name.startswith("events") else "impressions"
        decoder = self._decoders.setdefault(
            name, PartitionDecoder(stream, name, policy=self._policy, registry=self._registry)
        )
        first = self._lines.get(name, 0)
        self._lines[name] = first + len(lines)
        promised = START if chunk.promised is None else raw.since_epoch(chunk.promised)
        read_at = END if chunk.read_at is None else raw.since_epoch(chunk.read_at)
        return decode_together([Next(decoder, lines, lines.numbered(first), promised, read_at)])

    def _keyed(self, decoded: Decoded) -> DecodedChunk:
        rows, tables = keyed(decoded, Salts())
        [part] = decoded.parts
        tables["read_offsets"] = read_offset_rows(
            decoded.stream, {part.partition: self._lines[part.partition]}
        )
        if part.late is not None:
            tables["late_records"] = late_record_rows(decoded)
        if part.future is not None:
            tables["future_records"] = future_record_rows(decoded)
        return DecodedChunk(decoded.stream, 0, self._watermark, rows, tables, decoded.records)


def run(folder: Path, chunks: Sequence[Chunk], policy: Policy, registry: Registry) -> Path:
    """Run the flow over the chunks of a log, which come to lie in `folder`; give the result."""
    folder.mkdir()
    (folder / "event_sources.json").write_text("[]")  # what the folder says now is not asked
    lane = Lane(folder, policy, registry)
    reads = [read for chunk in chunks for read in lane.read(chunk)]
    database = folder.with_suffix(".duckdb")
    start = Start(
        run_id="1",
        state_id="state",
        policy=policy,
        registry=registry,
        inputs={"folder": str(folder), "allow_unregistered": False},
        lanes=1,
        key_groups=2,
    )
    sink = LiveDatabaseSink(database, start, lambda: 0)
    io = Io(TestingSource(reads), sink, lanes=1, key_groups=2, provisional=True)
    cli_main(build_flow(io, policy))  # type: ignore[no-untyped-call]
    return database
