"""A Kafka cluster: how it is reached, and what it says about topics.

The only place that builds librdkafka clients. Knows no stream and no document.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from connectors.errors import OperatorError

ANSWER_SECONDS_MAX: Final = 30
"""How long a question may take before the cluster counts as out of reach."""

RESERVED: Final = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "message.max.bytes",
        "message.timeout.ms",
        "statistics.interval.ms",
    }
)
"""Options that the job sets itself: with others it would lose or repeat records."""

QUEUE_KILOBYTES: Final = 16_384
"""What the library fetches ahead, per lane; its default is 64 MB."""

FETCH_KILOBYTES: Final = 8_192
"""What a broker gives in one answer, unless a single record is larger: even a slow link is done
with that before SOCKET_MS have passed, after which librdkafka would begin anew."""

SOCKET_MS: Final = 10_000
"""How long a connection on which no answer comes is kept; the library's default is a minute."""

FETCH_WAIT_MS: Final = 100
"""How long a broker without news waits before it says so; only then is an end known."""

FETCH_WAIT_MS_MAX: Final = 250
"""As options may have it: with more, a broker without news would count as one that is silent."""

STATISTICS_MS: Final = 500
"""From one report of librdkafka's to the next; together we take 0.3 ms for one."""

LOG: Final = logging.getLogger("tributary.kafka")
"""Where librdkafka's own messages go."""

SEND_KILOBYTES: Final = 131_072
"""What may wait to be sent, per producer: more than the largest record; its default is 1 GB."""

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
"""Is told whether offsets were taken: all in all, and each `error` of its own."""

OnError = Callable[[str], None]
"""Is told the name of each error that is tried again."""

Client = TypeVar("Client", Consumer, Producer, AdminClient)


def ignore(error: str) -> None:
    """Take no notice of an error that was met; it is tried again anyway."""
    del error


class ClusterError(OperatorError):
    """Kafka cannot be read as asked; the message says what to do."""


class OutageError(ClusterError):
    """Nobody answers; nothing is wrong with what was asked, and later it may do."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster is and how to reach it. `options` are librdkafka's and may hold secrets."""

    bootstrap_servers: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def admin(self) -> AdminClient:
        """Return a client for questions and for making topics."""
        return self._client(AdminClient, {})

    def consumer(
        self,
        group: str,
        on_error: Callable[[KafkaError], None],
        *,
        on_commit: OnCommit | None = None,
        on_statistics: Callable[[str], None] | None = None,
    ) -> Consumer:
        """Return a consumer that is told what to read, and never jumps or commits by itself."""
        self._check_fetch_wait()
        ours = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "error_cb": on_error,
            "queued.max.messages.kbytes": QUEUE_KILOBYTES,
            # With a queue this short the library's own pause of a second would starve a backlog.
            "fetch.queue.backoff.ms": 10,
            "fetch.max.bytes": FETCH_KILOBYTES * 1024,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "socket.timeout.ms": SOCKET_MS,
        }
        if on_commit is not None:
            ours["on_commit"] = on_commit
        if on_statistics is not None:
            ours |= {"stats_cb": on_statistics, "statistics.interval.ms": STATISTICS_MS}
        return self._client(Consumer, ours)

    def producer(self, record_bytes_max: int, on_error: Callable[[KafkaError], None]) -> Producer:
        """Return a producer that keeps the order of a key and loses nothing without saying so.

        It tries for as long as it lives, unless a broker says that there is no use in it.
        """
        ours = {
            "acks": "all",
            "enable.idempotence": True,
            "message.max.bytes": record_bytes_max,
            "message.timeout.ms": 0,
            "error_cb": on_error,
            "queue.buffering.max.kbytes": SEND_KILOBYTES,
            "compression.type": "zstd",
            # As the clients in Java do, so that a key is in one partition whoever wrote it.
            "partitioner": "murmur2_random",
        }
        return self._client(Producer, ours)

    def _check_fetch_wait(self) -> None:
        wait = self.options.get("fetch.wait.max.ms", "")
        if wait.isdecimal() and int(wait) > FETCH_WAIT_MS_MAX:
            msg = (
                f"kafka.options: fetch.wait.max.ms is {wait}, expected at most {FETCH_WAIT_MS_MAX}:"
                " a broker that says nothing for longer counts as silent; lower or remove it"
            )
            raise ClusterError(msg)

    def _client(self, kind: type[Client], ours: dict[str, Any]) -> Client:
        if taken := sorted(RESERVED & self.options.keys()):
            msg = f"kafka.options may not set {', '.join(taken)}: the job does; remove it"
            raise ClusterError(msg)
        config = {
            "bootstrap.servers": self.bootstrap_servers,
            "log.connection.close": False,
            # A broker that is back is found within a second, not ten.
            "reconnect.backoff.max.ms": 1000,
            **ours,
            **self.options,
        }
        try:
            return kind(config, logger=LOG)
        except KafkaException as error:
            msg = f"kafka.options: {_reason(error)}; expected options that librdkafka has"
            raise ClusterError(msg) from error


def unreachable(cluster: Cluster, error: KafkaException) -> OutageError:
    """Explain that a cluster did not answer."""
    return OutageError(
        f"Kafka at {cluster.bootstrap_servers} cannot be asked: {_reason(error)}. Check that it "
        "runs, kafka.bootstrap_servers, and what kafka.options say of security"
    )


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
