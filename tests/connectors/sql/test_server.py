"""`/sql` of a running job: answers in each format, and each refusal."""

import json
import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import quote

import pyarrow as pa
import pytest

from connectors import metrics
from connectors.sql.answers import commit_of
from connectors.sql.queries import Limits
from connectors.sql.server import ServerError, check_port
from tests.chaos.job import wait_until
from tests.support.live_sql import Live

ENDLESS = (
    "select count(*) from range(1000000000) a, range(1000000000) b where a.range = b.range + 7"
)


def test_json(live: Live) -> None:
    answer = live.ask({"sql": "select 1 as a, 2.50 as b, null as a", "rows_max": 5})
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/json")
    assert json.loads(answer.read()) == {
        "columns": ["a", "b", "a_1"],
        "types": ["INTEGER", "DECIMAL(3,2)", "INTEGER"],
        "rows": [[1, 2.5, None]],
        "truncated": False,
        "commit": 1,
    }


def test_csv(live: Live) -> None:
    answer = live.ask({"sql": "select 1 as a, '' as b, null as c"}, Accept="text/csv")
    assert answer.getheader("Content-Type") == "text/csv; charset=utf-8"
    assert answer.read() == b'a,b,c\n1,"",\n'


def test_arrow(live: Live) -> None:
    answer = live.ask({"sql": "select 1.50 as a, 'x' as b", "format": "arrow"})
    assert answer.getheader("Content-Type") == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(answer).read_all()
    assert [str(kind) for kind in table.schema.types] == ["decimal128(3, 2)", "string"]
    assert commit_of(table) == 1


def test_parameters_of_the_address(live: Live) -> None:
    sql = quote("select ? + 1 as a, ? as b")
    answer = live.ask(f"/sql?q={sql}&parameters={quote('[1, null]')}&format=csv&rows_max=1")
    assert answer.read() == b"a,b\n2,\n"


def test_scalars_as_parameters(live: Live) -> None:
    asked = ["select", ", ".join("?" * 6), "as x"]
    values = [1, 2.5, "a'b", True, None, 2**40]
    assert live.rows(" ".join(asked), parameters=values) == [values]
    sql = "select count(*) from conversions where event_time < ?::timestamptz"
    assert live.rows(sql, parameters=["2030-01-01T00:00:00Z"]) == [[2]]


@pytest.mark.parametrize(
    "text", ["a\0b", "\u202eright\u202c", "👩‍👩‍👧", "\ufffe", "'\"\n\r\t,;", ""]
)
def test_odd_texts_come_back_as_they_are(live: Live, text: str) -> None:
    assert live.rows("select ?", parameters=[text]) == [[text]]
    table = pa.ipc.open_stream(
        live.ask({"sql": "select ?", "parameters": [text], "format": "arrow"})
    )
    assert table.read_all().column(0).to_pylist() == [text]


def test_each_question_sees_one_commit(live: Live) -> None:
    before = live.ask({"sql": "select max(seq) from commits"})
    assert (before.getheader("Tributary-Commit"), json.loads(before.read())["rows"]) == ("1", [[1]])
    assert live.commit() == 2
    live.connection.begin()
    live.commit()  # not yet committed
    after = live.ask({"sql": "select max(seq) from commits"})
    assert (after.getheader("Tributary-Commit"), json.loads(after.read())["rows"]) == ("2", [[2]])
    live.connection.commit()


def test_there_may_be_more_rows(live: Live) -> None:
    for fmt in ("json", "csv"):
        for rows, is_truncated in ((3, "false"), (2, "true")):
            answer = live.ask({"sql": "from range(3)", "rows_max": rows, "format": fmt})
            assert answer.getheader("Tributary-Truncated") == is_truncated
    assert live.rows("from range(3)", rows_max=2) == [[0], [1]]
    stream = pa.ipc.open_stream(
        live.ask({"sql": "from range(3)", "rows_max": 2, "format": "arrow"})
    )
    told = [(batch.num_rows, about) for batch, about in stream.iter_batches_with_custom_metadata()]
    assert told == [(2, None), (0, {b"truncated": b"true"})]


@pytest.mark.parametrize("limits", [Limits(rows_max=4)])
def test_the_limit_of_the_settings_counts_where_none_is_asked_for(live: Live) -> None:
    assert len(live.rows("from range(10)")) == 4
    assert len(live.rows("from range(10)", rows_max=9)) == 9


