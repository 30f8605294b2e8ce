"""The lock is what a fresh machine installs: it must cover the project, and name no host."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

MARKER: Final = "[a-z_]+ [!=<>]+ '[^']+'"
PIN: Final = re.compile(rf"([a-z0-9-]+)==([0-9][0-9a-z.]*)( ; {MARKER}(?: and {MARKER})*)? \\")
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


EXTENSIONS = ("duckdb-extension-httpfs", "duckdb-extension-quack")


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
    pinned = [requirement.split(";")[0].split("==") for requirement in asked]
    exact = {name: version for name, *versions in pinned for version in versions}
    duckdb = dict.fromkeys(("duckdb", *EXTENSIONS), "1.5.5")
    assert exact == {name: locked[name] for name in exact} == {"bytewax": "0.21.1", **duckdb}


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
        *(
            "help",
            "demo",
            "test",
            "check",
            "bench",
            "growth",
            "views",
            "latency",
            "ingest",
            "live",
            "recovery",
            "soak",
            "chaos",
        ),
        *("kafka", "browser", "lint", "lock", "clean"),
    ]


@pytest.mark.long
def test_the_built_wheel_runs_outside_of_the_checkout(tmp_path: Path) -> None:
    """Everything a command needs is in the wheel; only the locked packages are lent to it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*built, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("tributary_attribution-*.whl")
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    lent = Path(sysconfig.get_path("purelib", vars={"base": str(home)})) / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = ["--python", str(home / "bin/python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *install, str(wheel)], check=True)
    for command in (["replay", str(ROOT / "tests/fixtures/demo")], ["verify"]):
        ran = subprocess.run(
            [str(home / "bin/tributary"), *command, "--db", "demo.duckdb"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("no differences\n")
