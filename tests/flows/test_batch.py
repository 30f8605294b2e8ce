"""The same flow under the engine's own command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.analysis.verify import verify
from flows.batch import flow
from flows.settings.load import SettingsError

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "tests/fixtures/demo"


def bytewax_run(database: Path, *, workers: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bytewax.run", "flows.batch:flow()", "-w", str(workers)]
    told = {
        "TRIBUTARY_PATH": str(DEMO),
        "TRIBUTARY_DB": str(database),
        "TRIBUTARY_FLOW__LANES": "3",
        "RUST_BACKTRACE": "0",
    }
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.long), 2, pytest.param(3, marks=pytest.mark.long)]
)
def test_any_number_of_workers(workers: int, tmp_path: Path) -> None:
    done = bytewax_run(tmp_path / "result.duckdb", workers=workers)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert verify(tmp_path / "result.duckdb").is_equal


def test_a_result_that_is_there_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "result.duckdb"
    database.write_text("mine")
    done = bytewax_run(database, workers=1)
    assert done.returncode == 1
    assert f"DatabaseError: {database} exists already" in done.stderr
    assert database.read_text() == "mine"


def test_what_to_replay_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="TRIBUTARY_PATH is not set"):
        flow()
    monkeypatch.setenv("TRIBUTARY_PATH", str(DEMO))
    with pytest.raises(SettingsError, match="TRIBUTARY_DB is not set"):
        flow()
