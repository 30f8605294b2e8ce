"""Runs the commands that the documents show, and brings what they print up to date.

`python -m tests.support.console` rewrites the output in every ```console block of README.md and
docs/. Commands run in a folder of their own that has the fixtures; `tributary` and `make demo` are
run, other commands are left as they are. The answers in the analyst guide are renewed too.
"""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from typer.testing import CliRunner

from connectors.sql.reader import open_reader
from flows.cli.app import app
from tests.support.guide import GUIDE, as_shown, questions, with_answers

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK: Final = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
RECIPE: Final = re.compile(r"^\t\$\(BIN\)/tributary (.*)$", re.MULTILINE)
HEAD: Final = re.compile(r" \| head -(\d+)$")
FILE: Final = re.compile(r" > (\S+)$")
ENDLESS: Final = ("tributary run ",)
"""Commands that go on until they are told to end."""
PACE: Final = re.compile(r"in [\d.]+ s, [\d,]+ per second")


def outputs(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield each command that can be run, what the page shows, and what it prints now.

    Commands run in their order, in the working directory.
    """
    for block in BLOCK.findall(page):
        for command, shown in _commands(block):
            if _is_ours(command):
                yield command, shown, _printed(command)


def settled(output: str) -> str:
    """Take out what differs from run to run."""
    return PACE.sub("in TIME", output)


def prepare(folder: Path) -> None:
    """Make a folder one in which the commands of the documents can run."""
    (folder / "tests").symlink_to(ROOT / "tests")


def refreshed(page: str) -> str:
    """Return the page with what its commands print now."""
    return BLOCK.sub(lambda block: "".join(map(_again, _commands(block[0]))), page)


def _again(entry: tuple[str, str]) -> str:
    command, shown = entry
    return f"$ {command}\n{_printed(command) if _is_ours(command) else shown}"


def _commands(block: str) -> list[tuple[str, str]]:
    """Split a block into commands, which follow a `$`, and what is shown of their output."""
    parts = re.split(r"^\$ (.*\n)", block, flags=re.MULTILINE)[1:]
    return [
        (command.strip(), shown) for command, shown in zip(parts[::2], parts[1::2], strict=True)
    ]


def _is_ours(command: str) -> bool:
    if command.startswith(ENDLESS):
        return False
    return command == "make demo" or command.startswith("tributary ")


def _printed(command: str) -> str:
    if command != "make demo":
        return _tributary(command.removeprefix("tributary "))
    recipe = RECIPE.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    return "".join(f".venv/bin/tributary {words}\n{_tributary(words)}" for words in recipe)


def _tributary(words: str) -> str:
    """Run a command in this process; of the shell, `> FILE` and `| head -N` are understood."""
    head, file = HEAD.search(words), FILE.search(words)
    done = CliRunner().invoke(app, shlex.split(FILE.sub("", HEAD.sub("", words))))
    assert done.exit_code == 0, f"tributary {words}: {done.output}"
    if file:
        Path(file[1]).write_text(done.output, encoding="utf-8")
        return ""
    lines = done.output.splitlines(keepends=True)
    return "".join(lines[: int(head[1])] if head else lines)


def main() -> None:
    """Rewrite all pages."""
    with TemporaryDirectory() as folder, chdir(folder):
        prepare(Path(folder))
        for path in PAGES:
            page = path.read_text(encoding="utf-8")
            path.write_text(refreshed(page), encoding="utf-8")
        guide = GUIDE.read_text(encoding="utf-8")
        GUIDE.write_text(_answered(guide), encoding="utf-8")


def _answered(guide: str) -> str:
    """Return the analyst guide with the answers of the demo's result."""
    reader = open_reader(Path("demo.duckdb"))
    answers = [as_shown(reader.query(question.sql)) for question in questions(guide)]
    reader.close()
    return with_answers(guide, answers)


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    main()
