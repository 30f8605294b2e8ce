"""Which days a delivery is of, and when its numbers are final."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from attribution.policy import Policy
from connectors.api.reads.media_buys import Found, Wanted, find_state
from connectors.api.reads.periods import Period, finality, period_of
from connectors.sql.reader import Reader, open_reader

POLICY = Policy(max_event_delay="3d")
DAY = timedelta(days=1)
END = datetime(2026, 5, 12, tzinfo=UTC)
WEEK = Period(END - 7 * DAY, END)


class Result:
    """A result whose commits are written by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, mode: str) -> None:
        with duckdb.connect(self.path) as connection:
            connection.execute(
                "insert into runs values ('r', now(), '0', ?, ?, 1)",
                [POLICY.model_dump_json(), json.dumps({"mode": mode})],
            )

    def commit(self, seq: int, at: datetime, settled: datetime | None) -> None:
        with duckdb.connect(self.path) as connection:
            connection.execute(
                "insert into commits values (?, ?, ?, 1, ?)", [seq, at, settled, settled]
            )

    def tells(self, *, provisional: int = 0) -> dict[str, object]:
        reader = open_reader(self.path)
        try:
            return told(reader, provisional)
        finally:
            reader.close()


def told(reader: Reader, provisional: int) -> dict[str, object]:
    state = find_state(reader)
    assert state is not None
    return finality(reader, bought(provisional=provisional), WEEK, state)


def bought(
    first: datetime = WEEK.start, last: datetime = WEEK.start, provisional: int = 0
) -> Found:
    return Found("mb", first, last, [], [], {}, Decimal(provisional), is_cut=False)


@pytest.fixture
def result(tmp_path: Path, empty_result: Path) -> Result:
    return Result(Path(shutil.copy(empty_result, tmp_path)))


def test_a_run_is_final_once_all_that_may_come_has_settled(result: Result) -> None:
    result.run("run")
    settling = END + 3 * DAY
    result.commit(1, END + 4 * DAY, None)
    assert result.tells() == {"is_final": False}, "it is not known how far it has settled"
    result.commit(2, END + 4 * DAY, settling - timedelta(microseconds=1))
    assert result.tells() == {"is_final": False}
    result.commit(3, END + 5 * DAY, settling)
    result.commit(4, END + 6 * DAY, settling + DAY)
    assert result.tells() == {"is_final": True, "finalized_at": END + 5 * DAY}
    assert result.tells(provisional=1) == {"is_final": False}


def test_a_replay_is_final_once_the_period_is_over(result: Result) -> None:
    result.run("")
    result.commit(1, END - timedelta(microseconds=1), None)
    assert result.tells() == {"is_final": False}
    result.commit(2, END, None)
    assert result.tells() == {"is_final": True, "finalized_at": END}


def test_a_period_without_dates_is_that_of_the_records(result: Result) -> None:
    wanted = Wanted("adv", None, None, "last_touch", has_days=False)
    records = bought(datetime(2026, 5, 1, 23, tzinfo=UTC), datetime(2026, 5, 3, 1, tzinfo=UTC))

    def days(mode: str, wanted: Wanted, found: Found = records) -> tuple[date, date]:
        result.run(mode)
        reader = open_reader(result.path)
        state = find_state(reader)
        reader.close()
        assert state is not None
        period = period_of(found, wanted, state)
        return period.start.date(), period.end.date()

    result.commit(1, END, END)
    assert days("", wanted) == (date(2026, 5, 1), date(2026, 5, 4))
    assert days("run", wanted) == (date(2026, 5, 1), date(2026, 5, 13)), "it goes on"
    later = Wanted("adv", date(2026, 6, 1), None, "last_touch", has_days=False)
    assert days("run", later) == (date(2026, 6, 1), date(2026, 6, 2))
    earlier = Wanted("adv", None, date(2026, 4, 1), "last_touch", has_days=False)
    assert days("run", earlier) == (date(2026, 3, 31), date(2026, 4, 1))
    far = bought(last=datetime(9999, 12, 31, tzinfo=UTC))
    assert days("run", wanted, far)[1] == date(9999, 1, 1)
