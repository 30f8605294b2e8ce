"""The files of a folder as a bounded Bytewax source: each lane reads its share to the end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from attribution.columnar.frames import END, START, DecodedChunk
from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from attribution.vocabulary import STREAMS
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.delays import delayed_rows
from connectors.decoding.keys import keyed
from connectors.errors import OperatorError
from connectors.files.folder import LogFile
from connectors.files.replay_lane import Lane, Partition
from connectors.files.whole_lines import CHUNK_BYTES
from connectors.hashing import DEFAULT_SALTS, Salts

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileSource(FixedPartitionedSource[DecodedChunk, None]):
    """The files of a folder, divided among a fixed number of lanes.

    All count as read at `read_at`, the start of the replay. `progress` is called with the number of
    bytes that a lane has read since the last call. Each lane decodes in advance with so many
    `threads`, and has as many chunks in memory. With `failures`, an error of a lane is added there
    instead of raised, which the engine would turn into a panic; all lanes then end, without a final
    watermark.
    """

    files: tuple[LogFile, ...]
    lanes: int
    policy: Policy
    registry: Registry
    salts: Salts = DEFAULT_SALTS
    chunk_bytes: int = CHUNK_BYTES
    progress: Progress | None = None
    read_at: int = END
    failures: list[OperatorError] | None = None
    threads: int = 0

    def list_parts(self) -> list[str]:
        """Return the names of the lanes."""
        return [str(lane) for lane in range(self.lanes)]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_ReplayLane":
        """Open one lane."""
        del step_id, resume_state
        return _ReplayLane(self, int(for_part))

    def open(self, lane: int) -> Lane:
        """Open the files of a lane; raises LogError."""
        files = self.files[lane :: self.lanes]
        return Lane([self._partition(file) for file in files], self.chunk_bytes, self.threads)

    def _partition(self, file: LogFile) -> Partition:
        decoder = PartitionDecoder(
            file.stream, file.partition, policy=self.policy, registry=self.registry
        )
        return Partition(file, decoder, self.read_at)


class _ReplayLane(StatefulSourcePartition[DecodedChunk, None]):
    def __init__(self, source: FileSource, number: int) -> None:
        self._source = source
        self._number = number
        self._consumed = 0
        self._sent = dict.fromkeys(STREAMS, START)

    @cached_property
    def _lane(self) -> Lane:
        return self._source.open(self._number)

    def next_batch(self) -> Iterable[DecodedChunk]:
        """Read and decode one chunk, unless some lane or the sink has failed."""
        failures = self._source.failures
        if failures:
            raise StopIteration
        try:
            return self._read()
        except OperatorError as error:
            if failures is None:
                raise
            failures.append(error)
            raise StopIteration from error

    def _read(self) -> Iterable[DecodedChunk]:
        """Read and decode one chunk; after the last one, the watermark is the end of time."""
        read = self._lane.read()
        if read is None:
            ended = [stream for stream in STREAMS if self._sent[stream] != END]
            if not ended:
                raise StopIteration
            return [self._promise(stream) for stream in ended]
        self._report()
        stream, decoded = read
        mine = self._promise(stream) if decoded is None else self._keyed(stream, decoded)
        # A stream without further files in this lane must not hold the others back.
        ended = [name for name in STREAMS if self._lane.watermark(name) == END != self._sent[name]]
        return [mine, *(self._promise(name) for name in ended)]

    def _report(self) -> None:
        if self._source.progress:
            self._source.progress(self._lane.consumed - self._consumed)
        self._consumed = self._lane.consumed

    def _watermark(self, stream: str) -> int:
        self._sent[stream] = self._lane.watermark(stream)
        return self._sent[stream]

    def _promise(self, stream: str) -> DecodedChunk:
        return DecodedChunk(stream, self._number, self._watermark(stream), {}, {}, 0)

    def _keyed(self, stream: str, decoded: Decoded) -> DecodedChunk:
        watermark = self._watermark(stream)
        rows, tables = keyed(decoded, self._source.salts)
        if any(part.delayed for part in decoded.parts):
            tables["delayed_arrivals"] = delayed_rows(decoded)
        return DecodedChunk(stream, self._number, watermark, rows, tables, decoded.records)

    def next_awake(self) -> datetime | None:
        """Poll again at once: a replay has nothing to wait for."""
        return None

    def close(self) -> None:
        """End the threads of the lane, if it was opened."""
        if "_lane" in vars(self):
            self._lane.close()

    def snapshot(self) -> None:
        """Save nothing: a replay that was stopped starts over."""
