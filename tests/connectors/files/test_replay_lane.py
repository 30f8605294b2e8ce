"""Many files at once: decoded together, in order of arrival, at a cost that is linear in files."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from attribution.columnar.columns import values
from attribution.decoded import Decoded, LateRecords
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.files import whole_lines
from connectors.files.folder import find_files
from connectors.files.replay_lane import Lane, Partition
from connectors.files.whole_lines import UNPACKED_TIMES, decode_in_turn
from connectors.progress import Extent
from connectors.verify import log_tables as decoding
from connectors.verify.log_tables import decode_folder
from connectors.verify.reread_files import decode_extents
from tests.support.raw import HOUR, envelope, event, impression, since_epoch, write_log

POLICY = Policy()
REGISTRY = Registry.from_documents([], allow_unregistered=True)
FILES = 60


def name_of(hour: int) -> str:
    return f"impressions-{hour:04d}.ndjson"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a file per hour, some of them packed, with two records each."""
    files = {
        name_of(hour) + ("", ".gz", ".zst")[hour % 3]: [
            impression(f"{hour}-{at}", received_at=hour * HOUR + at) for at in range(2)
        ]
        for hour in range(FILES)
    }
    return write_log(tmp_path_factory.mktemp("many"), impressions=files)


def lane_of(folder: Path, chunk_bytes: int) -> Lane:
    return Lane(partitions_of(folder), chunk_bytes)


def partitions_of(folder: Path) -> list[Partition]:
    return [
        Partition(
            file, PartitionDecoder(file.stream, file.partition, policy=POLICY, registry=REGISTRY)
        )
        for file in find_files(folder)
    ]


def chunks_of(lane: Lane) -> Iterator[Decoded]:
    while (read := lane.read()) is not None:
        if read[1] is not None:
            yield read[1]


def places(chunks: Iterator[Decoded]) -> list[tuple[str, int, int]]:
    """Return partition, offset and arrival of all rows, sorted."""
    found: list[tuple[str, int, int]] = []
    for decoded in chunks:
        place = decoded.places(values(decoded.rows, "line"))
        columns = (*place.values(), decoded.rows["received_at"])
        found += zip(*(column.to_pylist() for column in columns), strict=True)
    return sorted(found)


EXPECTED = [
    (name_of(hour), at, since_epoch(hour * HOUR + at)) for hour in range(FILES) for at in range(2)
]


def test_small_files_are_decoded_together(many: Path) -> None:
    (decoded,) = chunks_of(lane_of(many, whole_lines.CHUNK_BYTES))
    assert [part.partition for part in decoded.parts] == [name_of(hour) for hour in range(FILES)]
    assert places(iter([decoded])) == EXPECTED


@pytest.mark.parametrize("chunk_bytes", [1, 300, 1_000, 20_000])
def test_records_are_the_same_in_any_chunks(many: Path, chunk_bytes: int) -> None:
    assert places(chunks_of(lane_of(many, chunk_bytes))) == EXPECTED


