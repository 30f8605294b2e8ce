"""Verify and explain on the result of a run that goes on: part of its log is not settled yet.

What its lane reads and promises is given by hand; all else is real.
"""

import gzip
from pathlib import Path
from shutil import copy, copytree

import duckdb
import pytest

from attribution.decoded import FutureRecords, LateRecords
from attribution.policy import Policy
from attribution.registry import Registry, SourceVersion
from connectors.decoding.arrivals import ReadTimes
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.files.folder import LogError
from flows.analysis.explain.explain import explain
from flows.analysis.verify import report, verify
from tests.support import raw
from tests.support.hand_fed import Chunk, Lane, line, run

POLICY = Policy(settle_delay=raw.HOUR)
SETTLED = raw.NOW + raw.HOUR
"""Up to when the conversions of the short run are final."""

SOURCES = Registry(
    versions={
        ("adv", "src"): (SourceVersion(advertiser_id="adv", event_source_id="src", name="A"),),
        ("adv", "shop"): (
            SourceVersion(
                advertiser_id="adv",
                event_source_id="shop",
                name="Shop",
                value_currencies=frozenset({"EUR"}),
                valid_to=raw.since_epoch(raw.NOW + 10),
            ),
            SourceVersion(
                advertiser_id="adv",
                event_source_id="shop",
                name="Shop",
                test_event_code="TEST",
                valid_from=raw.since_epoch(raw.NOW + 10),
            ),
        ),
        ("adv", "young"): (
            SourceVersion(
                advertiser_id="adv",
                event_source_id="young",
                name="Young",
                valid_from=raw.since_epoch(raw.NOW + 2),
            ),
        ),
    }
)


def sold(event_id: str, at: int, **fields: object) -> raw.Document:
    """Build the request that carried one purchase."""
    return raw.envelope(raw.event(event_id, time=raw.NOW, **fields), received_at=at)


