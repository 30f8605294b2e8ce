"""A verify of a log with a hot key: memory follows the records, not the pairs they make."""

from pathlib import Path
from typing import Final

import duckdb
import pytest

from attribution.policy import Policy
from flows.analysis import verify as verifying
from flows.analysis.recorded import ResultError
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.support import raw

RECORDS: Final = 20_000
CONVERSIONS: Final = 1_500
CANDIDATES: Final = 100
LIMIT: Final = 256 * 1_000_000
"""The log and the touchpoints that count fit in it; thirty million pairs do not."""


@pytest.mark.long
def test_a_hot_key_is_verified_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [
        raw.impression(f"i{number:05}", time=raw.NOW - raw.DAY + number * raw.SECOND)
        for number in range(RECORDS)
    ]
    sold = [raw.event(f"e{number}") for number in range(CONVERSIONS)]
    raw.write_log(tmp_path, events=[raw.envelope(*sold)], impressions=shown)
    result = tmp_path / "result.duckdb"
    settings = Settings(policy=Policy(max_candidates=CANDIDATES))
    replay(ReplayOptions(folder=tmp_path, database=result, settings=settings))

    monkeypatch.setattr(verifying, "memory_limit", lambda: LIMIT)
    assert verifying.verify(result).is_equal
    with duckdb.connect(result, read_only=True) as connection:
        paths = connection.execute("""
            select distinct count(*), min(impression_id), max(impression_id)
            from credits_final group by conversion_id""").fetchall()
    assert paths == [(CANDIDATES, "i19900", "i19999")]


def test_too_little_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.write_log(tmp_path, events=[raw.envelope(raw.event())], impressions=[raw.impression("i")])
    result = tmp_path / "result.duckdb"
    replay(ReplayOptions(folder=tmp_path, database=result, settings=Settings()))
    monkeypatch.setattr(verifying, "memory_limit", lambda: 3 << 20)
    with pytest.raises(ResultError, match="cannot be verified with 3 MB of memory"):
        verifying.verify(result)
