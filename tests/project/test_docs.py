"""Documents do not rot: every command is documented, and what they show is what one sees.

Where a page is behind, `python -m tests.support.console` brings it up to date.
"""

import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from flows.cli.app import app
from tests.support.console import PAGES, ROOT, outputs, prepare, settled

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
DEVELOPMENT = (ROOT / "docs/development.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_group(app).commands
PLACE = re.compile(r"`((?:attribution|connectors|flows)/[a-z_/]+\.(?:py|sql))(?::(\w+))?`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown_somewhere(name: str) -> None:
    assert any(f"tributary {name} " in path.read_text(encoding="utf-8") for path in PAGES)


def test_the_list_of_commands_cuts_no_sentence_short() -> None:
    listed = CliRunner().invoke(app, ["--help"]).stdout.partition("Commands:")[2]
    assert "replay" in listed
    assert "..." not in listed


@pytest.mark.long
def test_pages_show_what_one_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    for path in PAGES:
        for command, shown, printed in outputs(path.read_text(encoding="utf-8")):
            assert settled(shown) == settled(printed), f"{path.name}: {command}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = LINK.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_pages_name_what_is_there() -> None:
    places = [*PLACE.findall(ARCHITECTURE), *PLACE.findall(DEVELOPMENT)]
    assert places
    for file, name in places:
        source = (ROOT / file).read_text(encoding="utf-8")
        defined = rf"^\s*(?:def|class) {name}\b|^{name}\b.* = |create (?:table|view) {name}\b"
        assert not name or re.search(defined, source, re.MULTILINE), f"{file}: {name}"


def test_every_module_has_a_place_in_the_architecture() -> None:
    layers = ("attribution", "connectors", "flows")
    inside = [path for layer in layers for path in sorted((ROOT / layer).iterdir())]
    names = [str(path.relative_to(ROOT)) for path in inside if not path.name.startswith("__")]
    assert [name for name in names if f"`{name}" not in ARCHITECTURE] == []
