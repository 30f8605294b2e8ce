"""A Kafka cluster: its address, its options and the librdkafka clients built from them.

The only place that builds clients. It knows nothing of streams or documents.
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
"""Request timeout (s) after which the cluster counts as unreachable."""

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
"""Options that the job sets itself: with other values it would lose or repeat records."""

QUEUE_KILOBYTES: Final = 16_384
"""Size of librdkafka's prefetch queue, per lane; the default is 64 MB."""

FETCH_KILOBYTES: Final = 8_192
"""Size of a fetch response, unless a single record is larger: small enough that even a slow link
transfers it within SOCKET_MS, after which librdkafka would start over."""

SOCKET_MS: Final = 10_000
"""How long a connection without a response is kept; librdkafka's default is a minute."""

FETCH_WAIT_MS: Final = 100
"""How long a broker without new records waits before it responds; only its response shows that a
partition has ended."""

FETCH_WAIT_MS_MAX: Final = 250
"""The most that options may set; beyond it, an idle broker would count as silent."""

STATISTICS_MS: Final = 500
"""Interval of librdkafka's statistics; one report costs 0.3 ms in all."""

LOG: Final = logging.getLogger("tributary.kafka")
"""Where librdkafka's own messages go."""

SEND_KILOBYTES: Final = 131_072
"""Size of a producer's send queue: more than the largest record; the default is 1 GB."""

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
"""Receives the result of an offset commit: the error of the request, and one per partition."""

OnError = Callable[[str], None]
"""Receives the name of each error that is retried."""

Client = TypeVar("Client", Consumer, Producer, AdminClient)


class ClusterError(OperatorError):
    """Kafka cannot be read as asked; the message says what to do."""


class OutageError(ClusterError):
    """The cluster does not respond. The request was valid and may succeed later."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """The address of a cluster. `options` are librdkafka's and may hold secrets."""

    bootstrap_servers: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def admin(self) -> AdminClient:
        """Return a client for metadata requests and for creating topics."""
        return self._client(AdminClient, {})

    def consumer(
        self,
        group: str,
        on_error: Callable[[KafkaError], None],
        *,
        on_commit: OnCommit | None = None,
        on_statistics: Callable[[str], None] | None = None,
    ) -> Consumer:
        """Return a consumer without group assignment, offset reset or automatic commits."""
        self._check_fetch_wait()
        ours = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "error_cb": on_error,
            "queued.max.messages.kbytes": QUEUE_KILOBYTES,
            # With so short a queue, librdkafka's default pause of a second would starve a backlog.
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

    def producer(
        self,
        record_bytes_max: int,
        on_error: Callable[[KafkaError], None],
        *,
        timeout_ms: int = 0,
    ) -> Producer:
        """Return a producer that keeps the order of each key and reports every lost record.

        It retries for `timeout_ms`, or, with 0, for as long as it exists, unless the broker reports
        a permanent error.
        """
        ours = {
            "acks": "all",
            "enable.idempotence": True,
            "message.max.bytes": record_bytes_max,
            "message.timeout.ms": timeout_ms,
            "error_cb": on_error,
            "queue.buffering.max.kbytes": SEND_KILOBYTES,
            "compression.type": "zstd",
            # Java's default, so that a key has the same partition for producers in any language.
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
            # Reconnect to a restarted broker within a second, not ten.
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
    """Return the error for a cluster that did not respond."""
    return OutageError(
        f"Kafka at {cluster.bootstrap_servers} cannot be asked: {_reason(error)}. Check that it "
        "runs, kafka.bootstrap_servers, and what kafka.options say of security"
    )


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
