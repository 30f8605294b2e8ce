"""`tributary hash`: one value, or the lines of standard input."""

from typer.testing import CliRunner, Result

from flows.cli.app import app

EMAIL = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"


def run(*words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["hash", *words], input=given)


def test_one_value_is_hashed() -> None:
    assert run("email", " User@Example.com ").stdout == f"{EMAIL}\n"


def test_each_line_of_standard_input_is_hashed() -> None:
    printed = run("phone", given="+1 212 555 0000\n+12125550000\n")
    assert len(printed.stdout.split()) == 2
    assert len(set(printed.stdout.split())) == 1


def test_a_bad_line_is_named_but_not_quoted() -> None:
    refused = run("email", given="user@example.com\njane doe\n")
    assert (refused.exit_code, refused.stdout) == (2, f"{EMAIL}\n")
    assert refused.stderr.startswith("tributary: line 2: an email is expected")
    assert "jane" not in refused.output
