"""The result file of a continuous run: one owner, one transaction per epoch, nothing twice."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import duckdb
import pyarrow as pa
import pytest

from attribution.columnar.frames import Rows
from attribution.policy import Policy
from attribution.registry import Registry, SourceVersion, following
from attribution.vocabulary import MODELS
from connectors import metrics
from connectors.database import compaction, live_sink, schema
from connectors.database.file import DatabaseError, create_database
from connectors.database.live_sink import LiveDatabaseSink, LiveWriter
from connectors.database.ownership import database_seq, open_live
from connectors.database.runs import Start
from connectors.registry.table import source_rows

HOUR: Final = 3_600_000_000
STATE: Final = "5t4te"
Row = dict[str, Any]

SOURCE: Final = {"advertiser_id": "adv", "event_source_id": "src", "event_type": "purchase"}
CONVERSION: Final = SOURCE | {
    "received_at": HOUR,
    "outcome": "attributed",
    "reason": None,
    "touch_type": "click",
    "is_probabilistic": False,
    "matched_on": "uid2",
    "carries": ["uid2", "ip_ua"],
    "warnings": None,
    "dropped": None,
    "match_quality": 0.5,
    "is_limited": False,
}
AD: Final = {"advertiser_id": "adv", "campaign_id": "c", "type": "impression", "currency": "EUR"}
AD_IDS: Final = dict.fromkeys(("media_buy_id", "package_id", "creative_id"))
AD_REST: Final = {**AD_IDS, "spend": None}
EARNED: Final = {model: Decimal(1) for model in MODELS} | {
    f"{model}_value": Decimal("0.5") for model in MODELS
}
TYPES: Final = {
    **dict.fromkeys(("received_at", "hour", "event_time"), pa.timestamp("us", "UTC")),
    **dict.fromkeys(("carries", "warnings", "dropped"), pa.list_(pa.string())),
    **dict.fromkeys(("reason", "media_buy_id", "package_id", "creative_id"), pa.string()),
    "spend": pa.decimal128(18, 6),
    **dict.fromkeys(MODELS, pa.decimal128(10, 9)),
    **dict.fromkeys((f"{model}_value" for model in MODELS), pa.decimal128(18, 6)),
}


def batch(*rows: Row) -> pa.RecordBatch:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return pa.RecordBatch.from_pydict(
        {name: pa.array(cells, TYPES.get(name)) for name, cells in columns.items()}
    )


def conversion(conversion_id: str, **fields: object) -> Row:
    return {"conversion_id": conversion_id} | CONVERSION | fields


def credit(conversion_id: str) -> Row:
    ad = {"advertiser_id": "adv", "campaign_id": "c", "event_time": 0, "currency": "EUR"}
    return {"conversion_id": conversion_id} | ad | AD_IDS | EARNED


def position(partition: str, next_offset: int) -> Row:
    return {"stream": "events", "source_partition": partition, "next_offset": next_offset}


def promises(*, read: int, settled: int) -> dict[tuple[str, int], int]:
    return {("events", 0): read, ("impressions", 0): read, ("credit", 0): settled}


class Clock:
    now = 1_000 * HOUR

    def __call__(self) -> int:
        return self.now


def sink(
    path: Path, *, state_id: str = STATE, registry: Registry | None = None, groups: int = 1
) -> LiveDatabaseSink:
    start = Start(
        run_id="run",
        state_id=state_id,
        policy=Policy(),
        registry=registry or Registry(versions={}),
        inputs={"folder": "f", "allow_unregistered": False},
        lanes=1,
        key_groups=groups,
    )
    return LiveDatabaseSink(path, start, Clock())


def writer(path: Path, resumed: int | None = None, **facts: Any) -> LiveWriter:  # noqa: ANN401
    return sink(path, **facts).build_part("write", "database", resumed)


def commit(writing: LiveWriter, *rows: Rows) -> int:
    writing.write_batch(list(rows))
    return writing.snapshot()


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "result.duckdb"


def test_an_epoch_is_one_commit_with_all_that_was_promised(path: Path) -> None:
    writing = writer(path, groups=2)
    repeats = batch(SOURCE | {"event_id": "e", "received_at": HOUR, "is_changed": False})
    tables = {"duplicates": repeats, "read_offsets": batch(position("a", 3), position("a", 5))}
    assert commit(writing, Rows(tables, 3, promises(read=70, settled=20))) == 1
    assert commit(writing, Rows({}, 0, {("credit", 1): 10})) == 1
    assert commit(writing, Rows({"duplicates": repeats}, 1)) == 2
    writing.close()
    commits = "select seq, epoch_us(watermark), records, epoch_us(settled) from commits order by 1"
    # A second key group has not spoken when the first commit is made.
    assert ask(path, commits) == [(1, 70, 3, None), (2, 70, 1, 10)]
    assert ask(path, "select next_offset, seq from read_offsets") == [(5, 1)]
    assert ask(path, "select duplicate, seq from match_deltas order by seq") == [(1, 1), (1, 2)]


def test_once_everything_is_final_a_commit_says_so(path: Path) -> None:
    writing = writer(path)
    now = Clock.now
    commit(writing, Rows({}, 1, promises(read=now - 1, settled=now - HOUR)))
    assert commit(writing, Rows({}, 0, promises(read=now, settled=now - 1))) == 1
    assert commit(writing, Rows({}, 0, promises(read=now + HOUR, settled=now))) == 2
    assert commit(writing, Rows({}, 0, promises(read=now + HOUR, settled=now + 1))) == 2
    writing.close()
    assert ask(path, "select epoch_us(max(settled)) from commits") == [(now,)]


def test_what_the_state_does_not_know_of_is_taken_back(path: Path) -> None:
    writing = writer(path)
    for offset in (1, 2):
        tables = {
            "conversions_final": batch(conversion(str(offset))),
            "credits_final": batch(credit(str(offset))),
            "read_offsets": batch(position("a", offset)),
        }
        commit(writing, Rows(tables, 1))
    writing.write_batch([Rows({"read_offsets": batch(position("a", 3))}, 1)])
    writing.close()  # what still waits is in no state
    assert database_seq(path, STATE) == 2
    writer(path, 1).close()
    left = [
        f"select '{table}', seq from {table} where seq > 0"
        for table in schema.TABLES
        if table not in schema.WITHOUT_SEQ
    ]
    found = {
        ("conversions_final", 1),
        ("credits_final", 1),
        ("read_offsets", 1),
    }
    assert set(ask(path, " union all ".join(left))) == found | {
        ("match_deltas", 1),
        ("commits", 1),
    }
    assert ask(path, "select accepted, carries from match_stats") == [(1, {"ip_ua": 1, "uid2": 1})]


@pytest.mark.parametrize("resumed", [None, 1, 4])
def test_a_state_that_does_not_fit_the_file(path: Path, resumed: int | None) -> None:
    writing = writer(path)
    for _ in range(3):
        commit(writing, Rows({}, 1))
    writing.close()
    with pytest.raises(DatabaseError, match=r"ends with commit 3, the state with .*old copy"):
        writer(path, resumed)
    assert database_seq(path, STATE) == 3


def test_each_start_is_recorded_with_the_registry_as_it_is_then(path: Path) -> None:
    for names in (["a", "b"], ["b", "c"]):
        documents = [
            {"advertiser_id": "adv", "event_source_id": name, "value_currencies": ["EUR"]}
            for name in names
        ]
        registry = Registry.from_documents(documents, allow_unregistered=False)
        writer(path, registry=registry).close()
    sources = "select event_source_id, value_currencies from event_sources order by 1"
    assert ask(path, sources) == [("b", ["EUR"]), ("c", ["EUR"])]
    inputs = "select inputs->>'mode', inputs->>'folder', inputs->>'state_id' from runs"
    assert ask(path, inputs) == [("run", "f", STATE)] * 2
    info = "select schema_version, state_id, duckdb = version()[2:] from database_info"
    assert ask(path, info) == [(schema.SCHEMA_VERSION, STATE, True)]


def test_of_a_source_that_changes_twice_in_an_epoch_the_last_word_counts(path: Path) -> None:
    first, other = (SourceVersion(advertiser_id="adv", event_source_id=s, name=s) for s in "ab")
    second = following((first,), replace(first, name="second"), 100)
    third = following(second, replace(first, name="third"), 200)
    writing = writer(path)
    told = [Rows({"event_sources": source_rows(each)}) for each in ([*second, other], third)]
    assert commit(writing, *told) == 1
    writing.close()
    names = "select name, epoch_us(valid_from), epoch_us(valid_to) from event_sources order by all"
    assert ask(path, names) == [
        *(("a", None, 100), ("b", None, None)),
        *(("second", 100, 200), ("third", 200, None)),
    ]


def _foreign(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("create table mine (x integer)")


def _replayed(path: Path) -> None:
    create_database(path, overwrite=False).close()


def _of_version(version: int) -> Any:  # noqa: ANN401
    def make(path: Path) -> None:
        with open_live(path, STATE) as connection:
            connection.execute(f"update database_info set schema_version = {version}")

    return make


def _of_another(path: Path) -> None:
    open_live(path, "another").close()


def _no_database(path: Path) -> None:
    path.write_text("not a database at all\n" * 1000)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_foreign, "is not a result of this version of tributary"),
        (_replayed, "is the result of a replay"),
        (_of_version(schema.SCHEMA_VERSION + 1), "was made by a newer version"),
        (_of_version(schema.SCHEMA_VERSION - 1), "was made by an older version"),
        (_of_another, f"belongs to the state another, this run's is {STATE}"),
        (_no_database, "cannot be opened"),
    ],
)
def test_a_file_that_is_not_the_runs_own(path: Path, make: Any, reason: str) -> None:  # noqa: ANN401
    make(path)
    before = path.read_bytes()
    for attempt in (database_seq, open_live):
        with pytest.raises(DatabaseError, match=reason):
            attempt(path, STATE)
    assert path.read_bytes() == before


def test_where_there_is_no_file_or_nothing_in_it(path: Path) -> None:
    assert database_seq(path, STATE) is None
    duckdb.connect(path).close()  # as when the creation was cut short
    assert database_seq(path, STATE) is None
    writer(path).close()
    assert database_seq(path, STATE) == 0
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_live(path.parent / "missing" / "result.duckdb", STATE)


def test_a_file_that_another_process_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.database.ownership.HELD_SECONDS", 0.0)
    open_live(path, STATE).close()
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        for attempt in (database_seq, open_live):
            with pytest.raises(DatabaseError, match=f"held open by process {holder.pid};"):
                attempt(path, STATE)
        holder.communicate(b"\n")


def test_a_query_that_came_in_while_the_run_was_down_is_waited_for(path: Path) -> None:
    open_live(path, STATE).close()
    ask = """
