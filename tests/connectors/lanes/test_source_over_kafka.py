"""A lane over a broker that hangs: time stands still for it, and goes on when the broker does."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.kafka.cluster import Cluster
from connectors.kafka.intake import KafkaIntakes
from connectors.kafka.liveness import SILENT_SECONDS
from connectors.lanes.alignment import Alignment
from connectors.lanes.rules import Rules
from connectors.lanes.source import LiveLane, LiveSource
from tests.support.brokers.broker import running
from tests.support.brokers.stalling import Proxy, behind_proxy
from tests.support.brokers.topics import new_topic
from tests.support.raw import SECOND

GRACE = SECOND // 4
TOLERANCE = SECOND // 5
"""Between two looks, on a busy machine."""


def now() -> int:
    return time.time_ns() // 1_000


@dataclass
class Hanging:
    """A lane over two idle topics, whose broker may hang, and its clock."""

    servers: str
    proxy: Proxy
    ahead: int = 0
    lane: LiveLane = field(init=False)

    def __post_init__(self) -> None:
        topics = {stream: new_topic(self.servers) for stream in ("events", "impressions")}
        registry = Registry.from_documents([], allow_unregistered=True)
        rules = Rules(Policy(), registry, lambda: now() + self.ahead, GRACE, 0)
        intakes = KafkaIntakes(Cluster(self.servers), topics, lanes=1)
        self.lane = LiveSource(intakes, 1, rules, lambda: False, Alignment.of(1)).build_part(
            "read", "0", None
        )

    def drive(self, seconds: float) -> int:
        """Let the lane read, and give what it then promises of impressions."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.lane.next_batch()
            time.sleep(0.01)
        return self.lane.snapshot().watermarks["impressions"]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    with behind_proxy(tmp_path) as (broker, proxy), running(broker):
        hanging = Hanging(broker.bootstrap_servers, proxy)
        yield hanging
        proxy.go_on()
        hanging.lane.close()


@pytest.mark.long
def test_idle_partitions_are_not_carried_along_while_their_broker_hangs(hanging: Hanging) -> None:
    assert hanging.drive(2) > now() - GRACE - TOLERANCE, "both are idle, and known to be"
    hanging.proxy.stall()
    stalled_at = now()
    last = int(SILENT_SECONDS * SECOND) - GRACE
    assert hanging.drive(SILENT_SECONDS + 1) - stalled_at < last + TOLERANCE
    hanging.proxy.go_on()
    assert hanging.drive(2) > now() - GRACE - TOLERANCE


def test_a_lane_that_waits_for_its_broker_does_not_look_without_a_pause(hanging: Hanging) -> None:
    hanging.drive(0.5)
    hanging.proxy.stall()
    hanging.drive(SILENT_SECONDS + 0.5)
    hanging.ahead = 60 * SECOND
    hanging.drive(0.1)
    assert hanging.lane.next_awake() is not None
