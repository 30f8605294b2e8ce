from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from tests.support.decoded import event, write_result
from tests.support.pages import Page


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("result") / "result.duckdb"
    return write_result(path, {"events": [event()]})


@pytest.fixture(autouse=True)
def _undrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.report.charts.can_draw", lambda: False)
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", "--db", *words])
    return done.exit_code, done.output


def test_it_writes_a_file(result: Path) -> None:
    assert run(str(result)) == (0, "wrote report.html\n")
    page = Page(Path("report.html").read_text(encoding="utf-8"))
    assert page.panels["coverage"].answer == "1 conversion out of 1 event that came in."


def test_it_writes_to_standard_output(result: Path) -> None:
    code, page = run(str(result), "--out", "-", "--advertiser", "nobody", "--from", "2026-04-01")
    assert code == 0
    assert "Advertiser nobody · 2026-04-01 to before the end" in Page(page).text
    assert not Path("report.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "2026-04-02", "--to", "2026-04-02"], "there is no day from 2026-04-02"),
        (["--to", "tomorrow"], "'to' is a day such as 2026-04-26; got 'tomorrow'"),
        (["--out", "missing/report.html"], "missing/report.html cannot be written: No such file"),
    ],
)
def test_it_says_what_is_wrong(result: Path, words: list[str], message: str) -> None:
    code, output = run(str(result), *words)
    assert code == 2
    assert output.startswith(f"tributary: {message}")


def test_without_a_result_it_says_how_to_make_one(tmp_path: Path) -> None:
    code, output = run(str(tmp_path / "none.duckdb"))
    assert code == 2
    assert "there is no result file" in output
