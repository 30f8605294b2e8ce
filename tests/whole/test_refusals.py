"""What `tributary run` refuses to go on with, in one sentence and with nothing changed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.chaos.job import PATIENCE, Job, wait_until
from tests.support import raw
from tests.support.running import append, command, fails, has, runs_until


def test_a_second_run_of_a_state_is_refused(job: Job) -> None:
    job.start()
    assert wait_until(job.database.exists)
    other = Job(job.folder)
    assert job.process is not None
    code, said = fails(other)
    assert (code, said) == (
        2,
        f"tributary: DIR/state is in use by process {job.process.pid}; stop that one first",
    )


def test_settings_that_a_state_was_made_with_hold(ran: Job) -> None:
    code, said = fails(ran, "--set", "policy.post_view=6s", "--set", "flow.key_groups=5")
    assert code == 2
    assert "policy.post_view 5s -> 6s" in said
    assert "key_groups 4 -> 5" in said


@pytest.mark.long
def test_a_state_misses_its_result(ran: Job) -> None:
    ran.database.unlink()
    code, said = fails(ran)
    assert code == 2
    assert "it was deleted, or is an older copy" in said


def test_the_result_of_another_state_is_left_alone(ran: Job) -> None:
    shutil.rmtree(ran.state)
    code, said = fails(ran)
    assert code == 2
    assert "DIR/result.duckdb belongs to the state" in said


def test_a_result_of_newer_tables_is_left_alone(ran: Job) -> None:
    with duckdb.connect(str(ran.database)) as connection:
        connection.execute("update database_info set schema_version = schema_version + 1")
    code, said = fails(ran)
    assert code == 2
    assert "made by a newer version" in said


def test_a_store_that_is_gone_is_missed(ran: Job) -> None:
    shutil.rmtree(ran.state / "recovery")
    code, said = fails(ran)
    assert code == 2
    assert "DIR/state/recovery is missing" in said


def damage(job: Job) -> str:
    """Spoil the largest segment of a state, and give its name."""
    largest = max((job.state / "segments").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(content)
    return largest.name


def test_a_damaged_segment_is_named(ran: Job) -> None:
    name = damage(ran)
    code, said = fails(ran)
    assert (code, name in said) == (4, True), said


@pytest.mark.long
def test_of_several_processes_one_says_why_and_another_only_that_it_ends(ran: Job) -> None:
    name, before = damage(ran), len(ran.said)
    ran.start("--processes", "2")
    assert ran.wait(PATIENCE) == 4
    said = [line for line in ran.said[before:].splitlines() if line.startswith("tributary: ")]
    peers = "tributary: another process of the run has ended, and so does this one"
    assert [line for line in said if line != peers and name not in line] == []
    assert any(name in line for line in said)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    job = Job(tmp_path)
    code, said = fails(job)
    assert code == 2
    expected = "expected one with events*.ndjson and impressions*.ndjson"
    assert said == f"tributary: DIR/data is not a folder; {expected}"
    assert not job.state.exists()


def test_a_state_of_a_newer_format_is_left_alone(ran: Job) -> None:
    path = ran.state / "state.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(tree | {"format": tree["format"] + 1}), encoding="utf-8")
    code, said = fails(ran)
    assert code == 2
    assert said.endswith("; start the other")


@pytest.mark.long
def test_another_number_of_lanes_is_noticed(ran: Job) -> None:
    path = ran.state / "state.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(tree | {"lanes": tree["lanes"] + 1}), encoding="utf-8")
    code, said = fails(ran)
    assert code == 2
    assert "DIR/state was made with 2, but its recovery store holds 1 lanes" in said


def test_another_folder_is_not_read_in_addition(ran: Job) -> None:
    """It has the same event sources, and a file that the state has not seen."""
    elsewhere = ran.folder / "elsewhere"
    elsewhere.mkdir()
    raw.write_log(elsewhere, events=[raw.envelope(raw.event("else"))], impressions=[])
    (elsewhere / "events.ndjson").rename(elsewhere / "events-2.ndjson")
    (elsewhere / "impressions.ndjson").unlink()
    code, said = fails(ran, "--data", str(elsewhere))
    assert code == 2
    assert re.fullmatch(
        r"tributary: DIR/state has read the folder .*/data, and not the folder DIR/elsewhere, "
        r"which has none of the files that were read; name what it has read \(a folder may have "
        r"moved, with its files\), or begin anew with an empty --state and a new --db",
        said,
    )


@pytest.mark.long
def test_a_folder_whose_files_begin_otherwise_is_another_one(ran: Job) -> None:
    elsewhere = Path(shutil.copytree(ran.data, ran.folder / "elsewhere"))
    for path in elsewhere.glob("*.ndjson"):
        path.write_bytes(b"{}" + path.read_bytes())
    code, said = fails(ran, "--data", str(elsewhere))
    assert code == 2
    assert "not the folder DIR/elsewhere, which has another events.ndjson; name what" in said


@pytest.mark.long
def test_a_folder_without_what_was_left_to_read_is_another_one(ran: Job) -> None:
    """A line that is not complete yet, for one."""
    append(ran, "another")
    with (ran.data / "events.ndjson").open("a", encoding="utf-8") as file:
        file.write("{")
    ran.start()
    ran.wait_until_it_writes(2)  # by then it has looked at what comes after that event
    assert ran.drain() == 0, ran.said
    elsewhere = Path(shutil.copytree(ran.data, ran.folder / "elsewhere"))
    (elsewhere / "events.ndjson").unlink()
    code, said = fails(ran, "--data", str(elsewhere))
    assert code == 2
    assert "which is without events.ndjson, of which something was left to read; name" in said


@pytest.mark.long
def test_a_folder_may_move_with_its_files(ran: Job) -> None:
    moved = Path(shutil.move(ran.data, ran.folder / "moved"))
    ran.start("--data", str(moved))
    ran.wait_until_it_writes()
    assert ran.drain() == 0, ran.said
    with duckdb.connect(str(ran.database)) as connection:
        (received,) = connection.execute("select sum(received) from match_stats").fetchall()
    assert received == (603,)


@pytest.mark.long
@pytest.mark.parametrize("folder", ["state", "state/recovery"])
def test_a_state_that_cannot_be_written_is_left_alone(ran: Job, folder: str) -> None:
    where = ran.folder / folder
    where.chmod(0o555)
    code, said = ended_at_once(sys.executable, "-m", "tests.support.held_by_modes", *command(ran))
    where.chmod(0o755)
    assert code == 2
    assert f"{where} cannot be " in said
    assert runs_until(ran, has(601)), "nothing is lost"


@pytest.mark.long
@pytest.mark.parametrize("is_new", [True, False])
def test_a_result_that_cannot_be_written_is_left_alone(ran: Job, *, is_new: bool) -> None:
    """Where there is no state either, none is made for it."""
    where = ran.folder / "results"
    where.mkdir()
    words = command(ran)
    words[words.index(str(ran.database))] = str(where / "result.duckdb")
    if is_new:
        shutil.rmtree(ran.state)
    else:
        ran.database.rename(where / "result.duckdb")
    where.chmod(0o555)
    code, said = ended_at_once(sys.executable, "-m", "tests.support.held_by_modes", *words)
    where.chmod(0o755)
    assert code == 2
    assert said == (
        f"tributary: {where} cannot be written; let the user of this process write there"
    )
    assert ran.state.exists() is not is_new


def test_a_folder_for_the_result_that_is_not_there(job: Job) -> None:
    code, said = fails(job, "--db", str(job.folder / "none" / "result.duckdb"))
    assert code == 2
    assert said.startswith("tributary: DIR/none, where result.duckdb is to be, is no folder; make")
    assert not job.state.exists()


@pytest.mark.long
def test_a_disk_that_is_still_full_loses_nothing(ran: Job) -> None:
    """No file may grow at all."""
    append(ran, "later")
    code, said = ended_at_once("/bin/bash", "-c", f"ulimit -f 0; exec {' '.join(command(ran))}")
    assert code == 2
    assert "sqlite3 cannot be used: disk I/O error; make room, or mend the disk or its perm" in said
    assert said.endswith("and start again: nothing is lost")
    assert runs_until(ran, has(602))


def ended_at_once(*words: str) -> tuple[int, str]:
    """Run a program that cannot go on; give its exit code and what it says about that."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("tributary: ")]
    return done.returncode, said