import duckdb, sys, time
c = duckdb.connect(sys.argv[1], read_only=True)
print(1, flush=True)
time.sleep(1)
"""
    with subprocess.Popen([sys.executable, "-c", ask, str(path)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        reader.stdout.readline()
        open_live(path, STATE).close()


def test_a_long_log_is_emptied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sink, "WAL_BYTES_MAX", 10_000)
    writing = writer(path)
    wal = path.with_name(path.name + ".wal")
    sizes = []
    for number in range(10):
        commit(writing, Rows({"conversions_final": batch(conversion(str(number)))}, 1))
        sizes.append(wal.stat().st_size if wal.exists() else 0)
    writing.close()
    assert 0 in sizes
    assert max(sizes) <= 10_000


def test_the_sink_tells_what_it_has_done(path: Path) -> None:
    def value(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0

    labels = {"stream": "events", "outcome": "attributed"}
    before = value("tributary_outcomes_total", **labels)
    writing = writer(path)
    received = batch(SOURCE | {"hour": 0, "received": 3})
    commit(writing, Rows({"received": received}, 1, promises(read=70_000_000, settled=20_000_000)))
    assert value("tributary_in_flight") == 3
    commit(writing, Rows({"conversions_final": batch(conversion("a"), conversion("b"))}, 1))
    assert value("tributary_outcomes_total", **labels) == before + 2
    assert value("tributary_in_flight") == 1
    assert value("tributary_watermark_seconds", stream="events") == 70
    assert value("tributary_settled_seconds") == 20
    assert value("tributary_commit_age_seconds") < 5
    writing.close()
    metrics.IN_FLIGHT.set(0)
    writer(path, 2).close()
    assert value("tributary_in_flight") == 1


class Life:
    """A file with a random life: epochs, and crashes that may lose the last commit."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = Random(seed)  # noqa: S311  the test must be the same every time
        self.writing = writer(path)
        self.seq = self.next_id = 0
        self.open: list[str] = []

    def live(self, steps: int) -> None:
        for _ in range(steps):
            if self.random.random() < 0.25:
                self.crash()
            self.epoch()
        self.writing.close()

    def epoch(self) -> None:
        new = [str(self.next_id + n) for n in range(self.random.randrange(1, 4))]
        done = [each for each in self.open if self.random.random() < 0.4]
        before = self.seq, self.next_id, list(self.open)
        tables = self.tables(new, done)
        self.next_id += len(new)
        self.open = [each for each in self.open + new if each not in done]
        self.before = before
        self.seq = commit(self.writing, Rows(tables, len(new)))

    def tables(self, new: list[str], done: list[str]) -> dict[str, pa.RecordBatch]:
        hour = self.random.randrange(3) * HOUR
        at = {"received_at": hour, "match_quality": self.random.random()}
        ads = [
            AD | {"hour": hour, "records": n, "duplicates": 1} | AD_REST
            for n in range(self.random.randrange(1, 3))
        ]
        tables = {
            "received": batch(SOURCE | {"hour": hour, "received": len(new)}),
            "conversions_provisional": batch(*(conversion(each, **at) for each in new)),
            "credits_provisional": batch(*map(credit, new)),
            "touchpoint_deltas": batch(*ads),
            "read_offsets": batch(position(self.random.choice("ab"), self.next_id)),
        }
        if done:
            tables["conversions_final"] = batch(*(conversion(each, **at) for each in done))
            tables["credits_final"] = batch(*map(credit, done))
        return tables

    def crash(self) -> None:
        """Lose the process; the state may not know of the last commit."""
        self.writing.close()
        if self.seq and self.random.random() < 0.5:
            self.seq, self.next_id, self.open = self.before
        self.writing = writer(self.path, self.seq)


