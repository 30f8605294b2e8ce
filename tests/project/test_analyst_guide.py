"""The guide asks thirty questions; a file and a running job answer them as it shows."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from connectors.database.schema import TABLES, VIEWS
from connectors.sql.announcement import find_job
from connectors.sql.quack import extension_paths
from connectors.sql.reader import Reader, open_reader
from flows.cli.app import app
from tests.chaos.job import wait_until
from tests.support.guide import GUIDE, Question, as_shown, questions, rows_as_shown

DEMO: Final = GUIDE.parents[1] / "tests/fixtures/demo"
PAGE: Final = GUIDE.read_text(encoding="utf-8")
QUESTIONS: Final = questions(PAGE)
STATEMENTS: Final = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
FINDS_NOTHING: Final = "Is any event lost or counted twice?"
IS_COMPLETE: Final = """select (select count(*) from conversions where is_final) as final,
  (select sum(received) from conservation) as received,
  (select sum(records) from touchpoint_stats) as delivered"""

by_heading = pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.heading)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("guide") / "demo.duckdb"
    done = CliRunner().invoke(app, ["replay", str(DEMO), "--db", str(path)])
    assert done.exit_code == 0, done.output
    reader = open_reader(path)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, file: Reader) -> Iterator[Path]:
    """Run a job that has read the demo; yield its result."""
    folder = tmp_path_factory.mktemp("job")
    copytree(DEMO, folder / "data")
    result = folder / "live.duckdb"
    command = [sys.executable, "-m", "flows", "run", "--data", str(folder / "data")]
    command += ["--state", str(folder / "state"), "--db", str(result)]
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
    try:
        assert wait_until(lambda: find_job(result) is not None)
        reader = open_reader(result)
        expected = file.query(IS_COMPLETE).to_pylist()
        assert wait_until(lambda: reader.query(IS_COMPLETE).to_pylist() == expected)
        reader.close()
        yield result
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def asked_over_http(result: Path, body: bytes) -> Any:  # noqa: ANN401  JSON
    announced = find_job(result)
    assert announced is not None
    request = urllib.request.Request(
        f"http://127.0.0.1:{announced.port}/sql",
        data=body,
        headers={"Authorization": f"Bearer {announced.token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
        return json.loads(answer.read(), parse_float=Decimal)


def test_the_questions_are_thirty() -> None:
    assert len({question.heading for question in QUESTIONS}) == 30
    assert [each.heading for each in QUESTIONS if "(nothing)" in each.answer] == [FINDS_NOTHING]


@by_heading
def test_a_file_answers(question: Question, file: Reader) -> None:
    assert as_shown(file.query(question.sql)) == question.answer


@pytest.mark.long
@by_heading
def test_a_running_job_answers(question: Question, job: Path) -> None:
    reader = open_reader(job)
    assert as_shown(reader.query(question.sql)) == question.answer


@pytest.mark.long
@by_heading
def test_a_running_job_answers_over_http(question: Question, job: Path) -> None:
    answer = asked_over_http(job, json.dumps({"sql": question.sql}).encode())
    assert rows_as_shown(answer["columns"], answer["rows"]) == question.answer
    assert not answer["truncated"]


@pytest.mark.long
def test_grafana_finds_the_columns_that_the_guide_names(job: Path) -> None:
    [body] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    answer = asked_over_http(job, body.encode())
    named = re.findall(r"^\| `(\d)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert named == [(str(at), name) for at, name in enumerate(answer["columns"])]
    assert answer["types"] == ["DATE", "BIGINT", "DOUBLE"]
    assert len(answer["rows"]) > 5


@pytest.mark.long
def test_a_notebook_asks_as_the_guide_does(job: Path) -> None:
    cell = cell_with("urlopen(")
    names: dict[str, Any] = {}
    exec(cell, names)  # noqa: S102  a page of ours
    answer = names["ask"](str(job), "select count(*) as conversions from conversions")
    assert (answer["columns"], answer["truncated"]) == (["conversions"], False)
    assert answer["rows"] == [[631]]


@pytest.mark.long
@pytest.mark.skipif(extension_paths() is None, reason="the extra live is missing")
def test_a_client_attaches_the_job_as_the_guide_does(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = "; ".join(f"load '{path}'" for path in extension_paths() or ())
    cell = cell_with("quack:").replace("install quack; load quack", loads)
    exec(cell.replace("result.duckdb.live", f"{job}.live"), {})  # noqa: S102  a page of ours
    assert "attributed" in capsys.readouterr().out


def cell_with(text: str) -> str:
    [cell] = [each for each in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if text in each]
    return str(cell)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_runs(statement: str, file: Reader) -> None:
    assert (file.query(statement).num_rows == 0) == ("in_flight <> 0" in statement)


@pytest.mark.parametrize("name", TABLES + VIEWS)
def test_every_table_and_view_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_listed_once(view: str) -> None:
    assert PAGE.count(f"\n| `{view}` |") == 1
