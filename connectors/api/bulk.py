"""Large calls, judged together by the bulk decoder: one decoding for all that wait.

Decoding costs tens of milliseconds however little is decoded, and microseconds per event. So one
thread takes all calls that wait, as the spool does with what it writes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import time_ns
from typing import Any, Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, values
from attribution.decoded import Decoded
from attribution.ingest.log_event import CallVerdict, mean_quality, partial_failure
from attribution.policy import Policy
from attribution.quality import QUALITY_STEPS, quality_column
from attribution.registry import Registry
from attribution.vocabulary import Warn
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.spool.writer import stamped

TOGETHER_BYTES_MAX: Final = 16 << 20
"""Calls that are decoded together; more calls wait for the next decoding."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    document: bytes
    verdict: "Future[CallVerdict | None]"


class BulkJudge:
    """Judges documents in a thread of its own; `registry` returns the sources that count now."""

    def __init__(self, registry: Callable[[], Registry], policy: Policy) -> None:
        """Start the thread."""
        self._registry, self._policy = registry, policy
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="judge", daemon=True)
        self._thread.start()

    def judge(self, document: bytes) -> "Future[CallVerdict | None]":
        """Judge one call: a JSON object on one line that names its advertiser.

        The result is None for a call that has to be judged event by event: one that is refused as a
        whole, one of an unknown source, and one of test events.
        """
        waiting = _Waiting(document, Future())
        self._queue.put(waiting)
        return waiting.verdict

    def close(self) -> None:
        """Judge what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            documents = [each.document for each in batch]
            try:
                verdicts = judge_together(documents, self._registry(), self._policy)
            except BaseException as error:
                for each in batch:
                    each.verdict.set_exception(error)
                raise
            for each, verdict in zip(batch, verdicts, strict=True):
                each.verdict.set_result(verdict)

    def _next_batch(self) -> list[_Waiting]:
        """Wait for a call, and take those that wait with it; empty at the end."""
        batch, size = [], 0
        following = self._queue.get()
        while following is not None:
            batch.append(following)
            size += len(following.document)
            if size >= TOGETHER_BYTES_MAX:
                return batch
            try:
                following = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._queue.put(None)
        return batch


def judge_together(
    documents: Sequence[bytes], registry: Registry, policy: Policy
) -> list[CallVerdict | None]:
    """Return the verdict of each call; None where it has to be judged event by event."""
    now = time_ns() // 1_000
    lines = Lines.of_documents([stamped(each, now).rstrip(b"\n") for each in documents])
    decoder = PartitionDecoder("events", "calls", policy=policy, registry=registry)
    decoded = decoder.decode(lines, np.arange(len(documents)))
    return list(_verdicts(decoded, len(documents), policy))


def _verdicts(decoded: Decoded, calls: int, policy: Policy) -> Iterator[CallVerdict | None]:
    line = values(decoded.rows, "line")
    accepted = np.bincount(line, minlength=calls)
    qualities = quality_column(values(decoded.rows, "carries"), policy)
    total = np.zeros(calls, dtype=np.int64)
    np.add.at(total, line, np.rint(qualities * QUALITY_STEPS).astype(np.int64))
    warnings = _warnings(decoded.rows, line, calls)
    refused: list[list[dict[str, Any]]] = [[] for _ in range(calls)]
    for row in decoded.rejections.to_pylist():
        refused[row["source_offset"]].append(row)
    for call in range(calls):
        failures = refused[call]
        received = int(accepted[call]) + len(failures)
        if received == 0 or any(row["source_index"] is None for row in failures):
            yield None
            continue
        yield CallVerdict(
            received=received,
            failures=tuple(
                partial_failure(
                    row["source_index"], row["record_id"], row["code"], row["message"], row["field"]
                )
                for row in failures
            ),
            warnings=warnings[call],
            match_quality=mean_quality(int(total[call]), int(accepted[call])),
            is_test=False,
        )


def _warnings(rows: pa.RecordBatch, line: Ints, calls: int) -> list[Counter[Warn]]:
    """Return how many events of each call have each warning."""
    counters: list[Counter[Warn]] = [Counter() for _ in range(calls)]
    masks = values(rows, "warnings")
    found = int(np.bitwise_or.reduce(masks, initial=0))
    for bit, warning in enumerate(Warn):
        if found >> bit & 1:
            counts = np.bincount(line[masks >> bit & 1 == 1], minlength=calls)
            for call in np.flatnonzero(counts).tolist():
                counters[call][warning] = int(counts[call])
    return counters
