"""The naive oracle gives what was worked out by hand."""

import pytest

from attribution.policy import Policy
from tests.oracle import replay_oracle
from tests.support.golden import CASES, GOLDEN, expected, with_event, written


@pytest.mark.parametrize("case", CASES)
def test_the_oracle_on_golden_cases(case: str) -> None:
    tables = replay_oracle(GOLDEN / case, Policy())
    earned = with_event(tables["credits"], tables["conversions"])
    for table, rows in (("conversions", tables["conversions"]), ("credits", earned)):
        columns, cells = expected(case, table)
        assert written(columns, rows) == cells
