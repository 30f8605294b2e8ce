"""How a process ends that cannot go on: the exit code, and what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.state.recovery import RecoveryStore
from flows.process.stopping import BROKEN, FAILED


@pytest.mark.parametrize(
    ("error", "code", "is_sentence"),
    [
        ("connectors.kafka.cluster.ClusterError", BROKEN, True),
        ("connectors.kafka.cluster.OutageError", FAILED, True),
        ("OSError", BROKEN, True),
        ("NoMemoryError", FAILED, True),
        ("ValueError", FAILED, False),
    ],
)
def test_what_an_operator_has_to_mend_is_told_from_what_a_new_start_may(
    error: str, code: int, *, is_sentence: bool
) -> None:
    program = f"""
import connectors.kafka.cluster
from flows.process.exits import guarded

class NoMemoryError(OSError):
    def __str__(self):
        return "Out of Memory Error: why"

def fails():
    raise {error}("why")

guarded(fails)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == code
    told = done.stderr.replace(b"Out of Memory Error: ", b"")
    assert (told == b"tributary: why\n") is is_sentence
    assert b"why" in done.stderr


def test_an_error_of_a_keyed_step_is_not_left_to_the_engine() -> None:
    program = """
import operator
from flows.run.guards import ending

class Failing:
    on_batch = snapshot = lambda self, *_: operator.truediv(1, 0)

try:
    ending(lambda kept: Failing())(None).on_batch([])
except ZeroDivisionError:
    print("the engine meets it")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == FAILED
    assert b"ZeroDivisionError" in done.stderr
    assert done.stdout == b""


@pytest.mark.long
@pytest.mark.parametrize(("room", "code"), [(1 << 30, FAILED), (100_000, BROKEN)])
def test_a_process_without_peers_looks_whether_the_disk_is_full(
    tmp_path: Path, room: int, code: int
) -> None:
    program = """
import resource, sys
from pathlib import Path
from flows.process.exits import quiet_engine

room = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
with quiet_engine(Path(sys.argv[1])):
    raise RuntimeError("Send thread panic: Any { .. }")
"""
    words = [sys.executable, "-c", program, str(tmp_path), str(room)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert (b"cannot be written" in done.stderr) is (code == BROKEN)


COUNTING = """
import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main
from bytewax.testing import TestingSink, TestingSource

from flows.process.exits import quiet_engine

store = Path(sys.argv[1])
flow = Dataflow("tributary")
read = op.input("read", flow, TestingSource(range(int(sys.argv[2]))))
keyed = op.key_on("keyed", read, lambda number: str(number % 50))
kept = op.stateful_map("kept", keyed, lambda kept, number: ((kept or b"") + bytes(300), number))
op.output("write", kept, TestingSink([]))
with quiet_engine(store):
    cli_main(
        flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(store, timedelta(0))
    )
"""
"""A flow whose state grows."""


@pytest.mark.parametrize(
    ("limit", "is_damaged", "told"),
    [
        ("100", False, "cannot be written; make room or mend the disk, and start again"),
        ("unlimited", True, "is damaged; restore the state directory and the database from one"),
    ],
)
def test_a_store_that_cannot_be_written_is_told_from_one_that_cannot_be_read(
    tmp_path: Path, limit: str, told: str, *, is_damaged: bool
) -> None:
    store = RecoveryStore.create(tmp_path / "recovery")
    if is_damaged:
        (file,) = store.files()
        file.write_bytes(b"no database" * 1_000)
    script = f"ulimit -f {limit}; exec {sys.executable} -c '{COUNTING}' {store.folder} 1000"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == BROKEN, done.stderr
    assert done.stderr.startswith(f"tributary: {store.folder} {told}")
