"""Answers of `tributary sql`, to the letter, and every way to ask in vain."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from connectors.sql.errors import QueryError
from flows.analysis.recorded import ResultError
from flows.analysis.sql import run_sql
from flows.analysis.verify import verify
from tests.support.decoded import event, impression, write_result

ASKED = """select event_id, event_time, value, is_probabilistic, carries, custom_data
    from conversions order by event_id"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with two conversions."""
    sold = event("e,1", value=Decimal("12.5"), currency="EUR", custom_data='{"a": 1.0}')
    log = {"events": [sold, event("e2", keys=[], source_offset=1)], "impressions": [impression()]}
    return write_result(tmp_path_factory.mktemp("query") / "result.duckdb", log)


def test_table(result: Path) -> None:
    assert run_sql(result, ASKED).splitlines() == [
        "event_id   event_time             value       is_probabilistic   carries    custom_data",
        "─" * 87,
        'e,1        2026-05-11T00:00:00Z   12.500000   false              ["uid2"]   {"a":1.0}',
        "e2         2026-05-11T00:00:00Z   NULL        NULL               []         NULL",
    ]


def test_csv(result: Path) -> None:
    assert run_sql(result, ASKED, "csv").splitlines() == [
        "event_id,event_time,value,is_probabilistic,carries,custom_data",
        '"e,1",2026-05-11T00:00:00Z,12.500000,false,"[""uid2""]","{""a"":1.0}"',
        "e2,2026-05-11T00:00:00Z,,,[],",
    ]


def test_json(result: Path) -> None:
    text = run_sql(result, ASKED, "json")
    assert '"value":12.500000' in text
    assert json.loads(text) == [
        {
            "event_id": "e,1",
            "event_time": "2026-05-11T00:00:00Z",
            "value": 12.5,
            "is_probabilistic": False,
            "carries": ["uid2"],
            "custom_data": {"a": 1},
        },
        {
            "event_id": "e2",
            "event_time": "2026-05-11T00:00:00Z",
            "value": None,
            "is_probabilistic": None,
            "carries": [],
            "custom_data": None,
        },
    ]


def test_no_rows(result: Path) -> None:
    sql = "select event_id from conversions where false"
    assert run_sql(result, sql).splitlines() == ["event_id", "─" * 8]
    assert run_sql(result, sql, "csv") == "event_id"
    assert run_sql(result, sql, "json") == "[]"


def test_time_is_utc(result: Path) -> None:
    sql = "select date_part('hour', event_time) as hour, event_time::date as day from conversions"
    assert run_sql(result, sql, "csv") == "hour,day\n0,2026-05-11\n0,2026-05-11"


def test_values_of_every_kind(result: Path) -> None:
    sql = """select map {'a': 1} as map, {x: 1.5} as struct, interval 1 day as interval,
        'a"b' as text, 999999999999.999999::decimal(18,6) as money"""
    assert run_sql(result, sql, "json") == (
        '[{"map":{"a":1},"struct":{"x":1.5},"interval":"P1D","text":"a\\"b",'
        '"money":999999999999.999999}]'
    )


