"""Computes the expected contents of a result file from the decoded log, with `expected.sql`.

This module runs the SQL and fills in the policy. The rules are in the SQL; the caller provides the
log.
"""

from importlib.resources import files

import duckdb

from attribution.columnar.frames import END, START
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES, OBSERVED_EVENT_TYPES


def create_log(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Create the tables of the decoded log, empty, and those of the policy, filled.

    The result counts as complete unless `note_progress` is called.
    """
    connection.execute("set timezone = 'UTC'")
    connection.execute(_script("log_tables.sql"))
    limits = (
        policy.settle_delay,
        policy.max_event_delay,
        policy.dedup_window,
        policy.probabilistic_window,
        policy.half_life,
        policy.max_candidates,
    )
    connection.execute("insert into policy values (?, ?, ?, ?, ?, ?)", limits)
    kinds = [
        (kind, strength, policy.weights[kind], kind in policy.match_keys)
        for strength, kind in enumerate(policy.ordered_kinds, start=1)
    ]
    connection.executemany("insert into kinds values (?, ?, ?, ?)", kinds)
    windows = [
        (name, policy.post_click_of(name), policy.post_view_of(name), name in OBSERVED_EVENT_TYPES)
        for name in EVENT_TYPES
    ]
    connection.executemany("insert into windows values (?, ?, ?, ?)", windows)
    connection.execute("insert into progress values (?)", [END])


def note_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Read the progress of a result that still grows from `result`; call it before computing."""
    row = connection.execute("select max(epoch_us(settled)) from result.commits").fetchone()
    settled = START if row is None or row[0] is None else row[0]
    connection.execute("update progress set settled = ?", [settled])
    early = "where epoch_us(received_at) >= ?"
    connection.execute(
        f"insert into ahead select conversion_id from result.conversions_final {early}", [settled]
    )
    connection.execute(
        f"""insert into ahead_duplicates
        select distinct conversion_id, epoch_us(received_at) from result.duplicates {early}""",
        [settled],
    )


def compute_expected(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the `expected_*` tables from the log tables of the same connection."""
    for statement in connection.extract_statements(_script("expected.sql")):
        connection.execute(statement)


def count_unsettled(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Count the conversions, and the rows of touchpoint_stats, that are not decided yet."""
    counts = connection.execute(
        """select (select count(*) from unsettled),
        (select count(*) from unsettled_touchpoint_stats)"""
    ).fetchone()
    assert counts is not None
    return counts


def _script(name: str) -> str:
    return files("connectors.verify").joinpath(name).read_text(encoding="utf-8")
