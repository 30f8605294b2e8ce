"""Segments: what is stored once, what stays inline, when files go, and what damage looks like."""

import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connectors.state.errors import SegmentError
from connectors.state.manifests import Inline, Manifest
from connectors.state.segments import (
    INLINE_BYTES,
    LIVE_SHARE,
    MAP_BYTES,
    Segments,
    absent,
    faults,
    unnamed,
)

LARGE = INLINE_BYTES // 8


def batch(rows: int, start: int = 0) -> pa.RecordBatch:
    """Return 8 bytes per row, and a little more."""
    return pa.RecordBatch.from_pydict({"number": pa.array(range(start, start + rows), pa.int64())})


def nested() -> pa.RecordBatch:
    """Return a batch of the kinds of columns that state has, cut out of a larger one."""
    keys = [[{"kind": 1, "key_high": 2**64 - 1}], [], None, [{"kind": 2, "key_high": None}] * 2]
    struct = pa.struct({"kind": pa.uint8(), "key_high": pa.uint64()})
    return pa.RecordBatch.from_pydict(
        {
            "campaign": pa.array(["shoes", None, "hats", "shoes"]).dictionary_encode(),
            "keys": pa.array(keys, pa.list_(struct)),
            "value": pa.array([None, "1.5", "2", "-3"]).cast(pa.decimal128(18, 6)),
            "time": pa.array([1, 2, 3, 4], pa.timestamp("us", "UTC")),
        }
    ).slice(1)


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    return Segments(tmp_path)


def names(segments: Segments) -> set[str]:
    return {path.name for path in segments.folder.iterdir()}


def test_what_is_saved_is_loaded(segments: Segments) -> None:
    state = {"small": [nested(), nested().slice(0, 0)], "none": [], "large": [batch(LARGE)]}
    manifest = segments.snapshots().save(state)
    assert segments.snapshots().load(manifest) == state
    assert segments.snapshots().load(pickle.loads(pickle.dumps(manifest))) == state  # noqa: S301