def test_table_ends_somewhere(result: Path) -> None:
    lines = run_sql(result, "from range(1001)").splitlines()
    assert (len(lines), lines[-1]) == (1003, "(the first 1,000 rows; csv and json give all)")
    assert len(run_sql(result, "from range(1000)").splitlines()) == 1002
    assert len(run_sql(result, "from range(1001)", "csv").splitlines()) == 1002


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select nope from conversions", 'column "nope" not found'),
        (" -- nothing", "one SQL statement is expected; got nothing"),
        ("select 1; select 2", "one SQL statement is expected; got 2 statements"),
        ("from commits; drop view conversions", "got 2 statements"),
        *(
            (sql, f"a statement that reads is expected, such as SELECT or DESCRIBE; got {kind}")
            for sql, kind in [
                ("insert into commits values (1, null, null, 0, null)", "INSERT"),
                ("with x as (select 1) insert into commits from x", "INSERT"),
                ("drop view conversions", "DROP"),
                ("create temp table t as select 1", "CREATE"),
                ("copy commits to 'out.csv'", "COPY"),
                ("explain analyze copy commits to 'out.csv'", "COPY"),
                ("explain (analyze) copy commits to 'out.csv'", "COPY"),
                ("/**/ explain analyze copy commits to 'out.csv'", "COPY"),
                ("/* explain */ explain analyze copy commits to 'out.csv'", "EXPLAIN"),
                ("export database 'out'", "EXPORT"),
                ("attach 'out.duckdb'", "ATTACH"),
                ("install json", "LOAD"),
                ("load json", "LOAD"),
                ("set threads = 1", "SET"),
                ("pragma disable_object_cache", "PRAGMA"),
                ("checkpoint", "CALL"),
                ("vacuum", "VACUUM"),
                ("begin", "TRANSACTION"),
                ("prepare p as select 1", "PREPARE"),
            ]
        ),
    ],
)
def test_fault_in_the_query(
    result: Path, sql: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError) as caught:
        run_sql(result, sql)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        *("describe conversions", "show tables", "summarize commits", "explain from commits"),
        *(
            "explain analyze from commits",
            "pragma table_info('commits')",
            "values (1)",
            "from runs;",
        ),
    ],
)
def test_what_reads_is_answered(result: Path, sql: str) -> None:
    assert run_sql(result, sql, "csv")


def test_nothing_is_written_with_its_digits(result: Path) -> None:
    sql = "select 0::decimal(10,9) as share, 0.000001::decimal(18,6) as value"
    assert run_sql(result, sql, "csv") == "share,value\n0.000000000,0.000001"


def test_null_and_the_empty_text_stay_apart(result: Path) -> None:
    sql = "select null as a, '' as b, 'x' as c"
    assert run_sql(result, sql, "csv") == 'a,b,c\n,"",x'
    assert run_sql(result, sql, "json") == '[{"a":null,"b":"","c":"x"}]'


def test_numbers_that_json_lacks_are_texts(result: Path) -> None:
    sql = "select 'nan'::double as a, ['inf'::double, 1] as b, {x: '-inf'::double} as c"
    json_text = '[{"a":"NaN","b":["Infinity",1.0],"c":{"x":"-Infinity"}}]'
    assert run_sql(result, sql, "json") == json_text
    assert run_sql(result, "select 'nan'::double as a, null::double as b", "csv") == "a,b\nNaN,"


def test_equal_names_get_a_number(result: Path) -> None:
    sql = "select 1 as a, 2 as a, 3 as a"
    assert run_sql(result, sql, "json") == '[{"a":1,"a_1":2,"a_2":3}]'
    assert run_sql(result, sql, "csv") == "a,a_1,a_2\n1,2,3"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(QueryError) as caught:
        run_sql(tmp_path / "none.duckdb", "select 1")
    assert str(caught.value) == (
        f"there is no result file {tmp_path / 'none.duckdb'}; "
        "make it with: tributary replay PATH --db FILE"
    )
    assert not (tmp_path / "none.duckdb").exists()


def test_no_database(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, just text" * 100)
    with pytest.raises(QueryError, match="cannot be read as a result file"):
        run_sql(tmp_path / "text", "select 1")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a file that another process holds, and which."""
    path = tmp_path / "busy.duckdb"
    duckdb.connect(path).close()
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield path, process.pid
        process.communicate("\n")


def test_locked_file(writer: tuple[Path, int]) -> None:
    path, pid = writer
    with pytest.raises(QueryError) as caught:
        run_sql(path, "select 1")
    assert str(caught.value) == (
        f"{path} is being written by process {pid}; ask again when it has ended "
        "(a job ends on SIGTERM, and loses nothing)"
    )
    with pytest.raises(ResultError) as refused:
        verify(path)
    assert str(refused.value) == str(caught.value)