EUR = {"value": 10, "currency": "EUR"}
USD = {"value": 10, "currency": "USD"}
LOG = [
    Chunk(
        "impressions.ndjson",
        [
            raw.impression("seen", received_at=raw.NOW - raw.HOUR),
            raw.impression("seen", received_at=raw.NOW - raw.HOUR + 1),
            raw.click("hit", received_at=raw.NOW - raw.HOUR + 2, campaign_id="other"),
            {"no": "record"},
        ],
    ),
    Chunk(
        "events-a.ndjson",
        [
            sold("first", raw.NOW, custom_data=EUR),
            sold("first", raw.NOW + 1),
            raw.envelope(raw.event("foreign", custom_data=USD), event_source_id="shop"),
            raw.envelope(raw.event("early"), event_source_id="young"),
            b"",
            raw.envelope(raw.event("known"), event_source_id="young", received_at=raw.NOW + 2),
            raw.envelope(
                raw.event("trial"), event_source_id="shop", received_at=raw.NOW + raw.MINUTE
            ),
        ],
        watermark=raw.NOW + raw.MINUTE,
    ),
    # An hour of silence; what arrives after it is lifted, and late for the first.
    Chunk(
        "impressions.ndjson",
        [
            raw.impression("late", received_at=raw.NOW + 5),
            raw.impression("seen", received_at=raw.NOW + 6),
            raw.impression("apart", received_at=raw.NOW + 3 * raw.HOUR, campaign_id="other"),
        ],
        promised=raw.NOW + raw.HOUR + 10,
    ),
    Chunk(
        "events-b.ndjson",
        [b"{", sold("lifted", raw.NOW + 7), sold("lifted", raw.NOW + 8)],
        promised=raw.NOW + raw.HOUR + 20,
    ),
    Chunk(
        "events-a.ndjson",
        [sold("waits", raw.NOW + 90 * raw.MINUTE), sold("first", raw.NOW + 95 * raw.MINUTE)],
        watermark=SETTLED + raw.HOUR,
    ),
    Chunk("events-a.ndjson", [sold("in flight", raw.NOW + 3 * raw.HOUR)]),
]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result of a run whose log goes on: in its files, and in one it has not seen."""
    folder = tmp_path_factory.mktemp("live") / "log"
    database = run(folder, LOG, POLICY, SOURCES)
    Lane(folder, POLICY, SOURCES).read(Chunk("events-a.ndjson", [sold("unread", raw.NOW)]))
    Lane(folder, POLICY, SOURCES).read(Chunk("events-new.ndjson", [sold("unseen", raw.NOW)]))
    return database


def test_what_has_settled_is_what_the_log_makes_it(grown: Path) -> None:
    assert list(report(verify(grown))) == [
        "conversions_final: 2 rows, equal",
        "credits_final: 4 rows, equal",
        "duplicates: 3 rows, equal",
        "rejections: 4 rows, equal",
        "test_events: 1 row, equal",
        "measurements: 0 rows, equal",
        "latest_measurements: 0 rows, equal",
        "match_stats: 7 rows, equal",
        "touchpoint_stats: 2 rows, equal",
        "conservation: 6 rows, equal",
        "sums of shares: 4 rows, equal",
        "credit_sums: 4 rows, equal",
        "campaign_overlap: 3 rows, equal",
        "conversions_provisional: 4 rows, equal",
        "credits_provisional: 10 rows, equal",
        "3 conversions not settled yet",
        "1 row of touchpoint_stats not settled yet",
        "no differences",
    ]


def test_when_all_has_settled_all_is_compared(tmp_path: Path) -> None:
    last = Chunk("events-a.ndjson", [b""], watermark=raw.NOW + 5 * raw.HOUR)
    lines = list(report(verify(run(tmp_path / "log", [*LOG, last], POLICY, SOURCES))))
    assert lines[0] == "conversions_final: 5 rows, equal"
    assert lines[8] == "touchpoint_stats: 3 rows, equal"
    assert lines[15:] == ["no differences"]


AHEAD = "update commits set settled = settled - interval 2 hour"
"""As if some groups were ahead of the others: nothing has settled, and yet there are final rows."""


def spoiled(grown: Path, tmp_path: Path, *statements: str) -> Path:
    database = tmp_path / "spoiled.duckdb"
    copy(grown, database)
    with duckdb.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    return database


def differing(database: Path) -> set[str]:
    return {check.table for check in verify(database).tables if check.differing_rows}


def test_final_rows_of_groups_that_were_ahead(grown: Path, tmp_path: Path) -> None:
    assert verify(spoiled(grown, tmp_path, AHEAD)).is_equal
    wrong = "update conversions_final set value = 11 where event_id = 'first'"
    [difference] = verify(spoiled(grown, tmp_path, AHEAD, wrong)).tables[0].differences
    assert str(difference).endswith("value: expected 10.000000, got 11.000000")


WRONG_ROWS = """insert into conversions_final from conversions_final;
    delete from credits_final where position = 1;
    update duplicates set is_changed = not is_changed where event_id = 'first';
    update conversions_provisional set value = 3 where event_id = 'lifted';
    update conversions_provisional set conversion_id = 'x' where event_id = 'waits';
    delete from test_events"""
LOST_ROWS = """delete from conversions_final where event_id = 'first';
    delete from duplicates where event_id = 'lifted'"""


def test_what_is_wrong_is_told(grown: Path, tmp_path: Path) -> None:
    assert differing(spoiled(grown, tmp_path, WRONG_ROWS)) == {
        *("conversions_final", "credits_final", "sums of shares", "duplicates", "test_events"),
        *("conversions_provisional", "credits_provisional"),
    }
    lost = differing(spoiled(grown, tmp_path, LOST_ROWS))
    assert {"conversions_final", "match_stats", "conservation"} <= lost


def test_what_the_run_notes_decides_what_is_expected(grown: Path, tmp_path: Path) -> None:
    lost_late_records = spoiled(grown, tmp_path, "delete from late_records")
    assert {"conversions_final", "conversions_provisional"} <= differing(lost_late_records)
    less = """update read_offsets set next_offset = 8 where next_offset = 10;
        update event_sources set valid_to = null"""
    assert {"match_stats", "test_events"} <= differing(spoiled(grown, tmp_path, less))


def test_what_is_ahead_is_judged_by_what_held_when_it_was_read(tmp_path: Path) -> None:
    """Source `young` is registered at NOW + 2; events of one partition come from ahead."""
    far = raw.NOW + 4 * raw.MINUTE
    log = [
        Chunk(
            "events.ndjson",
            [
                sold("first", raw.NOW),
                raw.envelope(raw.event("early"), event_source_id="young", received_at=far),
            ],
            read_at=raw.NOW + 1,
        ),
        Chunk(
            "events.ndjson",
            [raw.envelope(raw.event("known"), event_source_id="young")],
            read_at=raw.NOW + 2,
            watermark=raw.NOW + raw.HOUR,
        ),
    ]
    database = run(tmp_path / "log", log, POLICY, SOURCES)
    with duckdb.connect(database, read_only=True) as connection:
        refused = connection.execute("select source_offset, code from rejections").fetchall()
        noted = connection.execute(
            "select first_offset, last_offset, epoch_us(read_at) from future_records order by all"
        ).fetchall()
    assert refused == [(1, "REFERENCE_NOT_FOUND")]
    read_at = [raw.since_epoch(raw.NOW + seconds) for seconds in (1, 2)]
    assert noted == [(1, 1, read_at[0]), (2, 2, read_at[1])]
    assert verify(database).is_equal
    assert {"rejections"} <= differing(spoiled(database, tmp_path, "delete from future_records"))


def test_what_is_too_far_ahead_is_so_again(tmp_path: Path) -> None:
    """Read a second later, the records would have been believed."""
    edge = raw.NOW + 5 * raw.MINUTE
    log = [
        Chunk(
            "impressions.ndjson",
            [raw.click("hit", received_at=edge + 1), raw.click("miss", received_at=edge)],
            read_at=raw.NOW,
        ),
        Chunk("impressions.ndjson", [raw.click("far", received_at=edge + 1)], read_at=raw.NOW + 1),
        Chunk(
            "events.ndjson",
            [
                sold("first", raw.NOW - raw.SECOND),
                sold("wrong", edge + 1),
                sold("after", raw.NOW),
                sold("much", raw.NOW + 999 * raw.DAY),
            ],
            read_at=raw.NOW,
            watermark=raw.NOW + raw.HOUR,
        ),
    ]
    database = run(tmp_path / "log", log, Policy(settle_delay=raw.MINUTE), SOURCES)
    with duckdb.connect(database, read_only=True) as connection:
        found = connection.execute(
            """select event_id, epoch_us(received_at), path_length, warnings
            from conversions_final order by source_offset"""
        ).fetchall()
        ignored = connection.execute(
            """select source_partition, first_offset, records from ignored_arrivals order by all"""
        ).fetchall()
    before, now = raw.since_epoch(raw.NOW - raw.SECOND), raw.since_epoch(raw.NOW)
    assert found == [
        ("first", before, 1, None),
        ("wrong", before, 1, ["received_at_in_future"]),
        ("after", now, 1, None),
        ("much", now, 1, ["received_at_in_future"]),
    ]
    assert ignored == [("events.ndjson", 1, 2), ("impressions.ndjson", 0, 1)]
    assert verify(database).is_equal
    forgotten = differing(spoiled(database, tmp_path, "delete from future_records"))
    assert {"conversions_final", "credits_final"} <= forgotten


def test_a_test_event_may_be_sent_twice(tmp_path: Path) -> None:
    """At one instant in two partitions, which are read in any order."""
    device = raw.event("try", user_match={"client_ip": "192.0.2.1", "client_user_agent": "x"})
    known, seen = (
        raw.envelope(event, received_at=raw.NOW, test_event_code="T")
        for event in (raw.event("try"), device)
    )
    log = [
        Chunk("events-b.ndjson", [seen]),
        Chunk("events-a.ndjson", [known], watermark=raw.NOW + raw.HOUR),
    ]
    assert verify(run(tmp_path / "log", log, POLICY, SOURCES)).is_equal


def copied_log(grown: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    copytree(grown.with_suffix(""), folder)
    return folder


def test_files_may_be_packed_since(grown: Path, tmp_path: Path) -> None:
    folder = copied_log(grown, tmp_path)
    plain = folder / "events-b.ndjson"
    (folder / "events-b.ndjson.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert verify(grown, folder).is_equal


def test_files_must_be_there(grown: Path, tmp_path: Path) -> None:
    folder = copied_log(grown, tmp_path)
    path = folder / "events-a.ndjson"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(LogError, match=r"events-a.ndjson ends after \d lines, .* made of 10"):
        verify(grown, folder)
    path.unlink()
    with pytest.raises(LogError, match=r"events-a.ndjson is gone, .* made of 10 lines"):
        verify(grown, folder)


def test_explanation_says_what_may_still_change(grown: Path, tmp_path: Path) -> None:
    text = explain(grown, "waits")
    assert "so far     provisional: late touchpoints may still change it" in text
    final = explain(grown, "first").split("\n\n\n")[0]
    assert "provisional" not in final
    assert "late" in final.split("\n\n")[-1]
    assert "it arrived after the conversion had settled" in final
    folder = copied_log(grown, tmp_path)
    (folder / "events-b.ndjson").unlink()
    with pytest.raises(LogError, match="is gone"):
        explain(grown, "waits", folder)


def test_readings_hold_again_wherever_a_chunk_begins() -> None:
    shop = [raw.envelope(raw.event(), event_source_id="shop", received_at=raw.NOW + 20)] * 6
    begin = raw.since_epoch(raw.NOW + 10)
    noted = ReadTimes.of(
        [FutureRecords(1, 2, begin - 1), FutureRecords(3, 3, begin), FutureRecords(5, 5, begin - 2)]
    )
    for pieces in ([(0, 6)], [(0, 2), (2, 5), (5, 6)]):
        decoder = PartitionDecoder("events", "e", policy=POLICY, registry=SOURCES)
        accepted = []
        for first, beyond in pieces:
            lines = Lines.of(b"".join(map(line, shop[first:beyond])))
            decoded = decoder.decode(lines, lines.numbered(first), read_times=noted)
            accepted += [first + at for at in decoded.rows["line"].to_pylist()]
            assert decoded.parts[0].future is None
        assert sorted(accepted) == [1, 2, 5], "the source makes tests of all events from `begin` on"


def test_lifts_are_made_again_wherever_a_chunk_begins() -> None:
    documents = [sold(str(at), at) for at in (0, 3, 9, 4, 30, 2)]
    late_records = [LateRecords(1, 2, raw.since_epoch(20)), LateRecords(5, 5, raw.since_epoch(40))]
    arrivals = []
    for pieces in ([(0, 6)], [(0, 1), (1, 3), (3, 5), (5, 6)]):
        decoder = PartitionDecoder("events", "e", policy=POLICY, registry=SOURCES)
        for first, beyond in pieces:
            lines = Lines.of(b"".join(map(line, documents[first:beyond])))
            mine = [late for late in late_records if first <= late.first_offset < beyond]
            decoded = decoder.decode(lines, lines.numbered(first), late_records=mine)
            arrivals += decoded.rows["received_at"].to_pylist()
    assert arrivals == 2 * [raw.since_epoch(at) for at in (0, 20, 20, 20, 30, 40)]
