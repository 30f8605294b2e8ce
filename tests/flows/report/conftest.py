"""Results to report on."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.report.file import report
from flows.report.selection import Selection
from tests.support.decoded import write_result
from tests.support.reported import LOG


@pytest.fixture(scope="package")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("report") / "result.duckdb", LOG)


@pytest.fixture(scope="package")
def html(result: Path) -> str:
    """Return the report of the result."""
    return report(result, Selection())


@pytest.fixture
def tables(result: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(result, read_only=True) as connection:
        yield connection


@pytest.fixture(scope="package")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("report") / "empty.duckdb", {})
