"""The lock is what a fresh machine installs: it must cover the project, and name no host."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

PIN: Final = re.compile(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)( ; [a-z_]+ [!=<>]+ '[^']+')? \\")
HASH: Final = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def test_the_lock_holds_pins_and_hashes_and_nothing_else() -> None:
    lines = LOCK.splitlines()
    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    unhashed = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.fullmatch(line) and not HASH.fullmatch(after)
    ]
    assert unhashed == []


def test_every_dependency_is_locked_at_the_version_the_project_asks_for() -> None:
    groups = PYPROJECT["dependency-groups"]
    asked = [
        requirement
        for requirement in [*PYPROJECT["project"]["dependencies"], *groups["build"], *groups["dev"]]
        if isinstance(requirement, str)
    ]
    locked = {match[1]: match[2] for match in PIN.finditer(LOCK)}
    names = {re.split(r"[=<>]", requirement)[0] for requirement in asked}
    assert names - locked.keys() == set()
    exact = dict(requirement.split("==") for requirement in asked if "==" in requirement)
    assert (
        exact == {name: locked[name] for name in exact} == {"bytewax": "0.21.1", "duckdb": "1.5.5"}
    )


def test_make_alone_lists_the_targets() -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory"],  # noqa: S607  make is where PATH has it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    listed = re.findall(r"^  make ([a-z]+) +\S", printed, re.MULTILINE)
    assert listed == [
        *("help", "demo", "test", "bench", "growth", "latency", "recovery", "soak", "chaos"),
        *("kafka", "lint", "lock", "clean"),
    ]
