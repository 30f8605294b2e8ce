"""`make` on machines without a usable Python, made by a PATH that has only what is linked there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "rm", "touch", "env")
FILES = ("requirements-uv.lock", "requirements-image.lock")

WITHOUT_VENV = """#!/bin/sh
PYTHONPATH={hidden} exec {python} "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the script and the locks; `bin` is all that is on its PATH."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    # What the job needs to run is enough to see that locked packages are installed.
    shutil.copy(ROOT / "requirements-image.lock", tmp_path / "requirements.lock")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/environment", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def build(checkout: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_", "HOME"))
    }
    return subprocess.run(
        [checkout / "scripts/environment", "locked"],
        env=kept | {"PATH": str(checkout / "bin")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_any_python_one_sentence_says_what_to_install(checkout: Path) -> None:
    done = build(checkout)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No usable Python: tributary needs 3.11 or 3.12 ")
    assert not (checkout / ".venv").exists()


def without_venv(checkout: Path) -> None:
    """Put a Python on PATH that lacks the venv module's helper, as Debian's does."""
    hidden = checkout / "hidden"
    hidden.mkdir()
    (hidden / "ensurepip.py").write_text("raise ImportError\n", encoding="utf-8")
    python = checkout / "bin/python3"
    base = Path(sys.base_prefix) / "bin/python3"
    python.write_text(WITHOUT_VENV.format(hidden=hidden, python=base), encoding="utf-8")
    python.chmod(0o755)


def test_where_uv_cannot_be_fetched_the_same_sentence(checkout: Path) -> None:
    without_venv(checkout)
    done = build(checkout, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert done.returncode == 1
    assert "No usable Python: tributary needs 3.11 or 3.12 " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_python_that_can_make_no_environment_fetches_uv(checkout: Path) -> None:
    without_venv(checkout)
    done = build(checkout)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "no Python 3.11 or 3.12 here: fetching uv into .uv, to get one\n"
    ran = subprocess.run([checkout / ".venv/bin/python", "-c", "import duckdb"], check=False)
    assert ran.returncode == 0
