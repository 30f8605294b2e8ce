"""Other DuckDB clients, each a process of its own, beside a job."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.sql.quack import HUNGRY, extension_paths, may_ask
from connectors.sql.statements import check_harmless
from tests.connectors.sql.forbidden import FORBIDDEN, QUACK_CONTROL
from tests.support.live_sql import Live

pytestmark = pytest.mark.skipif(extension_paths() is None, reason="the extra live is missing")

CLIENT = """
import json, sys, duckdb
from connectors.sql.quack import extension_paths
client = duckdb.connect()
client.execute("set enable_progress_bar = false")
for path in extension_paths():
    client.execute(f"load '{path}'")
for sql in json.load(sys.stdin):
    try:
        print(json.dumps(client.execute(sql).fetchall(), default=str))
    except duckdb.Error as error:
        print(json.dumps(str(error).splitlines()[0]))
"""


def asked(live: Live, *statements: str, given: str | None = None) -> list[Any]:
    """Return the rows, or the error, of each statement of a client that has attached itself."""
    attach = (
        f"attach 'quack:localhost:{live.job.quack_port}' as r (token '{given or live.job.token}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps([attach, *statements]),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def remote(sql: str) -> str:
    return f"from r.query($quack${sql}$quack$)"


def test_a_client_asks_whole_queries(live: Live) -> None:
    answers = asked(
        live,
        remote("select event_id from conversions order by all"),
        remote("select count(*) from conversions join credits using (conversion_id)"),
        remote("describe commits"),
        remote("summarize commits"),
        "select count(*) from r.conversions",
        remote("select 'a' || chr(0) || 'b\\u202e'"),
    )
    assert answers[1:3] == [[["e1"], ["e2"]], [[1]]]
    assert answers[5] == [[2]]
    assert [type(answer) for answer in answers] == [list] * 7, answers


def test_a_client_sees_commits_as_they_come(live: Live) -> None:
    assert asked(live, remote("select max(seq) from commits"))[-1] == [[1]]
    live.commit()
    assert asked(live, remote("select max(seq) from commits"))[-1] == [[2]]


def test_forbidden_statements_are_refused_and_do_nothing(live: Live, tmp_path: Path) -> None:
    statements = [each.format(out=tmp_path / "out") for each in FORBIDDEN + QUACK_CONTROL]
    files = sorted(tmp_path.iterdir())
    answers = asked(live, *map(remote, statements))[1:]
    refusal = "Invalid Input Error: Authorization failed"
    assert [pair for pair in zip(statements, answers, strict=True) if pair[1] != refusal] == []
    assert sorted(tmp_path.iterdir()) == files
    assert live.rows("select count(*) from commits") == [[1]]


def test_an_attached_database_cannot_be_written(live: Live) -> None:
    answers = asked(
        live,
        "insert into r.commits values (9, now(), null, 0, null)",
        "delete from r.commits",
        "create table r.mine (a int)",
        "drop view r.conversions",
        "checkpoint r",
    )[1:]
    assert [type(answer) for answer in answers[:4]] == [str] * 4
    assert live.rows("select count(*) from commits") == [[1]]


def test_without_the_token_nobody_is_let_in(live: Live) -> None:
    assert asked(live, remote("select 1"), given="no")[0] == (
        "Invalid Input Error: Authentication failed"
    )


def test_what_could_not_be_ended_is_not_begun() -> None:
    for function in sorted(HUNGRY):
        sql = f"select {function}(1)"
        check_harmless(sql)
        assert not may_ask("session", sql)
    assert not may_ask(None, None)
    assert may_ask("session", "select count(*) from conversions")
