"""The short form of `make chaos`: every shape, each killed at a moment and at a failpoint."""

from pathlib import Path

import pytest

from tests.chaos.campaign import SHAPES, Campaign, Plan

pytestmark = pytest.mark.long


def test_kills_leave_no_trace(tmp_path: Path) -> None:
    told: list[str] = []
    plan = Plan(seed=3, kills=6, shapes=SHAPES["mixed"])
    outcome = Campaign(tmp_path, plan, told.append).run()
    assert outcome.differences == [], "\n".join(told)
    assert outcome.commits > plan.kills
    assert outcome.late_records > 0
