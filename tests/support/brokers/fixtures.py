"""Brokers for any test that asks for one, started once per worker."""

import os
from collections.abc import Iterator

import pytest

from tests.support.brokers.broker import EXTERNAL, Broker, apache, jars, running, tansu


@pytest.fixture(scope="session", params=["tansu", "apache"])
def bootstrap_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Every broker there is; the one that the environment names stands in for Apache Kafka."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "tansu":
        with running(tansu(folder)) as broker:
            yield broker.bootstrap_servers
    elif EXTERNAL in os.environ:
        yield os.environ[EXTERNAL]
    else:
        yield request.getfixturevalue("apache_broker").bootstrap_servers


@pytest.fixture(scope="session")
def apache_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka, which may be stopped and started again; a test leaves it running."""
    if jars() is None:
        pytest.skip("Apache Kafka is not there: make kafka")
    with running(apache(tmp_path_factory.mktemp("apache"))) as broker:
        yield broker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what needs Apache Kafka to `make check`: it takes Maven and Java, and starts slowly."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "apache_broker" in names or params.get("bootstrap_servers") == "apache":
            item.add_marker("long")