@pytest.mark.long
def test_of_several_processes_one_says_that_the_disk_is_full(job: Job) -> None:
    assert runs_until(job, has(1)), "there is a result, which takes more than the limit"
    append(job, *(f"e{at}" for at in range(2_000)))
    limited = f"ulimit -f 500; exec {' '.join(command(job))} --processes 2"
    done = subprocess.run(
        ["/bin/bash", "-c", limited], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4, done.stderr
    assert "cannot be written" in done.stderr


@pytest.mark.long
def test_the_code_does_not_depend_on_a_log_that_takes_nothing(ran: Job) -> None:
    limited = f"exec {' '.join(command(ran))} 2>/dev/full"
    damage(ran)
    assert subprocess.run(["/bin/bash", "-c", limited], check=False, timeout=60).returncode == 4
    (ran.state / "registry.json").unlink()
    assert subprocess.run(["/bin/bash", "-c", limited], check=False, timeout=60).returncode == 2


@pytest.mark.long
@pytest.mark.parametrize(("kilobytes", "code"), [(500, 2), (2_000, 4)])
def test_a_full_disk_ends_the_run_and_loses_nothing(job: Job, kilobytes: int, code: int) -> None:
    """No file may grow beyond a size, as on a full disk; later there is room again.

    With too little even for an empty result the run does not start, and leaves no state.
    """
    append(job, *(f"e{at}" for at in range(2_000)))
    limited = f"ulimit -f {kilobytes}; exec " + " ".join(command(job))
    done = subprocess.run(
        ["/bin/bash", "-c", limited], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("tributary: ")]
    assert (done.returncode, len(said)) == (code, 1), done.stderr
    assert "cannot be written" in said[0]
    assert "Traceback" not in done.stderr
    assert job.state.exists() is (code == 4)
    assert runs_until(job, has(2_001))
