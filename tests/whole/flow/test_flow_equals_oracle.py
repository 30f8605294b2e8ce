"""The flow gives, row for row, what the naive oracle gives: on logs that Hypothesis makes up."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribution.policy import Policy
from tests.oracle import compare, replay_oracle
from tests.support.actual import Flow, Shape
from tests.support.raw import DAY, HOUR, source, write_log
from tests.whole.flow.logs import Log, logs, policies

SOURCES = [source(), source("other"), source(advertiser_id="second")]

shapes = st.builds(
    Shape,
    workers=st.sampled_from([1, 1, 1, 2, 3]),
    key_groups=st.integers(1, 16),
    chunk_bytes=st.sampled_from([1, 300, 3_000, 1_000_000]),
    watermark_interval=st.sampled_from([0, 1, HOUR, DAY]),
    threads=st.sampled_from([0, 0, 1, 3]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(log=logs(), policy=policies, shape=shapes)
def test_any_log_any_policy_any_shape(
    flow: Flow, folder: Path, *, log: Log, policy: Policy, shape: Shape
) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    events, impressions = log
    write_log(folder, events=events, impressions=impressions, sources=SOURCES)
    tables = flow.tables(folder, policy, shape=shape)
    assert compare(replay_oracle(folder, policy), tables) == []
    in_flight = "select count(*) from conservation where in_flight <> 0"
    assert flow.connection.execute(in_flight).fetchone() == (0,)