def test_without_the_token_nothing_is_answered(live: Live) -> None:
    for given in ("Bearer no", "", f"Basic {live.job.token}", f"Bearer {live.job.token}x", "Bärer"):
        answer = live.ask({"sql": "select 1"}, Authorization=given.encode().decode("latin-1"))
        assert (answer.status, answer.getheader("WWW-Authenticate")) == (401, "Bearer")
        assert b"select" not in answer.read()


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (b"", "a question like"),
        (b"{", "a question like"),
        (b"[1]", "Expected `object`"),
        (b"{}", "missing required field `sql`"),
        (b'{"sql": 1}', "Expected `str`"),
        (b'{"sql": "select 1", "limit": 1}', "unknown field `limit`"),
        (b'{"sql": "select ?", "parameters": [[1]]}', "Expected"),
        (b'{"sql": "select 1", "format": "xml"}', "Invalid enum value 'xml'"),
        (b'{"sql": "select \xff"}', "utf-8"),
        (b'{"sql": "\\ud800 is half a character"}', "surrogate"),
        ("/sql", "a question like"),
        ("/sql?q=select+1&q=select+2", "a question like"),
        ("/sql?q=select+1&rows_max=many", "Expected `int"),
        ("/sql?q=%ff", "utf-8"),
    ],
)
def test_what_is_no_question(live: Live, question: bytes | str, message: str) -> None:
    answer = live.ask(question)
    told = json.loads(answer.read())["error"]
    assert (answer.status, told["code"]) == (400, "INVALID_REQUEST")
    assert message in told["message"]


def test_a_question_has_a_size(live: Live) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it reads no more of it
        assert live.ask(b" " * ((1 << 20) + 1)).status == 400
    assert live.rows("select 1") == [[1]]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "syntax error"),
        ("select nope from conversions", 'column "nope"'),
        ("select 1; select 2", "got 2 statements"),
        ("delete from commits", "a statement that reads is expected"),
        ("select 'x'::integer", "Could not convert"),
        ("select ?", "Values were not provided"),
        ("select 'a\0b'", "unterminated"),
        ("", "got nothing"),
    ],
)
def test_what_the_database_refuses(live: Live, sql: str, message: str) -> None:
    status, code, told = live.refusal(sql)
    assert (status, code) == (400, "QUERY_FAILED")
    assert message in told


def test_other_paths_and_methods(live: Live) -> None:
    assert live.ask("/").status == 404
    assert live.ask("/sql/x?q=select+1").status == 404


def test_a_query_ends_at_its_time_limit(live: Live) -> None:
    begun = time.monotonic()
    status, code, message = live.refusal(ENDLESS, timeout_s=0.2)
    assert (status, code) == (504, "OUT_OF_TIME")
    assert message == "the query took longer than 0.2 s and was ended"
    assert time.monotonic() - begun < 5


def test_an_arrow_stream_that_takes_too_long_says_so_at_its_end(live: Live) -> None:
    sql = "select range from range(1000000000000) where range % 10 = 0"
    answer = live.ask({"sql": sql, "timeout_s": 0.3, "rows_max": 1 << 40, "format": "arrow"})
    assert answer.status == 200
    with pa.ipc.open_stream(answer) as stream:
        *_, (last, told) = stream.iter_batches_with_custom_metadata()
    assert last.num_rows == 0
    assert told == {b"error": b"the query took longer than 0.3 s and was ended"}


def test_a_query_ends_when_whoever_asked_is_gone(live: Live) -> None:
    gone = socket.create_connection(("127.0.0.1", live.job.port))
    gone.sendall(raw_question(live, ENDLESS))
    assert wait_until(lambda: running() == 1)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    assert wait_until(lambda: running() == 0, 5)


@pytest.mark.parametrize("limits", [Limits(queries_at_once=2, turn_s=0.1)])
def test_more_queries_than_may_run_at_once_are_told_to_come_again(live: Live) -> None:
    askers = [socket.create_connection(("127.0.0.1", live.job.port)) for _ in range(2)]
    for asker in askers:
        asker.sendall(raw_question(live, ENDLESS))
    assert wait_until(lambda: running() == 2)
    answer = live.ask({"sql": "select 1"})
    assert (answer.status, answer.getheader("Retry-After")) == (429, "1")
    for asker in askers:
        asker.close()
    assert wait_until(lambda: live.ask({"sql": "select 1"}).status == 200)


def test_connections_that_ask_nothing_hold_nobody_up(live: Live) -> None:
    idle = [socket.create_connection(("127.0.0.1", live.job.port)) for _ in range(100)]
    assert live.rows("select 1") == [[1]]
    for each in idle:
        each.close()


def test_fifty_may_ask_together(live: Live) -> None:
    answers: list[bool] = []

    def poll() -> None:
        answers.extend(wait_until(lambda: live.rows("select 1") == [[1]]) for _ in "ab")

    askers = [threading.Thread(target=poll) for _ in range(50)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert answers == [True] * 100


def test_the_port_is_checked(live: Live) -> None:
    with pytest.raises(ServerError, match=f"port {live.job.port} cannot be served"):
        check_port(live.job.port)


def running() -> float:
    return metrics.total(metrics.SQL_RUNNING)


def raw_question(live: Live, sql: str) -> bytes:
    body = json.dumps({"sql": sql}).encode()
    return (
        f"POST /sql HTTP/1.1\r\nAuthorization: Bearer {live.job.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