VIEWS: Final = (
    "select conversion_id, is_final, seq from conversions order by all",
    "select conversion_id, is_final, seq from credits order by all",
    "from match_stats order by all",
    "from touchpoint_stats order by all",
    "from model_comparison order by all",
    "from campaign_overlap order by all",
    "from conservation order by all",
    "select source_partition, max(next_offset) from read_offsets group by all order by all",
    "select seq, records from commits order by all",
)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compaction, "UPKEEP_COMMITS", 3)
    monkeypatch.setattr(compaction, "SUMMED_COMMITS", 2)
    yield
    monkeypatch.undo()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 4])
def test_upkeep_does_not_show(tmp_path: Path, seed: int, often: None) -> None:
    del often
    kept, untouched = tmp_path / "kept.duckdb", tmp_path / "untouched.duckdb"
    Life(kept, seed).live(20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "UPKEEP_COMMITS", 10**9)
        patch.setattr(compaction, "SUMMED_COMMITS", 10**9)
        Life(untouched, seed).live(20)
    for view in VIEWS:
        assert ask(kept, view) == ask(untouched, view)
    assert ask(kept, "select count(*) > 0 from credit_deltas join overlap_deltas using (seq)")[0][0]
    for table in ("conversions_provisional", "match_deltas", "touchpoint_deltas", "read_offsets"):
        size = f"select count(*) from {table}"
        assert ask(kept, size) < ask(untouched, size)
    pruned = (
        "select count(*) from conversions_provisional join conversions_final using (conversion_id)"
    )
    assert ask(kept, pruned) < ask(untouched, pruned)
