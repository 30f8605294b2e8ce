"""`tributary topics` against real brokers."""

import uuid
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner, Result

from attribution.durations import parse_duration
from attribution.policy import Policy
from flows.cli.app import app
from flows.kafka.topics import raw_retention
from flows.settings.kafka import TopicNames

DAY: Final = parse_duration("1d")


class Command:
    """`tributary topics`, with names that no other test has."""

    def __init__(self, bootstrap_servers: str) -> None:
        tag = uuid.uuid4().hex[:8]
        self.names = {stream: f"{stream}-{tag}" for stream in TopicNames.model_fields}
        self._sets = [f"kafka.topics.{stream}={name}" for stream, name in self.names.items()]
        self._sets.append(f"kafka.bootstrap_servers={bootstrap_servers}")

    def __call__(self, command: str, *sets: str) -> Result:
        flags = [word for each in (*self._sets, *sets) for word in ("--set", each)]
        return CliRunner().invoke(app, ["topics", command, *flags])


@pytest.fixture
def topics(bootstrap_servers: str) -> Command:
    return Command(bootstrap_servers)


def test_topics_are_made_once_and_are_then_as_they_should_be(topics: Command) -> None:
    made = topics("create", "kafka.partitions=2")
    assert (made.exit_code, made.output) == (
        0,
        "".join(f"made {name}\n" for name in topics.names.values()),
    )
    again = topics("create", "kafka.partitions=2")
    assert (again.exit_code, again.output) == (0, "all topics are there\n")
    checked = topics("check", "kafka.partitions=2")
    assert (checked.exit_code, checked.output) == (0, "all topics are as they should be\n")


def test_what_is_missing_or_differs_is_told_line_by_line(
    topics: Command, bootstrap_servers: str
) -> None:
    names = topics.names
    config = {"cleanup.policy": "delete", "retention.ms": "-1"}
    small = {"retention.ms": "1000", "max.message.bytes": "1000"}
    planned = [
        NewTopic(names["impressions"], 9, 1, config=config),
        NewTopic(names["event_sources"], 1, 1, config={"cleanup.policy": "compact"}),
        NewTopic(names["conversions"], 3, 1, config=config | small),
    ]
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for each in admin.create_topics(planned).values():
        each.result()
    checked = topics("check")
    assert checked.exit_code == 1
    assert checked.output.splitlines() == [
        f"{names['events']}: missing",
        f"{names['measurements']}: missing",
        f"{names['dead_letters']}: missing",
        f"{names['conversions']}: partitions are 3, not 8",
        f"{names['conversions']}: retention.ms is 1000, not {30 * 86_400_000}",
        f"{names['conversions']}: max.message.bytes is 1000, not {65 * 1024 * 1024}",
    ]


def test_without_a_cluster_nothing_is_asked() -> None:
    asked = CliRunner().invoke(app, ["topics", "check"])
    assert asked.exit_code == 2
    assert asked.stderr == (
        "tributary: kafka.bootstrap_servers is not set; "
        "expected one broker or more, like kafka-1:9092\n"
    )


def test_raw_records_are_kept_as_long_as_they_may_earn_credit_and_a_week() -> None:
    hour = parse_duration("1h")
    assert raw_retention(Policy()) == 30 * DAY + 7 * DAY + hour + 7 * DAY
    longer = Policy.model_validate({"windows": {"purchase": {"post_view": "90d"}}})
    assert raw_retention(longer) == 90 * DAY + 7 * DAY + hour + 7 * DAY
