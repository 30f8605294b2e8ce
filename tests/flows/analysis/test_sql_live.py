"""`tributary sql` says of a running job to the letter what it says of its file."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.sql.errors import QueryError
from flows.analysis.sql import Format, run_sql
from tests.support.decoded import event, impression, write_result
from tests.support.live_sql import answered

FORMATS: tuple[Format, ...] = ("table", "csv", "json")
QUESTIONS = (
    "from conversions select * exclude (seq) order by event_id",
    "select custom_data, value, event_time, carries from conversions order by event_id",
    "select map {'a': 1} as map, {x: 1.5} as struct, interval 1 day as interval, 'a\"b' as text",
    "select 999999999999.999999::decimal(18,6) as money, 1e300 as big, 0.1 as small, 2::hugeint",
    "select 'nan'::double as a, ['inf'::double, 1] as b, {x: '-inf'::double} as c, 1.0 as d",
    "select null as a, '' as b, 'x' as c, 'null' as d, '\"' as e, 'a,b' as f, [null] as g",
    "select 1 as a, 2 as a, 3 as a, true as t, date '2026-04-01' as d, time '10:00:01' as t",
    "select 'a' || chr(0) || 'b' as nul, '👩‍👩‍👧' as family",
    "select chr(8238) || 'x' as right, e'a\\nb' as lines",
    "select event_id from conversions where false",
    "from range(1001)",
    "from range(6000)",
    "select range, hash(range) % 7 as x, range::decimal(18,6) as y from range(6000)",
    "describe conversions",
    "show tables",
    "explain select 1",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sold = event("e,1", value=Decimal("12.5"), currency="EUR", custom_data='{"a": 1.0}')
    log = {"events": [sold, event("e2", keys=[], source_offset=1)], "impressions": [impression()]}
    return write_result(tmp_path_factory.mktemp("asked") / "result.duckdb", log)


def test_answers_of_a_job_are_those_of_its_file(file: Path) -> None:
    asked = [(sql, fmt) for sql in QUESTIONS for fmt in FORMATS]
    of_file = [run_sql(file, *each) for each in asked]
    with answered(file):
        of_job = [run_sql(file, *each) for each in asked]
    different = [
        each for each, *pair in zip(asked, of_file, of_job, strict=True) if pair[0] != pair[1]
    ]
    assert different == []


def fault(file: Path, sql: str) -> str:
    with pytest.raises(QueryError) as caught:
        run_sql(file, sql)
    return str(caught.value)


def test_faults_of_a_job_are_those_of_its_file(file: Path) -> None:
    asked = ("selec 1", "select nope from conversions", "select 1; select 2", "drop table runs")
    of_file = [fault(file, sql) for sql in asked]
    with answered(file):
        assert [fault(file, sql) for sql in asked] == of_file


def test_neither_duckdb_nor_arrow_is_needed_to_ask_a_job(file: Path) -> None:
    code = f"""import sys
from pathlib import Path
from flows.analysis.sql import run_sql
print(run_sql(Path({str(file)!r}), "select 42 as x", "csv"))
print([name for name in ("duckdb", "pyarrow", "numpy") if name in sys.modules])"""
    with answered(file):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert done.stdout == "x\n42\n[]\n"
