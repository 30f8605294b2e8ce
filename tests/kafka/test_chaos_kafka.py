"""A job over Kafka is killed over and over: the tables are the oracle's all the same."""

from pathlib import Path

from confluent_kafka.admin import NewPartitions

from connectors.cluster import Cluster
from tests.chaos.campaign import PROCESSES, SHAPES, WORKERS, Plan
from tests.kafka.brokers import Broker, running, tansu
from tests.kafka.harness import KafkaCampaign


def test_kills_leave_no_trace(tmp_path: Path) -> None:
    with running(tansu(tmp_path)) as broker:
        plan = Plan(seed=5, kills=2, shapes=[WORKERS, PROCESSES])
        folder = tmp_path / "campaign"
        folder.mkdir()
        campaign = KafkaCampaign(folder, plan, broker.bootstrap_servers)
        outcome = campaign.run()
    assert outcome.differences == [], "\n".join(campaign.told)
    assert outcome.commits > plan.kills


class Disturbed(KafkaCampaign):
    """Between kills of the job the broker dies and comes back, and partitions are added."""

    def __init__(self, folder: Path, plan: Plan, broker: Broker) -> None:
        """Take a broker that may be killed."""
        self._broker = broker
        super().__init__(folder, plan, broker.bootstrap_servers)

    def _start_and_kill(self, number: int) -> str:
        if number % 3 == 1:
            self._add_partitions()
        if number % 3 != 2:
            return super()._start_and_kill(number)
        self.job.start()
        self.job.wait_until_it_writes(2)
        self._broker.kill()
        self.job.wait(1.0)
        self._broker.start()
        self.job.wait_until_it_writes(4)
        assert self.job.wait(0) is None, self.job.said
        self.job.kill()
        return "while the broker came back"

    def _add_partitions(self) -> None:
        admin = Cluster(self.topics.servers).admin()
        for stream, count in self.topics.partitions.items():
            topic = self.topics[stream]
            admin.create_partitions([NewPartitions(topic, count + 1)])[topic].result()
        for stream in self.topics.partitions:
            self.topics.partitions[stream] += 1


def test_brokers_that_die_and_partitions_that_come_leave_no_trace(
    apache_broker: Broker, tmp_path: Path
) -> None:
    campaign = Disturbed(tmp_path, Plan(seed=6, kills=3, shapes=SHAPES["mixed"]), apache_broker)
    outcome = campaign.run()
    assert outcome.differences == [], "\n".join(campaign.told)
