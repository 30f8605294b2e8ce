"""`tributary state`: what its commands print and exit with, and that every step is known to it."""

import pickle
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bytewax.dataflow import Operator
from bytewax.testing import TestingSink, TestingSource
from typer.testing import CliRunner, Result

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.database.file import DatabaseError
from connectors.database.ownership import open_live
from connectors.lanes.snapshot import LaneState, PartitionState
from connectors.positions import FilePosition
from connectors.preflight import resume
from connectors.preflight.input_log import keep_log
from connectors.registry.kept import update_registry
from connectors.state.directory import StateDir
from connectors.state.errors import StateError
from connectors.state.manifests import StepState
from connectors.state.sealing import sealed
from flows.cli.app import app
from flows.dataflow.flow import Io, build_flow
from flows.run.job import RunOptions
from flows.run.state import STEPS, open_state
from flows.settings.load import load_settings

KEEPING = {"input", "output", "stateful_batch"}
"""The engine's operators that keep something."""

POSITION = FilePosition(8_000, 125, 99, 1024, 7, 8_000, is_whole=True)
LANE = LaneState({"events-1.ndjson": PartitionState("events", POSITION, 60_000_000, 61_500_000)})


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """Make a state that has run: one key group, one lane, 3 commits."""
    made = StateDir(tmp_path / "state")
    assert run("state", "init", "--state", made.path).exit_code == 0
    rows = pa.RecordBatch.from_pydict({"key": pa.array(range(10_000))})
    few = pa.RecordBatch.from_pydict({"key": [1, 2]})
    saved = made.segments.snapshots().save({"held": [rows], "waiting": [few]})
    later = made.segments.snapshots().save({"held": [few]})
    snapshots = {
        ("read", "0"): LANE,
        ("dedup", "0"): StepState("dedup", 0, {}, saved),
        ("count", "0"): StepState("count", 0, {}, later),
        ("write", "database"): 3,
    }
    update_registry(made, Registry(versions={}), 1)
    keep_log(made, {"folder": "/srv/log"})
    (file,) = made.recovery.folder.iterdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("insert into exs values ('', 0, 1, 1)")
        connection.execute("insert into fronts values ('', 0, 0, 5)")
        for (step, key), snapshot in snapshots.items():
            row = ["", f"tributary.{step}", key, 4, pickle.dumps(sealed(snapshot))]
            connection.execute("insert into snaps values (?, ?, ?, ?, ?)", row)
        connection.execute("insert into snaps values ('', 'tributary.write', 'database', 5, x'')")
    return made


def test_init_makes_a_state_with_settings(tmp_path: Path) -> None:
    made = run("state", "init", "--state", tmp_path / "a", "--set", "flow.key_groups=8")
    assert made.stdout == f"made {tmp_path / 'a'}: key groups 8, lanes 1\n"
    sized = run("state", "init", "--state", tmp_path / "b", "--workers", "3")
    assert sized.stdout == f"made {tmp_path / 'b'}: key groups 3, lanes 3\n"
    again = run("state", "init", "--state", tmp_path / "a")
    assert again.exit_code == 2
    assert "holds a state already" in again.stderr
    assert run("state", "init", "--state", tmp_path, "--set", "nonsense").exit_code == 2


def test_show_tells_where_a_state_stands(state: StateDir) -> None:
    shown = run("state", "show", "--state", state.path).stdout
    count, dedup = (
        sum(part.length for part in group.manifest.parts)
        for step in ("count", "dedup")
        for group in resume.Resumable.read(state.recovery).groups[step]
    )
    shown = re.sub(r"^state [0-9a-f]{32} of tributary .*", "state ID", shown)
    assert (
        re.sub(r"(made|policy) +.*", r"\1 X", shown)
        == f"""\
state ID
  made X
  policy X
  key groups   1
  lanes        1
  next epoch   5
  last commit  3

step     groups   rows     bytes in manifests   bytes in files
──────────────────────────────────────────────────────────────
dedup    1        10,002   0                    {dedup:,}
count    1        2        {count}                  0
match    0        0        0                    0
credit   0        0        0                    0

stream   partition         next offset   watermark
────────────────────────────────────────────────────────────────────
events   events-1.ndjson   125           1970-01-01 00:01:01.500000Z
"""
    )