def test_small_batches_stay_in_the_manifest_until_they_are_much_together(
    segments: Segments,
) -> None:
    snapshots, parts = segments.snapshots(), [batch(LARGE // 3, start) for start in range(3)]
    assert snapshots.save({"a": parts[:1]}).files == set()
    assert snapshots.save({"a": parts[:1], "b": parts[1:2]}).inline_bytes < INLINE_BYTES
    assert names(segments) == set()
    manifest = snapshots.save({"a": parts[:1], "b": parts[1:]})
    assert len(manifest.files) == 1
    assert manifest.inline_bytes == 0
    rows = {name: sum(part.rows for part in parts) for name, parts in manifest.batches.items()}
    assert rows == {
        "a": LARGE // 3,
        "b": LARGE // 3 * 2,
    }


def test_what_has_not_changed_is_only_named(segments: Segments) -> None:
    snapshots, large, small = segments.snapshots(), batch(LARGE), batch(10)
    first = snapshots.save({"a": [large], "b": [small]})
    assert snapshots.save({"a": [large], "b": [small]}) == first
    assert snapshots.save({"a": [], "b": [large]}).batches == {"a": [], "b": first.batches["a"]}
    assert names(segments) == first.files


def test_what_was_loaded_counts_as_stored(segments: Segments) -> None:
    manifest = segments.snapshots().save({"a": [batch(LARGE), batch(10)]})
    resumed = segments.snapshots()
    assert resumed.save(resumed.load(manifest)) == manifest
    assert names(segments) == manifest.files


def test_large_batches_are_mapped_and_small_ones_are_not(segments: Segments) -> None:
    large, small = batch(MAP_BYTES), batch(LARGE)
    manifest = segments.snapshots().save({"a": [large, small]})
    before = pa.total_allocated_bytes()
    mapped, copied = segments.snapshots().load(manifest)["a"]
    assert pa.total_allocated_bytes() - before < 2 * small.nbytes
    assert (mapped, copied) == (large, small)
    assert {buffer.address % 8 for buffer in mapped["number"].buffers() if buffer} == {0}


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_file_goes_two_saves_after_the_first_without_it(
    segments: Segments, *, is_resumed: bool
) -> None:
    snapshots = segments.snapshots()
    manifest = snapshots.save({"a": [batch(LARGE)]})
    if is_resumed:
        snapshots = segments.snapshots()
        snapshots.load(manifest)
    there = []
    for _ in range(4):
        snapshots.save({"a": []})
        there.append(len(names(segments)))
    assert there == [1, 1, 0, 0]


def test_the_rest_of_a_file_that_is_mostly_dead_is_written_anew(segments: Segments) -> None:
    snapshots, parts = segments.snapshots(), [batch(LARGE, start) for start in range(5)]
    (first,) = snapshots.save({"a": parts}).files
    assert snapshots.save({"a": parts[:2]}).files == {first}
    manifest = snapshots.save({"a": parts[:1]})
    assert first not in manifest.files
    assert segments.snapshots().load(manifest) == {"a": parts[:1]}


def spoil(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_damage_is_told_with_the_file_and_what_to_do(segments: Segments) -> None:
    manifest = segments.snapshots().save({"a": [batch(LARGE)]})
    (name,) = manifest.files
    path = segments.folder / name
    assert list(faults(segments, manifest)) == []

    spoil(path, at=-100)
    assert list(absent(segments, manifest)) == []
    (told,) = faults(segments, manifest)
    with pytest.raises(SegmentError) as raised:
        segments.snapshots().load(manifest)
    assert str(raised.value) == told
    assert told.startswith(f"{path} is damaged: the checksum of a batch in it differs; restore")

    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    (told,) = absent(segments, manifest)
    assert told.startswith(f"{path} is damaged: it has {size} bytes, expected {size + 1}; restore")

    for spoiled in (b"", None):
        path.write_bytes(spoiled) if spoiled is not None else path.unlink()
        with pytest.raises(SegmentError, match=name):
            segments.snapshots().load(manifest)
    assert next(absent(segments, manifest)).startswith(f"{path} is missing; restore")


def test_damage_to_the_manifest_itself_is_seen(segments: Segments) -> None:
    (part,) = segments.snapshots().save({"a": [batch(3)]}).parts
    assert isinstance(part, Inline)
    damaged = Manifest({"a": [replace(part, data=part.data[::-1])]})
    with pytest.raises(SegmentError, match="the recovery store is damaged"):
        segments.snapshots().load(damaged)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let writes of this process fail beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_nothing_and_can_be_repeated(segments: Segments) -> None:
    snapshots, state = segments.snapshots(), {"a": [batch(LARGE)]}
    with (
        file_size_limit(1_000),
        pytest.raises(SegmentError, match="cannot be written: File too large; make room"),
    ):
        snapshots.save(state)
    assert names(segments) == set()
    assert segments.snapshots().load(snapshots.save(state)) == state


def test_what_nothing_names_is_found(segments: Segments) -> None:
    named = segments.snapshots().save({"a": [batch(LARGE)]}).files
    left = segments.snapshots().save({"a": [batch(LARGE)]}).files
    (segments.folder / "x.seg.tmp").touch()
    (segments.folder / "lost+found").mkdir()
    assert {path.name for path in unnamed(segments, named)} == left | {"x.seg.tmp"}


STEPS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 2 * LARGE), max_size=3),  # rows of new batches
        st.sets(st.integers(0, 20)),  # which of the old ones go
        st.sampled_from(["go on", "go on", "resume the last", "resume the one before"]),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(STEPS)
def test_both_manifests_that_may_be_resumed_are_always_whole(
    steps: list[tuple[list[int], set[int], str]],
) -> None:
    with TemporaryDirectory() as folder:
        segments = Segments(Path(folder))
        snapshots, state, start = segments.snapshots(), list[pa.RecordBatch](), 0
        saved: list[tuple[Manifest, list[pa.RecordBatch]]] = []
        for new, gone, then in steps:
            state = [each for place, each in enumerate(state) if place not in gone]
            state += [batch(rows, start + place) for place, rows in enumerate(new)]
            start += 10
            saved = [*saved[-1:], (snapshots.save({"a": state}), list(state))]
            for manifest, expected in saved:
                assert segments.snapshots().load(manifest) == {"a": expected}
            assert_little_is_dead(segments, saved[-1][0])
            if then != "go on":
                manifest, _ = saved[-1 if then == "resume the last" else 0]
                snapshots = segments.snapshots()
                state = snapshots.load(manifest)["a"]
                saved = [(manifest, list(state))]


def assert_little_is_dead(segments: Segments, manifest: Manifest) -> None:
    live: dict[str, int] = {}
    for part in manifest.stored:
        if part.file:
            live[part.file] = live.get(part.file, 0) + part.length
    for file, length in live.items():
        assert length >= (segments.folder / file).stat().st_size * LIVE_SHARE
