"""Readers of a result: over its file and over its job they answer the same."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sql import client
from connectors.sql.answers import columns_in, commit_of
from connectors.sql.errors import QueryError
from connectors.sql.reader import Reader, open_reader
from tests.support.live_sql import Live

EVERY_TYPE = """select 1::hugeint, '{"a": 1}'::json, 'a'::enum('a', 'b'), map {'a': 1},
    {'x': 1, 'y': [1.50]}, 1.5::decimal(38, 6), 'ab'::blob, timestamptz '2026-04-01', null,
    [1, 2, 3]::int[3], interval 3 day, 'inf'::double, 'a' || chr(0) || 'b' as text, 1 as text"""


@pytest.fixture(params=["file", "job"])
def reader(request: pytest.FixtureRequest, database: Path) -> Iterator[Reader]:
    if request.param == "job":
        database = request.getfixturevalue("live").database
    opened = open_reader(database)
    yield opened
    opened.close()


def test_rows_and_commit(reader: Reader) -> None:
    table = reader.query("select event_id, ? as x from conversions order by all", [None])
    assert table.to_pylist() == [{"event_id": "e1", "x": None}, {"event_id": "e2", "x": None}]
    assert commit_of(table) == reader.commit() == 1
    assert [column.type for column in columns_in(table)] == ["VARCHAR", "INTEGER"]


def test_no_rows(reader: Reader) -> None:
    table = reader.query("select event_id from conversions where false")
    assert (table.num_rows, table.column_names) == (0, ["event_id"])


def test_times_are_utc(reader: Reader) -> None:
    assert reader.query("select now()").schema.types[0].tz == "UTC"
    sql = "select event_time::varchar as at, event_time::date::varchar as day from conversions"
    assert reader.query(sql).to_pylist()[0] == {"at": "2026-05-11 00:00:00+00", "day": "2026-05-11"}


def test_values_of_every_type_are_the_same_over_job_and_file(live: Live, written: Path) -> None:
    answers = []
    for database in (written, live.database):
        reader = open_reader(database)
        answers.append(reader.query(EVERY_TYPE))
        reader.close()
    assert answers[0].equals(answers[1], check_metadata=True)
    assert answers[0].num_rows == 1


def test_faults(reader: Reader) -> None:
    for sql, message in (
        ("select nope from commits", 'column "nope" not found'),
        ("delete from commits", "a statement that reads is expected"),
        ("select 'x'::integer from range(100000)", "Could not convert"),
        ("select ?", "Values were not provided"),
    ):
        with pytest.raises(QueryError, match=message):
            reader.query(sql)


def test_an_answer_has_an_end(reader: Reader) -> None:
    assert reader.query("from range(300000)").num_rows == 300_000
    with pytest.raises(QueryError, match="the answer has more than 10,000,000 rows or 1,024 MB"):
        reader.query("from range(10000001)")


def test_threads_share_a_reader(reader: Reader) -> None:
    counts: list[int] = []

    def ask() -> None:
        counts.extend(reader.query("from conversions").num_rows for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2] * 20


def test_a_job_is_asked_anew_each_time(live: Live) -> None:
    reader = open_reader(live.database)
    assert (reader.commit(), live.commit(), reader.commit()) == (1, 2, 2)


def test_a_query_that_takes_too_long(live: Live) -> None:
    with pytest.raises(QueryError, match=r"took longer than 0\.2 s"):
        client.ask(
            live.job,
            "select count(*) from range(1e9::bigint) a, range(1e9::bigint) b",
            timeout_s=0.2,
        )


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="there is no result file"):
        open_reader(tmp_path / "none.duckdb")


def test_what_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all" * 1000)
    for hold in (True, False):
        with pytest.raises(QueryError, match="cannot be read as a result file"):
            open_reader(tmp_path / "text", hold=hold).query("select 1")
