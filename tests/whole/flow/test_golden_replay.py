"""The flow gives what was worked out by hand, and on the demo what the oracle gives."""

import pytest

from attribution.policy import Policy
from tests.fixtures.build_demo import DEMO
from tests.oracle import compare, replay_oracle
from tests.support.actual import Flow, Shape
from tests.support.golden import CASES, GOLDEN, expected, with_event, written


@pytest.mark.parametrize("case", CASES)
def test_the_flow_on_golden_cases(flow: Flow, case: str) -> None:
    tables = flow.tables(GOLDEN / case)
    earned = with_event(tables["credits"], tables["conversions"])
    for table, rows in (("conversions", tables["conversions"]), ("credits", earned)):
        columns, cells = expected(case, table)
        assert written(columns, rows) == cells


def test_the_flow_on_the_demo(flow: Flow) -> None:
    tables = flow.tables(DEMO, shape=Shape(key_groups=3, chunk_bytes=200_000))
    assert compare(replay_oracle(DEMO, Policy()), tables) == []
