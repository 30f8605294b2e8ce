"""Every command, and what the system may refuse it: one sentence that names a place, and 2.

Disks are full by a limit on the size of files, which holds for every user. What only a user without
rights meets is tried under `tests.support.held_by_modes`.
"""

import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.running import new_job

ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "PYTHONDONTWRITEBYTECODE": "1",  # cut short by the limit, it would spoil what comes after
    "PATH": "/usr/bin:/bin",
}
GENERATE = ("generate", "log", "made", "--events", "3000", "--impressions", "3000")
LIVE = ("generate", "live", "made", "--rate", "2000", "--seconds", "20")
REPLAY = ("replay", "log", "--db", "made")
RUN = ("run", "--data", "log", "--state", "made", "--db", "r")
INIT = ("state", "init", "--state", "made")

FULL = [
    (GENERATE, 100_000),
    (LIVE, 100_000),
    *((REPLAY, size) for size in (0, 20_000, 300_000, 600_000)),
    *((INIT, size) for size in (0, 20_000)),
    *((RUN, size) for size in (0, 20_000)),
]

WRONG = [
    ("replay", "none", "--db", "r"),
    ("replay", "file", "--db", "r"),
    ("replay", "log", "--db", "none/r"),
    ("replay", "log", "--db", "file/r"),
    ("replay", "log", "--db", "folder"),
    ("replay", "log", "--db", "r", "--config", "folder"),
    ("replay", "log", "--db", "r", "--config", "file/c"),
    ("generate", "log", "file"),
    ("generate", "log", "file/made"),
    ("generate", "live", "file", "--rate", "1", "--seconds", "1"),
    ("config", "--config", "folder"),
    ("schema", "--config", "folder"),
    ("topics", "check", "--config", "folder"),
    ("dead-letters", "list", "--config", "none"),
    ("sql", "select 1", "--db", "folder"),
    ("sql", "select 1", "--db", "file"),
    ("sql", "select 1", "--db", "file/r"),
    ("explain", "e", "--db", "file"),
    ("explain", "e", "--db", "folder"),
    ("verify", "--db", "file"),
    ("verify", "--db", "folder"),
    ("state", "init", "--state", "file"),
    ("state", "init", "--state", "file/s"),
    ("state", "init", "--state", "s", "--config", "folder"),
    ("state", "check", "--state", "file"),
    ("state", "show", "--state", "none"),
    ("state", "scrub", "--state", "folder"),
    ("run", "--data", "none", "--state", "s", "--db", "r"),
    ("run", "--data", "file", "--state", "s", "--db", "r"),
    ("run", "--data", "log", "--state", "file", "--db", "r"),
    ("run", "--data", "log", "--state", "s", "--db", "folder"),
    ("run", "--data", "log", "--state", "s", "--db", "none/r"),
    ("run", "--data", "log", "--state", "s", "--db", "file/r"),
    ("run", "--data", "unregistered", "--state", "s", "--db", "r"),
    ("run", "--data", "badly-registered", "--state", "s", "--db", "r"),
    ("run", "--data", "log", "--state", "s", "--db", "file"),
]

CLOSED = [
    REPLAY,
    GENERATE,
    INIT,
    RUN,
    ("generate", "live", "made", "--rate", "1", "--seconds", "1"),
]
"""Tried in a folder where nothing may be made."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    new_job(tmp_path).data.rename(tmp_path / "log")
    many = [raw.envelope(raw.event(f"e{at}")) for at in range(2_000)]
    raw.write_log(tmp_path / "log", events=many, impressions=[raw.impression("i1")])
    for name in ("unregistered", "badly-registered"):
        (tmp_path / name).mkdir()
        raw.write_log(tmp_path / name, events=many[:1], impressions=[])
    (tmp_path / "unregistered" / "event_sources.json").unlink()
    (tmp_path / "badly-registered" / "event_sources.json").write_text('[{"no": "source"}]')
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    return tmp_path


def refused(
    place: Path,
    words: Sequence[str],
    *,
    size: int | None = None,
    by: Sequence[str] = (),
) -> str:
    """Run a command that is refused; check that it leaves nothing, and give what it says."""
    before = sorted(place.rglob("*"))
    limits = {resource.RLIMIT_FSIZE: (size, resource.RLIM_INFINITY)} if size is not None else {}
    program = [*by, sys.executable, "-m", "flows"]
    done = subprocess.run(
        [*program, *words],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=partial(_limit, limits),
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "panicked" not in done.stderr, done.stderr
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, done.stderr
    left = {path.name for path in place.rglob("*")} - {path.name for path in before}
    assert words == LIVE or not left, left
    return said[0]


def _limit(limits: dict[int, tuple[int, int]]) -> None:
    for which, limit in limits.items():
        resource.setrlimit(which, limit)


@pytest.mark.long
@pytest.mark.parametrize(("words", "size"), FULL, ids=str)
def test_a_full_disk(words: tuple[str, ...], size: int, place: Path) -> None:
    said = refused(place, words, size=size)
    assert said.startswith("tributary: ")
    assert "made" in said or "r.tmp" in said
    assert "cannot be" in said


@pytest.mark.long
@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_is_not_there_or_something_else(words: tuple[str, ...], place: Path) -> None:
    assert refused(place, words).startswith("tributary: ")


@pytest.mark.long
@pytest.mark.parametrize("words", CLOSED, ids=" ".join)
def test_a_folder_in_which_nothing_may_be_made(words: tuple[str, ...], place: Path) -> None:
    place.chmod(0o555)
    try:
        said = refused(place, words, by=(sys.executable, "-m", "tests.support.held_by_modes"))
    finally:
        place.chmod(0o755)
    assert "cannot be" in said
