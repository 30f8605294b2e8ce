"""The recovery store, as the engine writes it: where it resumes, with what, what is in the way."""

import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from connectors.lanes.snapshot import LaneState, PartitionState
from connectors.positions import TopicPosition
from connectors.state.errors import RecoveryError
from connectors.state.recovery import RecoveryStore, Scrubbed
from connectors.state.sealing import Sealed, plain, sealed, unsealed


@dataclass
class Counting(StatefulBatchLogic[int, tuple[int, int], Sealed]):
    """Counts the values of a key, until it is told to forget it."""

    count: int

    def on_batch(self, values: list[int]) -> tuple[list[tuple[int, int]], bool]:
        self.count += len(values)
        return [(values[-1], self.count)], -1 in values

    def snapshot(self) -> Sealed:
        return sealed(self.count)


Run = Callable[..., list[tuple[str, tuple[int, int]]]]


@pytest.fixture
def store(tmp_path: Path) -> RecoveryStore:
    return RecoveryStore.create(tmp_path / "recovery")


@pytest.fixture
def run(store: RecoveryStore) -> Run:
    """Return a function that feeds a flow, one epoch per value; the next call goes on after it."""
    fed: list[Any] = []

    def feed(
        *values: tuple[str, int], workers: int = 1, is_killed: bool = False
    ) -> list[tuple[str, tuple[int, int]]]:
        fed.extend([*values, TestingSource.ABORT() if is_killed else TestingSource.EOF()])
        found: list[Any] = []
        flow = Dataflow("tributary")
        read = op.input("read", flow, TestingSource(list(fed)))
        counted = op.stateful_batch(
            "count", read, lambda kept: Counting(unsealed(kept, int) if kept else 0)
        )
        op.output("write", counted, TestingSink(found))
        config = RecoveryConfig(str(store.folder))  # type: ignore[no-untyped-call]
        if workers == 1:
            run_main(  # type: ignore[no-untyped-call]
                flow, epoch_interval=timedelta(0), recovery_config=config
            )
        else:
            cluster_main(  # type: ignore[no-untyped-call]
                flow,
                [],
                0,
                epoch_interval=timedelta(0),
                recovery_config=config,
                worker_count_per_proc=workers,
            )
        return found

    return feed


def execute(store: RecoveryStore, statement: str, *values: object) -> None:
    (file,) = store.folder.iterdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def test_a_new_store_is_complete_and_empty(store: RecoveryStore) -> None:
    assert store.is_complete()
    assert not store.has_run()
    assert (store.resume_epoch(), store.steps(), store.snapshots("count", int)) == (1, {}, {})
    assert store.scrub() == Scrubbed(0, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_store_tells_what_the_engine_resumes_with(
    store: RecoveryStore, run: Run, workers: int
) -> None:
    run(("a", 1), ("b", 2), ("a", 3), workers=workers)
    assert store.has_run()
    assert store.snapshots("count", int) == {"a": 2, "b": 1}
    assert store.snapshots("match", int) == {}
    assert store.steps() == {"read": 1, "count": 2}
    assert run(("a", 4), workers=workers) == [("a", (4, 3))]
    assert store.snapshots("count", int) == {"a": 3, "b": 1}


def test_the_slowest_worker_decides_the_epoch(store: RecoveryStore, run: Run) -> None:
    run(("a", 1), ("b", 2), workers=2)
    reached = store.resume_epoch()
    execute(store, "update fronts set worker_frontier = ? where worker_index = 1", reached - 2)
    assert store.resume_epoch() == reached - 2
    execute(store, "delete from fronts where worker_index = 1")
    assert store.resume_epoch() == 1, "where that execution began"


def test_what_was_never_committed_is_scrubbed(store: RecoveryStore, run: Run) -> None:
    run(("a", 1), ("b", 2))
    reached = store.resume_epoch()
    stale = "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)"
    execute(store, stale, "tributary.count", "a", reached, pickle.dumps(sealed(100)))
    execute(store, stale, "tributary.count", "b", reached + 5, pickle.dumps(sealed(100)))
    assert store.snapshots("count", int) == {"a": 1, "b": 1}
    assert store.scrub() == Scrubbed(uncommitted=2, discarded=0)
    run(("b", 3), ("b", 4), ("b", 5), is_killed=True)  # passes that epoch without a snapshot of `a`
    assert store.resume_epoch() > reached
    assert run(("a", 4)) == [("a", (4, 2))]


def test_a_discarded_key_stays_discarded(store: RecoveryStore, run: Run) -> None:
    run(("a", 1), ("b", 2), ("a", -1))
    assert store.steps() == {"read": 1, "count": 2}
    execute(
        store, "update snaps set snap_epoch = 2 where step_id like '%count' and state_key = 'a'"
    )
    old = "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)"
    execute(store, old, "tributary.count", "a", 1, pickle.dumps(sealed(1)))
    assert store.snapshots("count", int) == {"b": 1}
    assert store.scrub() == Scrubbed(uncommitted=0, discarded=2)
    assert store.steps() == {"read": 1, "count": 1}
    assert run(("a", 5)) == [("a", (5, 1))]


def test_a_store_without_its_files_is_not_complete(store: RecoveryStore) -> None:
    execute(store, "update parts set part_count = 2")
    assert not store.is_complete()
    for file in store.folder.iterdir():
        file.unlink()
    assert not store.is_complete()


def test_damage_is_told(store: RecoveryStore, run: Run) -> None:
    run(("a", 1))
    told = "a snapshot in the recovery store is damaged: "
    execute(store, "update snaps set ser_change = x'80'")
    with pytest.raises(RecoveryError, match=told):
        store.snapshots("count", int)
    execute(store, "update snaps set ser_change = ?", pickle.dumps(Path("x")))
    with pytest.raises(RecoveryError, match=rf"{told}.*holds a pathlib\..*, expected plain values"):
        store.snapshots("count", int)
    execute(store, "update snaps set ser_change = ?", pickle.dumps(1))
    with pytest.raises(RecoveryError, match=told):
        store.snapshots("count", int)
    (file,) = store.folder.iterdir()
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(RecoveryError, match=r"part-0\.sqlite3 cannot be read as a recovery store"):
        store.resume_epoch()


def test_no_bit_of_a_snapshot_turns_over_unseen() -> None:
    """Every single one: what comes of it may be any exception, or none and another number."""
    place = PartitionState("events", TopicPosition(topic_id="id", offset=125), 60_000, 61_500)
    for snapshot in (LaneState({"events-0": place}), 4):
        kept, kind = pickle.dumps(sealed(snapshot)), type(snapshot)
        assert unsealed(plain(kept), kind) == snapshot
        for bit in range(8 * len(kept)):
            damaged = bytearray(kept)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                assert unsealed(plain(bytes(damaged)), kind) == snapshot
            except RecoveryError as error:
                assert "is damaged: " in str(error)  # noqa: PT017  most are, not all


def test_a_damaged_key_is_seen(store: RecoveryStore, run: Run) -> None:
    """The index has it twice; of all else in a row there is the checksum, or nothing depends."""
    run(("a", 1), ("b", 2))
    store.check()
    (file,) = store.folder.iterdir()
    content = file.read_bytes()
    at = content.index(b"tributary.count")
    file.write_bytes(content[:at] + b"tributary.cound" + content[at + 15 :])
    with pytest.raises(RecoveryError, match=r"part-0\.sqlite3 cannot be read as a recovery store"):
        store.check()
