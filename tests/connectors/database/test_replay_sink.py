"""The result file as a sink: one transaction per epoch, everything in it under its number."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from attribution.columnar.frames import END, Rows
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.database.file import DatabaseError, create_database
from connectors.database.replay_sink import DatabaseSink
from connectors.database.runs import record_run
from connectors.registry.table import record_sources

HOUR = 3_600_000_000


def repeats(*conversion_ids: str) -> pa.RecordBatch:
    count = len(conversion_ids)
    return pa.RecordBatch.from_pydict(
        {
            "advertiser_id": ["adv"] * count,
            "event_source_id": ["src"] * count,
            "event_type": ["purchase"] * count,
            "event_id": ["e"] * count,
            "received_at": pa.array([HOUR] * count).view(pa.timestamp("us", "UTC")),
            "conversion_id": list(conversion_ids),
            "is_changed": [True] * count,
        }
    )


@pytest.fixture
def connection(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    return create_database(tmp_path / "result.db", overwrite=False)


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return connection.execute(sql).fetchall()


def test_nothing_is_written_before_the_epoch_ends(connection: duckdb.DuckDBPyConnection) -> None:
    writer = DatabaseSink(connection, Path()).build_part("write", "database", None)
    writer.write_batch(
        [Rows({"duplicates": repeats("a", "b")}, 3, {("events", 0): 5, ("events", 1): 7})]
    )
    assert rows_of(connection, "from duplicates") == []
    assert writer.snapshot() == 1
    writer.write_batch(
        [Rows({"duplicates": repeats("c")}, 1, {("events", 0): END, ("events", 1): END})]
    )
    assert writer.snapshot() == 2
    assert rows_of(connection, "select conversion_id, seq from duplicates order by all") == [
        ("a", 1),
        ("b", 1),
        ("c", 2),
    ]
    commits = "select seq, epoch_us(watermark), records from commits order by seq"
    assert rows_of(connection, commits) == [(1, 5, 3), (2, None, 1)]
    deltas = "select duplicate, duplicate_changed, epoch_us(hour), seq from match_deltas order by 4"
    assert rows_of(connection, deltas) == [(2, 2, HOUR, 1), (1, 1, HOUR, 2)]


def test_an_epoch_without_rows_is_no_commit(connection: duckdb.DuckDBPyConnection) -> None:
    writer = DatabaseSink(connection, Path()).build_part("write", "database", 7)
    assert writer.snapshot() == 7
    assert rows_of(connection, "from commits") == []


def test_a_run_says_what_it_was_made_of(connection: duckdb.DuckDBPyConnection) -> None:
    policy = Policy(post_view="2d")
    record_run(connection, run_id="r", policy=policy, inputs={"folder": "f"}, key_groups=3)
    ((run_id, stored, inputs, key_groups),) = rows_of(
        connection, "select run_id, policy, inputs, key_groups from runs"
    )
    assert (run_id, inputs, key_groups) == ("r", '{"folder": "f"}', 3)
    assert Policy.model_validate_json(str(stored)) == policy


def test_the_registry_is_stored_with_the_run(connection: duckdb.DuckDBPyConnection) -> None:
    registry = Registry.from_documents(
        [
            {"advertiser_id": "a", "event_source_id": "s", "event_types": ["lead", "contact"]},
            {"advertiser_id": "a", "event_source_id": "t", "name": "T"},
        ],
        allow_unregistered=False,
    )
    record_sources(connection, registry)
    columns = "event_source_id, name, event_types, allowed_domains, valid_from, valid_to"
    assert rows_of(connection, f"select {columns} from event_sources order by all") == [
        ("s", "s", ["contact", "lead"], None, None, None),
        ("t", "T", None, None, None, None),
    ]


def test_a_result_is_only_replaced_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "result.db"
    create_database(path, overwrite=False).close()
    with pytest.raises(DatabaseError, match="exists already"):
        create_database(path, overwrite=False)
    with create_database(path, overwrite=True) as connection:
        assert rows_of(connection, "from commits") == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be written"):
        create_database(tmp_path / "missing" / "result.db", overwrite=False)