def test_check_reads_everything_and_changes_nothing(state: StateDir, tmp_path: Path) -> None:
    checked = run("state", "check", "--state", state.path)
    assert (checked.stdout, checked.exit_code) == ("the state is complete and sound\n", 0)

    behind = run("state", "check", "--state", state.path, "--db", tmp_path / "none.duckdb")
    assert behind.exit_code == 1
    assert behind.stdout.startswith("the database ends at commit 0, but")

    resumed = resume.Resumable.read(state.recovery)
    (name,) = {name for manifest in resumed.manifests() for name in manifest.files}
    file = state.segments.folder / name
    file.write_bytes(file.read_bytes()[::-1])
    damaged = run("state", "check", "--state", state.path)
    assert damaged.exit_code == 1
    assert damaged.stdout.count("is damaged: the checksum") == 2


def test_scrub_takes_out_what_was_not_committed(state: StateDir) -> None:
    first, second = (run("state", "scrub", "--state", state.path) for _ in range(2))
    assert first.stdout == "removed 1 row of uncommitted epochs, 0 of discarded keys\n"
    assert second.stdout == "removed 0 rows of uncommitted epochs, 0 of discarded keys\n"


def test_scrub_touches_nothing_that_it_does_not_understand(state: StateDir) -> None:
    (file,) = state.recovery.folder.iterdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("delete from exs")
    before = state.recovery.steps()
    done = run("state", "scrub", "--state", state.path)
    assert done.exit_code == 2
    assert "holds snapshots, but not how far they were committed; restore" in done.stderr
    assert state.recovery.steps() == before


@pytest.mark.parametrize("command", ["check", "scrub", "show"])
def test_a_store_that_is_missing_is_missed(state: StateDir, command: str) -> None:
    shutil.rmtree(state.recovery.folder)
    done = run("state", command, "--state", state.path)
    assert done.exit_code == (1 if command == "check" else 2)
    assert "recovery is missing; restore" in done.output


@pytest.mark.parametrize("command", ["check", "scrub", "show"])
def test_a_state_that_is_in_use_or_absent_is_left_alone(
    state: StateDir, tmp_path: Path, command: str
) -> None:
    with state.lock():
        busy = run("state", command, "--state", state.path)
    absent = run("state", command, "--state", tmp_path / "absent")
    assert (busy.exit_code, absent.exit_code) == (2, 2)
    assert "is in use by process" in busy.stderr
    assert "holds no state; make one with: tributary state init" in absent.stderr
    assert not (tmp_path / "absent").exists()


def test_a_run_opens_its_state_in_one_line(tmp_path: Path) -> None:
    database, path = tmp_path / "result.duckdb", tmp_path / "state"

    def start(*overrides: str, name: Path = path) -> tuple[bool, int, int]:
        loaded = load_settings(config=None, overrides=list(overrides))
        job = RunOptions(None, name, database, loaded)
        with open_state(job, {"folder": "/srv/log"}, now=1) as opened:
            return opened.is_new, opened.facts.key_groups, opened.ready.resume_epoch

    assert start("flow.key_groups=8") == (True, 8, 1)
    assert start() == (False, 8, 1), "what was not asked for is the state's own"
    with pytest.raises(StateError, match=r"flow\.key_groups 8 -> 16"):
        start("flow.key_groups=16")
    with pytest.raises(StateError, match=r"policy\.half_life 7d -> 1d"):
        start("policy.half_life=1d")

    open_live(database, StateDir(path).read().state_id).close()
    assert start() == (False, 8, 1)
    with pytest.raises(DatabaseError):
        start(name=tmp_path / "another")


def test_every_step_that_keeps_something_is_known() -> None:
    taken = TestingSink[Any]([])
    source: TestingSource[Any] = TestingSource([])
    io = Io(source, taken, lanes=1, key_groups=1, dead_letters=taken, publish=taken)
    flow = build_flow(io, Policy())

    def keeping(operators: Sequence[Operator]) -> Iterator[str]:
        for operator in operators:
            if type(operator).__name__ in KEEPING:
                yield operator.step_id
            yield from keeping(operator.substeps)

    assert sorted(keeping(flow.substeps)) == sorted(f"tributary.{step}" for step in STEPS)
    there_or_not = {"publish", "set_aside"}
    assert set(STEPS) == {"read", resume.WRITER, *resume.KEYED_STEPS, *there_or_not}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc is where even root cannot write")
def test_a_place_that_cannot_be_written_is_refused_in_a_sentence() -> None:
    made = run("state", "init", "--state", Path("/proc/tributary"))
    assert made.exit_code == 2
    assert "/proc/tributary cannot be used as state directory: " in made.stderr
