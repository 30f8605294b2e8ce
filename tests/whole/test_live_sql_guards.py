"""Whatever is asked of a running job, it commits on, in bounded memory, and its result is right."""

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from connectors.sql.announcement import Announcement, announcement_of, find_job
from connectors.sql.errors import QueryError
from connectors.sql.reader import open_reader
from flows.analysis.verify import verify
from tests.chaos.job import Job, wait_until
from tests.connectors.sql.forbidden import FORBIDDEN, QUACK_CONTROL
from tests.support.running import append, asked, ended, free_port, new_job

pytestmark = pytest.mark.long

ENDLESS = (
    "select count(*) from range(1000000000) a, range(1000000000) b where a.range = b.range + 7"
)

MEMORY_MB = 512

MOONS = (
    "select len(list(range)) from range(1000000000)",
    "select string_agg(range::varchar, ',') from range(1000000000)",
    "select array_agg(repeat('x', 1000000)) from range(100000)",
    "select repeat('x', 100000000) from range(1000)",
    "select len(repeat('x', 100000000000))",
    "select len(range(4000000000))",
    "select list_resize([1], 9000000000)",
    "select median(hash(range)) from range(1000000000)",
    "select histogram(range) from range(1000000000)",
    "select * from range(1000000000) order by hash(range)",
    "with recursive t(n, s) as (select 1, 'x' union all select n + 1, s || s from t) from t",
    "select count(*) from range(1000000000) a join range(1000000000) b on hash(a.range) = b.range",
)
PORT = free_port()
NAMES = (f"e{number}" for number in count())


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    job = new_job(tmp_path_factory.mktemp("guards"))
    start(job)
    assert wait_until(lambda: find_job(job.database) is not None), job.said
    append(job, next(NAMES))
    assert wait_until(lambda: conversions(job) == 2)
    yield job
    ended(job)


@pytest.fixture(autouse=True)
def goes_on(job: Job) -> Iterator[None]:
    """Check that the same process is there after each test, and commits."""
    before = job.said
    yield
    assert commits_on(job), job.said
    assert 'level": "error' not in job.said[len(before) :]


def start(job: Job) -> None:
    limit = f"live_sql.memory_limit={MEMORY_MB}MiB"
    job.start("--set", limit, "--metrics-port", str(PORT))


def found(job: Job) -> Announcement:
    announced = find_job(job.database)
    assert announced is not None
    return announced


def conversions(job: Job) -> int:
    table = open_reader(job.database).query("select count(*) from conversions")
    return int(table.column(0)[0].as_py())


def commits_on(job: Job) -> bool:
    """Return whether an event that arrives now is soon in the result."""
    counts: list[int] = []

    def counted() -> int:
        with suppress(QueryError):  # a small query that finds no memory, beside one that takes all
            counts.append(conversions(job))
        return len(counts)

    assert wait_until(lambda: counted() == 1)
    append(job, next(NAMES))
    return wait_until(lambda: counted() > 1 and counts[-1] == counts[0] + 1)


