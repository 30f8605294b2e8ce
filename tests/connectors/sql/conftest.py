"""A result with two conversions, as a file and as a job has it open."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from connectors.sql.queries import Limits
from tests.support.decoded import event, impression, write_result
from tests.support.live_sql import Live, answered


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = {
        "events": [event(), event("e2", source_offset=1, keys=[])],
        "impressions": [impression()],
    }
    path = write_result(tmp_path_factory.mktemp("written") / "result.duckdb", log)
    with duckdb.connect(path) as connection:
        connection.execute("insert into commits values (1, now(), null, 2, null)")
    return path


@pytest.fixture
def database(written: Path, tmp_path: Path) -> Path:
    """Return a result with two conversions and one commit."""
    return Path(shutil.copy(written, tmp_path / "result.duckdb"))


@pytest.fixture
def live(database: Path, limits: Limits) -> Iterator[Live]:
    with answered(database, limits) as live:
        yield live
