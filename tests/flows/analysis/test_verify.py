"""A whole verify: a replayed folder, its result file, and everything that can stand in the way."""

from pathlib import Path
from shutil import copytree

import duckdb
import pytest

from attribution.policy import Policy
from flows.analysis.recorded import ResultError
from flows.analysis.verify import report, verify
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.support import raw


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a log in `log` and its result in `result.duckdb`."""
    place = tmp_path_factory.mktemp("verify")
    log = place / "log"
    log.mkdir()
    shown = [raw.impression("i1", time=raw.NOW - 2 * raw.DAY), raw.click("i2"), {"no": "record"}]
    sold = raw.event(custom_data={"value": 10, "currency": "EUR"})
    events: list[raw.Document] = [
        raw.envelope(sold, raw.event("e2", user_match=None)),
        raw.envelope(sold),
        b"{",
    ]
    raw.write_log(log, events=events, impressions=shown)
    policy = Policy(post_view=3 * raw.DAY)
    replay(
        ReplayOptions(
            folder=log, database=place / "result.duckdb", settings=Settings(policy=policy)
        )
    )
    return place


def spoiled(replayed: Path, tmp_path: Path, sql: str) -> Path:
    copytree(replayed, tmp_path, dirs_exist_ok=True)
    with duckdb.connect(tmp_path / "result.duckdb") as connection:
        connection.execute(sql)
    return tmp_path / "result.duckdb"


def test_replay_is_what_its_log_makes_it(replayed: Path) -> None:
    verification = verify(replayed / "result.duckdb")
    assert verification.is_equal
    assert list(report(verification)) == [
        "conversions_final: 2 rows, equal",
        "credits_final: 2 rows, equal",
        "duplicates: 1 row, equal",
        "rejections: 2 rows, equal",
        "test_events: 0 rows, equal",
        "measurements: 0 rows, equal",
        "latest_measurements: 0 rows, equal",
        "match_stats: 2 rows, equal",
        "touchpoint_stats: 2 rows, equal",
        "conservation: 2 rows, equal",
        "sums of shares: 1 row, equal",
        "credit_sums: 1 row, equal",
        "campaign_overlap: 1 row, equal",
        "no differences",
    ]


def test_difference_is_told(replayed: Path, tmp_path: Path) -> None:
    sql = "update credits_final set campaign_id = 'other' where position = 1"
    verification = verify(spoiled(replayed, tmp_path, sql))
    assert not verification.is_equal
    difference = verification.differences[0]
    assert str(difference).endswith(" i1) campaign_id: expected cmp, got other")
    lines = list(report(verification))
    assert lines[0] == str(difference)
    assert "credits_final: 2 rows, 1 differ" in lines
    assert lines[-1] == "the result is not what the log makes it"


def test_log_may_have_moved(replayed: Path, tmp_path: Path) -> None:
    moved = spoiled(replayed, tmp_path, "update runs set inputs = replace(inputs, '/log', '/no')")
    with pytest.raises(ResultError, match=r"the log is not at .*/no; name the folder"):
        verify(moved)
    assert verify(moved, tmp_path / "log").is_equal


def test_a_log_that_has_changed_is_no_difference(replayed: Path, tmp_path: Path) -> None:
    result = spoiled(replayed, tmp_path, "select 1")
    raw.write_log(tmp_path / "log", impressions=[])
    said = r"has changed since it was replayed: .*, impressions.ndjson is another than the one "
    with pytest.raises(ResultError, match=said):
        verify(result, tmp_path / "log")


def test_a_log_that_has_grown_is_no_difference(replayed: Path, tmp_path: Path) -> None:
    result = spoiled(replayed, tmp_path, "select 1")
    with (tmp_path / "log" / "events.ndjson").open("ab") as file:
        file.write(b"{\n")
    with pytest.raises(ResultError, match=r"events.ndjson has grown from [\d,]+ to [\d,]+ bytes;"):
        verify(result, tmp_path / "log")


def test_a_result_that_has_noted_no_marks_differs(replayed: Path, tmp_path: Path) -> None:
    """An earlier version has made it."""
    result = spoiled(
        replayed, tmp_path, "update runs set inputs = json_merge_patch(inputs, '{\"marks\": null}')"
    )
    raw.write_log(tmp_path / "log", impressions=[])
    verification = verify(result, tmp_path / "log")
    differing = [table.table for table in verification.tables if table.differing_rows]
    assert differing[:2] == ["conversions_final", "credits_final"]


def test_no_result(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="there is no result file"):
        verify(tmp_path / "none.duckdb")


def test_some_other_database(tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "other.duckdb").close()
    with pytest.raises(ResultError, match="cannot be read as a result file"):
        verify(tmp_path / "other.duckdb")


def test_result_without_a_run(replayed: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="records no run"):
        verify(spoiled(replayed, tmp_path, "delete from runs"))