def ask(job: Job, sql: str, token: str | None = None, **question: object) -> tuple[int, bytes]:
    announced = found(job)
    connection = http.client.HTTPConnection("127.0.0.1", announced.port, timeout=60)
    headers = {"Authorization": f"Bearer {announced.token if token is None else token}"}
    try:
        connection.request("POST", "/sql", json.dumps({"sql": sql, **question}), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def megabytes(job: Job) -> int:
    """Return the most memory that the process has ever used."""
    assert job.process is not None
    told = Path(f"/proc/{job.process.pid}/status").read_text()
    [line] = [line for line in told.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


def during(job: Job, attack: Callable[[], object]) -> bool:
    """Return whether the job commits while it is attacked."""
    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        return commits_on(job)
    finally:
        attacker.join()


def test_forbidden_statements(job: Job, tmp_path: Path) -> None:
    for statement in FORBIDDEN + QUACK_CONTROL:
        status, body = ask(job, statement.format(out=tmp_path / "out"))
        assert status == 400, (statement, body)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sql", MOONS)
def test_a_query_that_asks_for_the_moon(job: Job, sql: str) -> None:
    answers: list[tuple[int, bytes]] = []

    def attack() -> None:
        with ThreadPoolExecutor(2) as askers:
            answers.extend(askers.map(lambda _: ask(job, sql, timeout_s=4), range(2)))

    assert during(job, attack)
    for status, body in answers:
        assert status in {413, 504, 400}, body
    assert megabytes(job) < 8_000


def test_a_cross_join_that_never_ends(job: Job) -> None:
    assert during(job, lambda: ask(job, ENDLESS, timeout_s=2))


def test_ten_million_rows(job: Job) -> None:
    before = megabytes(job)
    rows: list[int] = []

    def attack() -> None:
        reader = open_reader(job.database)
        rows.append(reader.query("select range, hash(range) from range(10000000)").num_rows)

    assert during(job, attack)
    assert rows == [10_000_000]
    status, body = ask(job, "from range(10000000)", rows_max=10_000_000)
    answer = json.loads(body)
    assert (status, len(answer["rows"]), answer["truncated"]) == (200, 100_000, True)
    assert megabytes(job) < before + 300


def test_a_client_that_is_killed_in_mid_query(job: Job) -> None:
    code = f"""from pathlib import Path
from connectors.sql.reader import open_reader
open_reader(Path({str(job.database)!r})).query({ENDLESS!r})"""
    clients = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert wait_until(lambda: metric("tributary_sql_running") == 2)
    for client in clients:
        client.kill()
        client.wait()
    assert wait_until(lambda: metric("tributary_sql_running") == 0, 5)
    assert metric('tributary_sql_queries_total{outcome="gone"}') == 2


def metric(name: str) -> float:
    [line] = re.findall(
        rf"^{re.escape(name)} (\S+)$", asked(PORT, "metrics").decode(), re.MULTILINE
    )
    return float(line)


def test_odd_characters_in_names(job: Job) -> None:
    odd = ["\u202eright", "👩‍👩‍👧", "a,b\"c'd;--", "<script>", "\ufffe", "é" * 50]
    append(job, *odd, "nul\0")
    asks = (
        "select event_id from conversions where event_id in (select unnest(string_split(?, '|')))"
    )
    reader = open_reader(job.database)

    def seen() -> list[str]:
        return sorted(reader.query(asks, ["|".join(odd)]).column(0).to_pylist())

    assert wait_until(lambda: seen() == sorted(odd)), seen()
    body = ask(job, asks, parameters=["|".join(odd)])[1]
    assert sorted(row[0] for row in json.loads(body)["rows"]) == sorted(odd)
    sql = "select count(*) from conversions where event_id = 'nul' || chr(0)"
    assert reader.query(sql).column(0)[0].as_py() + len(reader.query("from rejected_events")) >= 1


def test_a_wrong_token(job: Job) -> None:
    for token in ("", "wrong", found(job).token[:-1]):
        assert ask(job, "select 1", token)[0] == 401
    assert announcement_of(job.database).stat().st_mode & 0o777 == 0o600


def test_fifty_pollers(job: Job) -> None:
    until = threading.Event()
    statuses: list[int] = []

    def poll(_poller: int) -> None:
        while not until.is_set():
            statuses.append(ask(job, "select max(seq), count(*) from commits")[0])

    with ThreadPoolExecutor(50) as pollers:
        polling = pollers.map(poll, range(50))
        try:
            assert commits_on(job)
            assert commits_on(job)
        finally:
            until.set()
        list(polling)
    assert set(statuses) == {200}


def test_at_the_end_the_result_is_right(job: Job) -> None:
    assert job.drain() == 0, job.said
    assert verify(job.database).is_equal
    start(job)  # for the check that follows each test
    assert wait_until(lambda: find_job(job.database) is not None)
