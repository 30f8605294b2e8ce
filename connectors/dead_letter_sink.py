"""Dead letters into their topic, together with the epoch that refused them.

A crash may send those of the last epoch again; topic, partition and offset tell copies apart.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.keyed import DEAD_LETTERS, Rows
from connectors import metrics
from connectors.dead_letters import outgoing
from connectors.failpoints import reach
from connectors.kafka.cluster import Cluster
from connectors.kafka.metadata import require
from connectors.kafka.producer import Outbox, Patience, for_a_while


@dataclass(frozen=True, slots=True)
class DeadLetterSink(FixedPartitionedSink[Rows, int]):
    """One partition: there is one topic, and they are few. `clock` gives microseconds."""

    cluster: Cluster
    topic: str
    clock: Callable[[], int]
    waits: Patience = for_a_while

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return [DEAD_LETTERS]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "DeadLetterBox":
        """Connect; raises ClusterError when the topic does not exist."""
        del step_id, for_part, resume_state
        require(self.cluster, self.topic)
        return DeadLetterBox(self, Outbox(self.cluster, self.waits))


@dataclass(slots=True)
class DeadLetterBox(StatefulSinkPartition[Rows, int]):
    """Sends dead letters; an epoch ends when all of them are safe."""

    sink: DeadLetterSink
    outbox: Outbox
    sent: Counter[str] = field(default_factory=Counter)

    def write_batch(self, values: list[Rows]) -> None:
        """Send the dead letters among the rows."""
        now = self.sink.clock()
        for rows in values:
            letters = rows.tables[DEAD_LETTERS].to_pylist() if DEAD_LETTERS in rows.tables else []
            self.outbox.send([outgoing(letter, self.sink.topic, now) for letter in letters])
            self.sent.update(letter["stream"] for letter in letters)

    def snapshot(self) -> int:
        """Wait until all are safe; raises PublishError or OutageError when they are not."""
        self.outbox.flush()
        if self.sent:
            reach("dead_letters.after_flush")
        for stream, count in self.sent.items():
            metrics.DEAD_LETTERS.labels(stream).inc(count)
        self.sent.clear()
        return 0
