"""What a job refuses to run, and that nothing of it has happened."""

import resource
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pytest

from connectors.sql.errors import QueryError
from connectors.sql.functions import INTERNAL, TABLE_FUNCTIONS, computing_functions
from connectors.sql.queries import Limits
from connectors.sql.statements import check_harmless
from tests.connectors.sql.forbidden import FORBIDDEN, QUACK_CONTROL
from tests.support.live_sql import Live

SEEN: Final = (799, "6d80fafc36613bfb")
"""Number and checksum of their names in DuckDB 1.5.5."""


def contents(live: Live) -> list[object]:
    sql = "select seq, records from commits order by all"
    return [live.rows(sql), live.rows("from duckdb_tables() select table_name order by all")]


def test_forbidden_statements_are_refused_and_do_nothing(live: Live, tmp_path: Path) -> None:
    before, files = contents(live), sorted(tmp_path.iterdir())
    answered = []
    for statement in FORBIDDEN + QUACK_CONTROL:
        sql = statement.format(out=tmp_path / "out")
        answer = live.ask({"sql": sql})
        answer.read()
        if answer.status != 400:
            answered.append((sql, answer.status))
    assert answered == []
    assert contents(live) == before
    assert sorted(tmp_path.iterdir()) == files


def test_the_database_itself_refuses_files_and_settings(live: Live, tmp_path: Path) -> None:
    """What the check of statements might miss."""
    cursor = live.connection.cursor()
    for sql in (
        "from read_text('/etc/passwd')",
        "from '/etc/passwd'",
        "from glob('/*')",
        f"copy commits to '{tmp_path}/out'",
        f"attach '{tmp_path}/out'",
        "install spatial",
        "load spatial",
        "from read_csv('http://127.0.0.1:1/x.csv')",
    ):
        with pytest.raises(duckdb.Error, match=r"disabled|does not exist"):
            cursor.execute(sql)
    for sql in ("set threads = 8", "set enable_external_access = true", "reset memory_limit"):
        with pytest.raises(duckdb.Error, match="configuration"):
            cursor.execute(sql)
    cursor.execute("begin transaction read only")
    with pytest.raises(duckdb.Error, match="read-only mode"):
        cursor.execute("delete from commits")


@pytest.mark.parametrize(
    "sql",
    [
        *("show tables", "show all tables", "describe conversions", "summarize commits"),
        *("explain from commits", "explain analyze from commits", "values (1)", "table runs"),
        "select table_name, column_name, meaning from data_dictionary",
        "from range(3) t(x) join generate_series(1, 3) s(y) on x = y",
        "select unnest(range(3)), [x * 2 for x in [1, 2]], list_transform([1], lambda x: x + 1)",
        "pivot commits on records in (0, 1) using count(*)",
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) from t",
        "select count(*) filter (where value > 1) over (partition by currency) from conversions",
        "from json_each('[1, 2]')",
        'select "odd name." from (select 1 as "odd name.")',
    ],
)
def test_what_analysts_ask_is_answered(live: Live, sql: str) -> None:
    assert live.ask({"sql": sql}).status == 200


def test_the_writer_goes_on_in_a_database_that_is_closed_to_others(live: Live) -> None:
    live.connection.begin()
    live.commit()
    live.connection.commit()
    live.connection.execute("checkpoint")
    assert live.rows("select max(seq) from commits") == [[2]]


def test_a_statement_has_a_length() -> None:
    check_harmless("select 1" + " " * 90_000)
    with pytest.raises(QueryError, match="longer than 100,000 characters"):
        check_harmless("select 1" + " " * 100_000)


def test_every_function_of_this_version_was_looked_at() -> None:
    """A new version of DuckDB: look at what is new, refuse what does not just compute, go on."""
    names = sorted(computing_functions())
    assert (len(names), sha256(" ".join(names).encode()).hexdigest()[:16]) == SEEN
    assert not [name for name in names if name.startswith(INTERNAL)]
    with duckdb.connect() as connection:
        known = {
            name
            for (name,) in connection.execute(
                "select function_name from duckdb_functions()"
            ).fetchall()
        }
    assert known >= TABLE_FUNCTIONS


def test_while_a_query_runs_the_process_gets_no_more_memory_than_it_may(live: Live) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    status, code, message = live.refusal("select len(list_resize([1], 9000000000))")  # 64 GB
    assert (status, code) == (413, "TOO_MUCH_MEMORY")
    assert message.startswith("the queries that ran took more memory than the job can spare")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("limits", [Limits(memory=64 << 20)])
def test_a_query_that_takes_the_memory_of_the_database_is_ended(live: Live) -> None:
    status, code, _ = live.refusal("select len(list(range)) from range(1000000000)", timeout_s=20)
    assert (status, code) == (413, "TOO_MUCH_MEMORY")
    assert live.commit() == 2


@pytest.mark.parametrize("limits", [Limits(memory=192 << 20)])
def test_what_does_not_fit_into_memory_is_sorted_on_disk(live: Live, tmp_path: Path) -> None:
    sql = (
        "select max(r) from (select row_number() over (order by hash(range)) r from range(5000000))"
    )
    assert live.rows(sql) == [[5_000_000]]
    assert live.database.parent == tmp_path
