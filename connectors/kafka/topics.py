"""Topics of a cluster: creates missing ones, and reports differences from the plan."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType

from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, ClusterError, unreachable
from connectors.kafka.metadata import describe

AT_LEAST: Final = frozenset({"max.message.bytes", "retention.ms"})
"""Settings for which a larger value does no harm; -1 is unlimited."""

UNLIMITED: Final = -1

PAUSE_SECONDS: Final = 0.05
"""Interval between two checks whether a created topic is visible."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A planned topic; `config` holds the settings that differ from the broker's defaults."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def create_topics(cluster: Cluster, topics: Sequence[Topic], *, replication: int) -> list[str]:
    """Create the topics that are missing, and return their names. Existing topics do not change.

    Waits until the topics are visible in the metadata, a moment after their creation.
    Raises ClusterError when the cluster does not respond or refuses.
    """
    wanted = [
        NewTopic(topic.name, topic.partitions, replication, config=dict(topic.config))
        for topic in topics
    ]
    admin = cluster.admin()  # responses arrive only while the client exists
    answers = admin.create_topics(wanted, request_timeout=ANSWER_SECONDS_MAX)
    made = [name for name, answer in answers.items() if _is_made(cluster, name, answer)]
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while set(made) - describe(cluster, made).keys() and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return made


def check_topics(cluster: Cluster, topics: Sequence[Topic]) -> list[str]:
    """Return one line for each missing topic and each difference from the plan."""
    found = describe(cluster, [topic.name for topic in topics])
    there = [topic for topic in topics if topic.name in found]
    configs = _configs(cluster, [topic.name for topic in there])
    problems = [f"{topic.name}: missing" for topic in topics if topic.name not in found]
    for topic in there:
        partitions = found[topic.name].partitions
        if partitions < topic.partitions:
            problems.append(f"{topic.name}: partitions are {partitions}, not {topic.partitions}")
        problems += _differences(topic, configs[topic.name])
    return problems


def _is_made(cluster: Cluster, name: str, answer: Any) -> bool:  # noqa: ANN401  a Future of None
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        if error.args[0].code() < 0:  # librdkafka's own code: no broker responded
            raise unreachable(cluster, error) from error
        msg = f"topic {name} cannot be made: {error.args[0].str()}"
        raise ClusterError(msg) from error
    return True


def _configs(cluster: Cluster, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the settings of topics, by the names of topic and setting."""
    if not names:
        return {}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    admin = cluster.admin()  # responses arrive only while the client exists
    answers = admin.describe_configs(asked, request_timeout=ANSWER_SECONDS_MAX)
    try:
        return {
            resource.name: {name: entry.value for name, entry in answer.result().items()}
            for resource, answer in answers.items()
        }
    except KafkaException as error:
        raise unreachable(cluster, error) from error


def _differences(topic: Topic, config: Mapping[str, str]) -> list[str]:
    return [
        f"{topic.name}: {name} is {config.get(name, 'not known')}, not {wanted}"
        for name, wanted in topic.config.items()
        if not _suffices(name, config.get(name, ""), wanted)
    ]


def _suffices(name: str, value: str, wanted: str) -> bool:
    if name not in AT_LEAST or not value.lstrip("-").isdigit():
        return value == wanted
    return int(value) == UNLIMITED or UNLIMITED != int(wanted) <= int(value)
