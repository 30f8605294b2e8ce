"""A verify must see every kind of wrong result; here a right one is spoiled in one place each."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from attribution.policy import Policy
from connectors.verify.compare import Difference, compare
from connectors.verify.tables import COMPARISONS
from tests.support.decoded import (
    HOUR,
    NOW,
    Row,
    click,
    event,
    expected,
    impression,
    measurement,
    rejection,
    trial,
    write_result,
)

POLICY = Policy(half_life=HOUR)
LOG: dict[str, list[Row]] = {
    "events": [
        event(value=Decimal("0.0001"), currency="EUR", warnings=["malformed_hash"]),
        event(source_offset=1),
        event("lonely", keys=[]),
    ],
    "impressions": [
        impression("i1", time=NOW - 3 * HOUR, spend=Decimal("0.5"), currency="EUR"),
        impression("i2", time=NOW - 2 * HOUR),
        click("i3", time=NOW - HOUR),
    ],
    "rejections": [rejection()],
    "tests": [trial()],
    "measurements": [
        measurement(),
        measurement(source_offset=1, metric_value=Decimal(7)),
        measurement(source_offset=2, campaign_id="other", external_row_id="row"),
    ],
}


@cache
def right() -> tuple[duckdb.DuckDBPyConnection, bytes]:
    """Make what is expected, and the content of the right result, once for all tests."""
    with TemporaryDirectory() as folder:
        path = write_result(Path(folder) / "right.duckdb", LOG, policy=POLICY)
        return expected(POLICY, **LOG), path.read_bytes()


def differences(path: Path, *spoil: str) -> list[Difference]:
    """Write the right result, spoil it by SQL, and give the differences found."""
    connection, result = right()
    path.write_bytes(result)
    connection.execute(f"attach '{path}' as result")
    try:
        for statement in spoil:
            connection.execute(statement)
        checks = [compare(connection, each, limit=5) for each in COMPARISONS]
    finally:
        connection.execute("detach result")
    assert [check.table for check in checks if check.differing_rows] == list(
        dict.fromkeys(check.table for check in checks if check.differences)
    )
    return [difference for check in checks for difference in check.differences]


SUMS = {"credit_sums", "campaign_overlap"}
"""These differ too if credits do."""


def test_right_result_has_no_difference(tmp_path: Path) -> None:
    assert differences(tmp_path / "r.duckdb") == []


@pytest.mark.parametrize(
    ("spoil", "table", "column", "right", "wrong"),
    [
        (
            "update result.conversions_final set matched_on = 'euid' where event_id = 'e1'",
            *("conversions_final", "matched_on", "uid2", "euid"),
        ),
        (
            "update result.conversions_final set warnings = ['value_rounded'] where value > 0",
            *("conversions_final", "warnings", "[malformed_hash]", "[value_rounded]"),
        ),
        (
            "update result.measurements set metric_value = 8 where source_offset = 0",
            *("measurements", "metric_value", "100.500000000000", "8.000000000000"),
        ),
        (
            "update result.credits_final set campaign_id = null where impression_id = 'i1'",
            *("credits_final", "campaign_id", "cmp", None),
        ),
        (
            "delete from result.duplicates",
            *("duplicates", None, "a row", None),
        ),
        (
            "insert into result.duplicates from result.duplicates",
            *("duplicates", None, None, "a row"),
        ),
        (
            "update result.rejections set code = 'INVALID_CURRENCY'",
            *("rejections", "code", "INVALID_EVENT_TIME", "INVALID_CURRENCY"),
        ),
        (
            "update result.test_events set match_quality = 0.8",
            *("test_events", "match_quality", "0.9", "0.8"),
        ),
        (
            "update result.touchpoint_deltas set spend = 1 where spend > 0",
            *("touchpoint_stats", "spend", "0.500000", "1.000000"),
        ),
        (
            "update result.match_deltas set carries = map {'uid2': 2::bigint}",
            *("match_stats", "carries"),
            *("[{'key': uid2, 'value': 1}]", "[{'key': uid2, 'value': 2}]"),
        ),
        (
            "update result.match_deltas set quality_sum = quality_sum + 0.000000000001",
            *("match_stats", "quality_sum", "0.900000000000", "0.900000000001"),
        ),
        (
            """update result.conversions_final set match_quality = 0.9000000000000001
              where match_quality = 0.9""",
            *("conversions_final", "match_quality", "0.9", "0.9000000000000001"),
        ),
    ],
)
def test_spoiled_cell_is_named(  # noqa: PLR0913  a row of the table above
    tmp_path: Path,
    *,
    spoil: str,
    table: str,
    column: str | None,
    right: str | None,
    wrong: str | None,
) -> None:
    all_found = differences(tmp_path / "r.duckdb", spoil)
    [difference] = [each for each in all_found if each.table not in SUMS]
    found = (difference.table, difference.column, difference.expected, difference.got)
    assert found == (table, column, right, wrong)


def test_lost_event_breaks_conservation(tmp_path: Path) -> None:
    found = differences(tmp_path / "r.duckdb", "update result.match_deltas set test = 0")
    cells = [(each.table, each.column, each.expected, each.got) for each in found]
    assert cells == [
        ("match_stats", "test", "1", "0"),
        ("conservation", "in_flight", "0", "1"),
    ]


def test_counts_split_over_commits_are_the_same(tmp_path: Path) -> None:
    rest = """insert into result.match_deltas
        select d.* replace (0 as received, 0 as test, 0 as rejected, 0 as duplicate,
          0 as duplicate_changed, 0 as attributed, 0 as unattributed, 0 as no_identifier,
          0 as click_through, map() as carries, map {'uid2': 0::bigint} as matched_on,
          map() as warnings)
        from result.match_deltas as d, range(2)"""
    split = ["update result.match_deltas set quality_sum = quality_sum / 3", rest]
    assert differences(tmp_path / "r.duckdb", *split) == []


def moved(share: str, value: str = "0") -> list[str]:
    """Move some of the time_decay share and value from the earliest touchpoint to the winner."""
    return [
        f"update result.credits_final set time_decay = time_decay {sign} {share}, "
        f"time_decay_value = time_decay_value {sign} {value} where impression_id = '{touchpoint}'"
        for sign, touchpoint in [("-", "i1"), ("+", "i3")]
    ]


def test_weight_may_differ_in_its_last_bit(tmp_path: Path) -> None:
    # One billionth of a share, and what that makes of the value: a millionth at most.
    assert differences(tmp_path / "a.duckdb", *moved("0.000000001", "0.000001")) == []
    found = differences(tmp_path / "b.duckdb", *moved("0.000000002"))
    assert [(each.table, each.column) for each in found] == [("credits_final", "time_decay")]
    found = differences(tmp_path / "c.duckdb", *moved("0", "0.000003"))
    assert [(each.table, each.column) for each in found] == [
        ("credits_final", "time_decay_value"),
        ("credits_final", "time_decay_value"),
    ]


def test_shares_that_do_not_add_up(tmp_path: Path) -> None:
    spoil = "update result.credits_final set linear = 0.3 where impression_id = 'i3'"
    found = differences(tmp_path / "r.duckdb", spoil)
    assert [(each.table, each.column, each.got) for each in found] == [
        ("credits_final", "linear", "0.300000000"),
        ("sums of shares", "linear", "0.966666666"),
        ("credit_sums", "linear", "1.000000000"),
    ]


@pytest.mark.parametrize(
    ("spoil", "table"),
    [
        ("update result.credit_deltas set seq = 0", "credit_sums"),
        ("update result.credit_deltas set day = day + 1", "credit_sums"),
        ("update result.credit_deltas set linear_value = 0", "credit_sums"),
        ("insert into result.overlap_deltas from result.overlap_deltas", "campaign_overlap"),
        ("update result.overlap_deltas set won = 0", "campaign_overlap"),
    ],
)
def test_sums_of_credits_that_are_wrong(tmp_path: Path, spoil: str, table: str) -> None:
    assert {each.table for each in differences(tmp_path / "r.duckdb", spoil)} == {table}


def test_only_the_first_differing_rows_are_named(tmp_path: Path) -> None:
    extra = "insert into result.rejections select r.* from result.rejections r, range(30)"
    found = differences(tmp_path / "r.duckdb", extra)
    assert len(found) == 5


def test_difference_reads_as_a_sentence() -> None:
    cell = Difference("credits_final", "c1 i1", "linear", "0.5", None)
    assert str(cell) == "credits_final (c1 i1) linear: expected 0.5, got nothing"
    missing = Difference("duplicates", "adv src", None, "a row", None)
    assert str(missing) == "duplicates (adv src): row is missing"
    extra = Difference("duplicates", "adv src", None, None, "a row")
    assert str(extra) == "duplicates (adv src): row should not be there"


def test_read_only_result_is_enough(tmp_path: Path) -> None:
    path = write_result(tmp_path / "r.duckdb", LOG, policy=POLICY)
    path.chmod(0o444)
    with expected(POLICY, **LOG) as connection:
        connection.execute(f"attach '{path}' as result (read_only)")
        checks = [compare(connection, each, limit=5) for each in COMPARISONS]
    assert [(check.table, check.rows, check.differing_rows) for check in checks] == [
        ("conversions_final", 2, 0),
        ("credits_final", 3, 0),
        ("duplicates", 1, 0),
        ("rejections", 1, 0),
        ("test_events", 1, 0),
        ("measurements", 3, 0),
        ("latest_measurements", 2, 0),
        ("match_stats", 1, 0),
        ("touchpoint_stats", 3, 0),
        ("conservation", 1, 0),
        ("sums of shares", 1, 0),
        ("credit_sums", 1, 0),
        ("campaign_overlap", 1, 0),
    ]


def test_connection_of_a_result_needs_no_extension(tmp_path: Path) -> None:
    path = write_result(tmp_path / "r.duckdb", LOG, policy=POLICY)
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set autoinstall_known_extensions = false")
        assert connection.execute("select count(*) from conversions").fetchone() == (2,)