def test_threads_decode_as_many_chunks_of_a_large_file_in_advance(tmp_path: Path) -> None:
    records = [impression(f"{at}", received_at=at) for at in range(100)]
    write_log(tmp_path, impressions={name_of(0): records}, events={"events.ndjson": [envelope()]})
    size = (tmp_path / name_of(0)).stat().st_size
    apart = places(chunks_of(lane_of(tmp_path, size // 10)))
    lane, chunks = Lane(partitions_of(tmp_path), size // 10, threads=3), 0
    found = []
    while (read := lane.read()) is not None:
        if read[1] is not None:
            found.append(read[1])
        chunks += read[0] == "impressions"
        assert lane.consumed <= (chunks + 3) * size / 10 + 1_000
    assert places(iter(found)) == apart
    lane.close()


def test_a_chunk_is_of_the_files_that_lag_and_not_of_more(many: Path) -> None:
    chunks = list(chunks_of(lane_of(many, 10_000)))
    order = [part.partition for decoded in chunks for part in decoded.parts]
    assert order == [name_of(hour) for hour in range(FILES)]
    size = len((many / name_of(0)).read_bytes())
    assert all(len(decoded.parts) * size < 11_000 for decoded in chunks)
    assert len(chunks) <= FILES * size / 7_500 + 1


def test_the_promise_of_a_chunk_is_that_of_the_next_file(many: Path) -> None:
    lane = lane_of(many, 1_000)
    ahead = FILES
    for decoded in chunks_of(lane):
        ahead -= len(decoded.parts)
        if ahead:
            assert lane.watermark("impressions") == since_epoch((FILES - ahead) * HOUR)
    assert ahead == 0


def test_a_chunk_is_of_one_stream_the_one_that_lags(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        impressions={
            name_of(hour): [impression(f"i{hour}", received_at=hour * HOUR)] for hour in (0, 2, 9)
        },
        events={
            f"events-{hour}.ndjson": [envelope(event(f"e{hour}"), received_at=hour * HOUR)]
            for hour in (1, 5)
        },
    )
    streams = [
        (decoded.stream, len(decoded.parts)) for decoded in chunks_of(lane_of(tmp_path, 10_000))
    ]
    assert streams == [("impressions", 3), ("events", 2)]


def test_the_laggard_is_found_without_a_look_at_all(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    really = Partition.__lt__

    def counting(one: Partition, other: Partition) -> bool:
        nonlocal looks
        looks += 1
        return really(one, other)

    monkeypatch.setattr(Partition, "__lt__", counting)
    assert len(list(chunks_of(lane_of(many, 1)))) == 2 * FILES
    assert looks < 2 * FILES * 2 * FILES.bit_length() * 2  # to look at all takes 7,200


def test_files_that_were_read_are_closed(many: Path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    lane, before = lane_of(many, whole_lines.CHUNK_BYTES), opened()
    _ = next(chunks_of(lane))
    assert opened() == before
    total = sum(file.stat().st_size for file in many.glob("impressions*"))
    assert lane.consumed == total


def test_a_folder_is_decoded_in_few_chunks(many: Path) -> None:
    (decoded,) = decode_folder(many, POLICY, REGISTRY)
    assert places(iter([decoded])) == EXPECTED


def test_lines_of_a_partition_are_not_twice_in_a_chunk(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = whole_lines.read_whole_lines
    monkeypatch.setattr(decoding, "read_whole_lines", lambda file: read(file, 300))
    chunks = list(decode_folder(many, POLICY, REGISTRY))
    for decoded in chunks:
        names = [part.partition for part in decoded.parts]
        assert len(names) == len(set(names))
    assert places(iter(chunks)) == EXPECTED


def test_chunks_in_turn_are_bounded(many: Path) -> None:
    nexts = filter(None, (partition.take(10_000) for partition in partitions_of(many)))
    chunks = list(decode_in_turn(nexts, 5_000))
    size = len((many / name_of(0)).read_bytes()) + 10
    assert all(len(decoded.parts) * size < 5_500 for decoded in chunks)
    assert places(iter(chunks)) == EXPECTED


def test_extents_are_decoded_together_as_far_as_they_go(many: Path) -> None:
    late = LateRecords(0, 0, since_epoch(500 * HOUR))
    extents = [
        Extent("impressions", name_of(hour), 1 + hour % 2, (late,) if hour == 7 else ())
        for hour in range(FILES)
    ]
    (decoded,) = decode_extents(many, extents, POLICY, REGISTRY)
    lifted = since_epoch(500 * HOUR)
    assert places(iter([decoded])) == [
        (name, offset, lifted if name == name_of(7) else at)
        for name, offset, at in EXPECTED
        if offset <= int(name[12:16]) % 2
    ]


def test_files_without_a_last_feed_or_without_anything(tmp_path: Path) -> None:
    write_log(tmp_path, impressions={name_of(hour): [impression(f"{hour}")] for hour in range(9)})
    for hour in range(9):
        path = tmp_path / name_of(hour)
        path.write_bytes(path.read_bytes().removesuffix(b"\n") if hour % 3 else b"")
    (decoded,) = chunks_of(lane_of(tmp_path, 100_000))
    assert sorted(decoded.rows["impression_id"].to_pylist()) == ["1", "2", "4", "5", "7", "8"]
    (decoded,) = decode_folder(tmp_path, POLICY, REGISTRY)
    assert sorted(decoded.rows["impression_id"].to_pylist()) == ["1", "2", "4", "5", "7", "8"]


def test_a_packed_file_may_be_much_longer_than_expected(tmp_path: Path) -> None:
    same = [impression("a", received_at=HOUR)] * 3_000
    write_log(tmp_path, impressions={"impressions.ndjson.zst": same})
    packed = (tmp_path / "impressions.ndjson.zst").stat().st_size
    content = len(pa.input_stream(tmp_path / "impressions.ndjson.zst").read())
    assert content > packed * UNPACKED_TIMES
    chunks = list(chunks_of(lane_of(tmp_path, 16_000_000)))
    assert places(iter(chunks)) == [
        ("impressions.ndjson", at, since_epoch(HOUR)) for at in range(3_000)
    ]
