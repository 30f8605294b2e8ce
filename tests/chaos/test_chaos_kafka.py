"""A job over Kafka is killed over and over: the tables are the oracle's all the same."""

from pathlib import Path

import pytest

from tests.chaos.campaign import PROCESSES, SHAPES, WORKERS, Plan
from tests.chaos.disturbed import Disturbed
from tests.chaos.kafka_campaign import KafkaCampaign
from tests.support.brokers.broker import Broker, running, tansu

pytestmark = pytest.mark.long

AFTER_FLUSH = ("publish.after_flush", "dead_letters.after_flush")


def test_kills_leave_no_trace(tmp_path: Path) -> None:
    """Also while a source is registered, and between what is sent and what is committed."""
    told: list[str] = []
    folder = tmp_path / "campaign"
    folder.mkdir()
    with running(tansu(tmp_path)) as broker:
        plan = Plan(seed=5, kills=4, shapes=[WORKERS, PROCESSES], places=AFTER_FLUSH)
        servers = broker.bootstrap_servers
        outcome = KafkaCampaign(folder, plan, servers, told.append, follows_registry=True).run()
    assert outcome.differences == [], "\n".join(told)
    assert outcome.commits > plan.kills
    assert outcome.counts["conversions_of_passing_source"] > 0


def test_brokers_that_die_and_records_that_expire_leave_no_trace(
    apache_broker: Broker, tmp_path: Path
) -> None:
    told: list[str] = []
    steps = (Disturbed.add_partitions, Disturbed.expire_what_was_read, Disturbed.lose_the_broker)
    plan = Plan(seed=6, kills=4, shapes=SHAPES["mixed"])
    outcome = Disturbed(
        tmp_path,
        plan,
        apache_broker,
        told.append,
        follows_registry=False,
        steps=(*steps, Disturbed.lose_records),
    ).run()
    assert outcome.differences == [], "\n".join(told)
    assert outcome.counts["expired"] > outcome.counts["expired_unread"] > 0
