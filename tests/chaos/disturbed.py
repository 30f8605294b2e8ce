"""A campaign in which more than the job goes wrong: needs Apache Kafka."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from connectors.kafka.cluster import Cluster
from tests.chaos.aftermath import number_of
from tests.chaos.campaign import Plan
from tests.chaos.job import PATIENCE, wait_until
from tests.chaos.kafka_campaign import KafkaCampaign
from tests.chaos.ledger import opened
from tests.support.brokers.archive import Place
from tests.support.brokers.broker import Broker
from tests.support.brokers.harness import committed_of

PARTITIONS_MAX: Final = 8
"""Per topic; the writer leaves the last ones to fall silent."""

LOST_MIN: Final = 5
"""Records of a partition that nobody has read, before some of them expire."""

CANNOT_VERIFY: Final = "have expired, so that the result cannot be held against the topics any more"

Step = Callable[["Disturbed", int], str]
"""Does something, starts the job and kills it, and tells what it did."""


class Disturbed(KafkaCampaign):
    """The broker dies and comes back, partitions are added, and records expire."""

    def __init__(  # noqa: PLR0913  what a campaign takes, and what disturbs it
        self,
        folder: Path,
        plan: Plan,
        broker: Broker,
        tell: Callable[[str], None],
        *,
        steps: Sequence[Step],
        follows_registry: bool,
    ) -> None:
        """Take a broker that may be killed; the steps come one after the other, over and over."""
        self._broker = broker
        self._steps = steps
        self._first: dict[Place, int] = {}
        self._done = {"broker_restarts": 0, "partitions_added": 0, "expired": 0, "gaps": 0}
        servers = broker.bootstrap_servers
        super().__init__(folder, plan, servers, tell, follows_registry=follows_registry)

    def counts(self) -> dict[str, int]:
        """Count the disturbances too."""
        return super().counts() | self._done | {"expired_unread": self._archive.unread()}

    def _start_and_kill(self, number: int) -> str:
        return self._steps[number % len(self._steps)](self, number)

    def _verify(self) -> list[str]:
        """Expect the command to say that it cannot tell, once records have expired."""
        # A broker that was killed may have forgotten the deletion: it saves it once a minute.
        self._delete(self._first)
        said = super()._verify()
        if not self._first:
            return said
        if any(CANNOT_VERIFY in each for each in said):
            return []
        return [f"verify does not miss what has expired: {said}"]

    def only_kill(self, number: int) -> str:
        """Kill the job, and leave the rest alone."""
        return super()._start_and_kill(number)

    def add_partitions(self, number: int) -> str:
        """Let both topics have a partition more, which may have records before the next start."""
        for stream, count in list(self.topics.partitions.items()):
            if count < PARTITIONS_MAX:
                topic, admin = self.topics[stream], Cluster(self.topics.servers).admin()
                admin.create_partitions([NewPartitions(topic, count + 1)])[topic].result(PATIENCE)
                self.topics.partitions[stream] += 1
                self._done["partitions_added"] += 1
        return f"partitions, {self.only_kill(number)}"

    def expire_what_was_read(self, number: int) -> str:
        """Let records expire that the result has, up to where the job goes on at the latest."""
        self._archive.fetch()
        stored = self._read(before_last=True)
        before = {
            place: self._chance.choice([offset, self._chance.randint(0, offset)])
            for place, offset in stored.items()
        }
        self._expire(before)
        return f"expired, {self.only_kill(number)}"

    def lose_the_broker(self, number: int) -> str:
        """Let the job run while the broker is away, and go on when it is back."""
        self.job.start(*self._shape(number))
        self.job.wait_until_it_writes(2)
        self._end_broker()
        self._wait_a_moment()
        self._broker.start()
        self.job.wait_until_it_writes(4)
        self._expect_running()
        self.job.kill()
        return "while the broker came back"

    def lose_both(self, number: int) -> str:
        """Kill the job while the broker is away."""
        self.job.start(*self._shape(number))
        self.job.wait_until_it_writes(2)
        self._end_broker()
        self._wait_a_moment()
        self._expect_running()
        self.job.kill()
        self._broker.start()
        return "while the broker was away"

    def start_before_the_broker(self, number: int) -> str:
        """Start the job first."""
        self._end_broker()
        self.job.start(*self._shape(number))
        self._wait_a_moment()
        self._broker.start()
        self.job.wait_until_it_writes(3)
        self._expect_running()
        self.job.kill()
        return "started before the broker"

    def lose_records(self, number: int) -> str:
        """Let records expire unread: the job says so and ends, until going on is accepted."""
        shape = self._shape(number)
        place = self._chance.choice([("events", 0), ("impressions", 0)])
        self.job.start(*shape)
        self.job.wait_until_it_writes(2)
        assert wait_until(lambda: self._committed(place) > 0), "nothing is read"
        code = self.job.drain()
        assert code == 0, f"a drain ended with {code}:\n{self.job.said}"
        first = self._read(before_last=False)[place]
        assert wait_until(lambda: self._has_unread(place, first)), "nothing is written"
        beyond = self._chance.randint(first + 1, self._archive.end(place))
        self._archive.never_read(place, first, beyond)
        self._expire({place: beyond})
        self._done["gaps"] += 1
        self._expect_refusal(shape, place, first, beyond)
        self.job.start(*shape, "--set", "kafka.accept_gap=true")
        assert wait_until(lambda: self._committed(place) >= beyond), "nothing is read any more"
        self._expect_running()
        self.job.kill()
        return f"after {beyond - first} records were lost"

    def _committed(self, place: Place) -> int:
        """Return how far a partition is read for good."""
        return committed_of(self.job).get(self._name(place), 0)

    def _has_unread(self, place: Place, first: int) -> bool:
        self._archive.fetch()
        return self._archive.end(place) >= first + LOST_MIN

    def _expect_refusal(
        self, shape: tuple[str, ...], place: Place, first: int, beyond: int
    ) -> None:
        before = len(self.job.said)
        self.job.start(*shape)
        code = self.job.wait(PATIENCE)
        said = self.job.said[before:]
        assert code == 4, f"the job ended with {code}:\n{said}"
        expected = (
            f"tributary: {self._name(place)}: records from offset {first} on expired before they "
            f"were read; the broker has {beyond} to "
        )
        # Of several processes, the others may say that one of them is gone.
        assert said.count(expected) == 1, said

    def _expire(self, before: Mapping[Place, int]) -> None:
        """Let the broker forget what is before an offset, where it has not yet."""
        further = {at: offset for at, offset in before.items() if offset > self._first.get(at, 0)}
        self._delete(further)
        self._done["expired"] += sum(
            offset - self._first.get(at, 0) for at, offset in further.items()
        )
        self._first |= further

    def _delete(self, before: Mapping[Place, int]) -> None:
        places = [
            TopicPartition(self.topics[stream], number, offset)
            for (stream, number), offset in before.items()
        ]
        admin = Cluster(self.topics.servers).admin()  # answers come as long as it lives
        if places:
            for each in admin.delete_records(places).values():
                each.result(PATIENCE)

    def _read(self, *, before_last: bool) -> dict[Place, int]:
        """Return how far the result has read, or would without the commit that may be undone."""
        if not self.job.database.exists():
            return {}
        last = "<" if before_last else "<="
        with opened(self.job.database) as connection:
            rows = connection.execute(
                f"""select stream, source_partition, max(next_offset) from read_offsets
                where seq {last} (select max(seq) from commits) group by all order by all"""
            ).fetchall()
        return {(stream, number_of(partition)): offset for stream, partition, offset in rows}

    def _name(self, place: Place) -> str:
        stream, number = place
        return f"{self.topics[stream]}-{number}"

    def _end_broker(self) -> None:
        """End the broker as a power cut would, or now and then as an operator."""
        if self._chance.random() < 0.7:
            self._broker.kill()
        else:
            self._broker.stop()
        self._done["broker_restarts"] += 1

    def _wait_a_moment(self) -> None:
        self.job.wait(self._chance.uniform(0.1, 2.0))

    def _expect_running(self) -> None:
        code = self.job.wait(0)
        assert code is None, f"the job ended with {code}:\n{self.job.said}"


EVERYTHING: Final[Sequence[Step]] = (
    Disturbed.only_kill,
    Disturbed.expire_what_was_read,
    Disturbed.lose_the_broker,
    Disturbed.add_partitions,
    Disturbed.lose_both,
    Disturbed.expire_what_was_read,
    Disturbed.start_before_the_broker,
    Disturbed.only_kill,
    Disturbed.lose_records,
)
"""The steps of the long form; their number is odd, so that each comes with every other kind of
kill."""
