"""Read routes over a result that a job has open: the answers are those of its file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from connectors.sql.live import LiveSql, answering
from connectors.sql.queries import Limits
from tests.connectors.api.conftest import Served, serving
from tests.connectors.api.reads.delivery_log import make_result
from tests.support.live_sql import held

PATHS = (
    "events/o1",
    "events/r1?event_source_id=src",
    "events/summary?start=2026-05-11T00:00:00Z&end=2026-05-12T00:00:00Z&granularity=day",
    "events/summary?startHour=2026-05-10T00:00:00Z&endHour=2026-05-12T00:00:00Z",
    "media-buys/mb/delivery",
    "media-buys/mixed/delivery?start_date=2026-05-10&end_date=2026-05-12",
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("made"))


@pytest.fixture
def opened(database: Path, tmp_path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Served]]:
    """Yield a copy of the result as a job has it open, and the API that reads it."""
    copy = Path(shutil.copy(database, tmp_path / "result.duckdb"))
    log = tmp_path / "log"
    log.mkdir()
    with (
        held(copy) as (connection, file),
        answering(LiveSql(database=copy, limits=Limits()), connection, file),
        serving(log, result=copy) as served,
    ):
        yield connection, served


def told(served: Served, path: str) -> object:
    answer = served.client.get(f"/api/buyer/advertisers/adv/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_job_answers_as_its_file_does(
    database: Path, tmp_path: Path, opened: tuple[duckdb.DuckDBPyConnection, Served]
) -> None:
    folder = tmp_path / "another"
    folder.mkdir()
    _, live = opened
    with serving(folder, result=database) as at_rest:
        for path in PATHS:
            assert told(live, path) == told(at_rest, path), path


def test_a_commit_is_told_at_the_next_question(
    opened: tuple[duckdb.DuckDBPyConnection, Served],
) -> None:
    connection, live = opened
    before = told(live, PATHS[0])
    connection.execute(
        "insert into duplicates select advertiser_id, event_source_id, event_type, event_id,"
        " received_at, conversion_id, false, 2 from conversions where event_id = 'o1'"
    )
    assert told(live, PATHS[0]) == before, "not in a commit yet"
    connection.execute("insert into commits (seq, committed_at) values (2, now())")
    after = told(live, PATHS[0])
    assert isinstance(after, dict)
    assert (after["events"][0]["duplicates"], after["as_of"]["commit"]) == (1, 2)
