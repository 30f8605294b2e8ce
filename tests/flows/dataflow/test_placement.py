"""Key groups on the workers of a real engine: as evenly as their numbers allow."""

import threading
from collections import Counter
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from bytewax.testing import TestingSink, TestingSource

from flows.dataflow.placement import key_of


def placed(keys: list[str], workers: int) -> Counter[int]:
    """Count the keys that each worker is given."""
    taken: list[Any] = []
    flow = Dataflow("placing")
    asked = op.input("keys", flow, TestingSource([(key, None) for key in keys]))
    answered = op.stateful_map("where", asked, lambda state, _: (state, threading.get_ident()))
    op.output("take", answered, TestingSink(taken))
    cli_main(flow, workers_per_process=workers)  # type: ignore[no-untyped-call]
    return Counter(worker for _, worker in taken)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("groups", [1, 2, 4, 12, 16])
def test_every_worker_has_as_many_groups_or_one_more(workers: int, groups: int) -> None:
    counts = placed([key_of(group) for group in range(groups)], workers).values()
    assert len(counts) == min(workers, groups)
    assert max(counts) - min(counts) <= 1


def test_a_key_says_the_number_of_its_group() -> None:
    assert [int(key_of(group)) for group in range(100)] == list(range(100))
