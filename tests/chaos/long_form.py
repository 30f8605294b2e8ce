"""The long form of the chaos campaign over Kafka: a broker of its own, and all failpoints."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.failpoints import NAMES
from tests.chaos.campaign import Plan
from tests.chaos.disturbed import EVERYTHING, Disturbed
from tests.chaos.kafka_campaign import KafkaCampaign
from tests.support.brokers.broker import apache, jars, running, tansu


@contextmanager
def campaign_over_kafka(
    folder: Path, plan: Plan, tell: Callable[[str], None]
) -> Iterator[KafkaCampaign]:
    """Yield a campaign over Apache Kafka, disturbed; over Tansu where that is not there."""
    plan = replace(plan, places=[name for name in NAMES if not name.startswith("claim.")])
    for_broker, for_job = folder / "broker", folder / "job"
    for_broker.mkdir()
    for_job.mkdir()
    if jars() is None:
        with running(tansu(for_broker)) as broker:
            servers = broker.bootstrap_servers
            yield KafkaCampaign(for_job, plan, servers, tell, follows_registry=True)
    else:
        with running(apache(for_broker)) as broker:
            yield Disturbed(for_job, plan, broker, tell, follows_registry=True, steps=EVERYTHING)
