"""Standard output with a closed reader, and standard output that cannot be written."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.support import raw

FULL = "tributary: standard output cannot be written: No space left on device; what it says is lost"
TRIBUTARY = (sys.executable, "-m", "flows")
COMMANDS = [
    ("--help",),
    ("config",),
    ("schema",),
    ("replay", "log", "--db", "again", "--overwrite"),
    ("sql", "--db", "result", "select * from range(300000)", "--format", "csv"),
    ("explain", "sold", "--db", "result"),
    ("verify", "--db", "result"),
    ("generate", "log", "generated", "--events", "20", "--impressions", "20"),
    ("state", "init", "--state", "new"),
    ("state", "show", "--state", "state"),
    ("state", "check", "--state", "state"),
    ("state", "scrub", "--state", "state"),
]


def flows(*words: str, folder: Path, to: str = "") -> tuple[int, str]:
    """Run a command in a folder; give its exit code, and what it says on stderr."""
    line = '"$@"' + (to or ">/dev/null")
    done = subprocess.run(
        ["/bin/bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}", "-", *TRIBUTARY, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log, a result of it, and a state."""
    folder = tmp_path_factory.mktemp("output")
    (folder / "log").mkdir()
    raw.write_log(folder / "log", events=[raw.envelope(raw.event("sold"))], impressions=[])
    for words in (
        ("replay", "log", "--db", "result"),
        ("state", "init", "--state", "state"),
    ):
        assert flows(*words, folder=folder) == (0, "")
    return folder


@pytest.fixture(autouse=True)
def _made_anew(folder: Path) -> None:
    for name in ("generated", "new"):
        shutil.rmtree(folder / name, ignore_errors=True)


@pytest.mark.long
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...], folder: Path) -> None:
    assert flows(*words, folder=folder, to="| true") == (0, "")


@pytest.mark.parametrize("words", COMMANDS[:5], ids=" ".join)
def test_output_that_cannot_be_written_is_told(words: tuple[str, ...], folder: Path) -> None:
    assert flows(*words, folder=folder, to=">/dev/full") == (2, f"{FULL}\n")


@pytest.mark.long
@pytest.mark.parametrize("words", COMMANDS[1:4:2], ids=" ".join)
def test_output_that_is_closed(words: tuple[str, ...], folder: Path) -> None:
    assert flows(*words, folder=folder, to=">&-") == (0, "")


def test_a_difference_is_one_with_a_closed_reader(folder: Path) -> None:
    copy = folder / "spoiled"
    copy.write_bytes((folder / "result").read_bytes())
    with duckdb.connect(copy) as connection:
        connection.execute("delete from conversions_final")
    assert flows("verify", "--db", "spoiled", folder=folder, to="| true") == (1, "")
