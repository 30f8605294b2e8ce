"""How a process ends that cannot go on: the exit code, and what it says."""

import subprocess
import sys

import pytest

from flows.stopping import BROKEN, FAILED


@pytest.mark.parametrize(
    ("error", "code", "is_sentence"),
    [
        ("connectors.cluster.ClusterError", BROKEN, True),
        ("connectors.cluster.OutageError", FAILED, True),
        ("OSError", BROKEN, True),
        ("ValueError", FAILED, False),
    ],
)
def test_what_an_operator_has_to_mend_is_told_from_what_a_new_start_may(
    error: str, code: int, *, is_sentence: bool
) -> None:
    program = f"""
import connectors.cluster
from flows.crashing import guarded

def fails():
    raise {error}("why")

guarded(fails)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == code
    assert (done.stderr == b"tributary: why\n") is is_sentence
    assert b"why" in done.stderr
