"""Files that grow: what is read when, how a file is known again, and what it must not do."""

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from zlib import crc32

import pytest

from attribution.contract.document import MAX_DOCUMENT_BYTES
from connectors.files import growing_file, listing, polling
from connectors.files.folder import LogError
from connectors.files.intake import FIRST_BYTES, PACKED_MAX, TailIntake, TailIntakes
from connectors.intake import Documents
from connectors.positions import HEAD_BYTES

NAME = "events.ndjson"
LONG = [b"%07d" % number for number in range(1_000)]
"""Lines that are more than a head together."""


def joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def read_of(given: Iterable[Documents]) -> list[tuple[str, int, bytes]]:
    return [
        (each.partition, offset, each.lines[row])
        for each in given
        for row, offset in enumerate(each.offsets.tolist())
    ]


def look(intake: TailIntake, *held: str) -> list[Documents]:
    """Look around, and give what there is."""
    intake.look_around()
    return intake.poll(held)


class Folder:
    """A folder, the intake of its only lane, and all that came out of it."""

    def __init__(self, path: Path, chunk_bytes: int = 1_000_000) -> None:
        self.path = path
        self._tails = TailIntakes(path, 1, chunk_bytes, listing_interval=0)
        self.intake: TailIntake = self._tails.open(0, {})
        self._names: set[str] = set()

    def append(self, content: bytes, name: str = NAME) -> None:
        with (self.path / name).open("ab") as file:
            file.write(content)

    def write(self, lines: Iterable[bytes], name: str = NAME) -> None:
        (self.path / name).write_bytes(joined(lines))

    def read(self, *held: str) -> list[tuple[str, int, bytes]]:
        """Poll once; give partition, number and line of what came."""
        given = look(self.intake, *held)
        self._names |= {name for _, name in self.intake.partitions()}
        return read_of(given)

    def read_all(self) -> list[bytes]:
        """Poll until all files are at their end."""
        lines = []
        while True:
            lines += [line for _, _, line in self.read()]
            if all(self.intake.is_at_end(name) for _, name in self.intake.partitions()):
                return lines

    def read_on(self) -> list[bytes]:
        """Read all after a restart."""
        self.restart()
        return self.read_all()

    def restart(self) -> None:
        """Open the lane anew where it is."""
        positions = {name: self.intake.position(name) for name in self._names}
        self.intake.close()
        self.intake = self._tails.open(0, positions)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_lines_are_given_once_they_are_whole(folder: Folder) -> None:
    assert folder.read() == []
    folder.append(b"a\nb")
    assert folder.read() == [(NAME, 0, b"a")]
    assert folder.intake.is_at_end(NAME)
    assert folder.read() == []
    folder.append(b"c\n\nd\n")
    assert folder.read() == [(NAME, 1, b"bc"), (NAME, 2, b""), (NAME, 3, b"d")]
    assert (folder.read(), folder.intake.next_offset(NAME)) == ([], 4)


def test_a_new_file_is_found(folder: Folder) -> None:
    folder.append(b"a\n")
    assert folder.read() == [(NAME, 0, b"a")]
    folder.append(b"b\n", "impressions-2.ndjson")
    folder.append(b"c\n", "other.ndjson")
    assert folder.read() == [("impressions-2.ndjson", 0, b"b")]
    assert folder.intake.partitions() == [
        ("events", NAME),
        ("impressions", "impressions-2.ndjson"),
    ]


def test_a_new_file_waits_for_the_next_listing(tmp_path: Path) -> None:
    intake = TailIntakes(tmp_path, 1, listing_interval=3600).open(0, {})
    assert look(intake) == []
    (tmp_path / NAME).write_bytes(b"a\n")
    assert (look(intake), intake.partitions()) == ([], [])


def test_every_file_is_one_lanes(tmp_path: Path) -> None:
    names = [f"events-{number}.ndjson" for number in range(20)]
    for name in names:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"{}\n"))
    tails = TailIntakes(tmp_path, 3)
    for lane in range(3):
        intake = tails.open(lane, {})
        look(intake)
        found = [name for _, name in intake.partitions()]
        assert found == sorted(name for name in names if crc32(name.encode()) % 3 == lane)


@pytest.mark.parametrize("chunk_bytes", [1, 9, 100, 1_000_000])
@pytest.mark.parametrize("packed", [False, True])
def test_a_backlog_comes_in_chunks_across_restarts(
    tmp_path: Path, chunk_bytes: int, *, packed: bool
) -> None:
    lines = LONG[:200]
    content = joined(lines)
    name = f"{NAME}.gz" if packed else NAME
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    folder = Folder(tmp_path, chunk_bytes)
    read: list[bytes] = []
    while len(read) < len(lines):
        given = folder.read()
        assert len(given) <= max(chunk_bytes // 8, 1) or packed
        read += [line for _, _, line in given]
        folder.restart()
    assert (read, folder.read_all()) == (lines, [])


def test_the_first_chunk_of_a_file_is_small(folder: Folder) -> None:
    folder.write([b"x" * 999] * 100)
    assert len(folder.read()) == FIRST_BYTES // 1000
    assert not folder.intake.is_at_end(NAME)
    assert len(folder.read()) == 100 - FIRST_BYTES // 1000


def test_a_poll_gives_about_a_chunk(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 100)
    names = [f"events-{number}.ndjson" for number in range(9)]
    for name in names:
        folder.write([b"x" * 49], name)
    assert [name for name, _, _ in folder.read()] == names[:2]
    assert [folder.intake.is_at_end(name) for name in names] == [True] * 2 + [False] * 7
    folder.write([b"x" * 49, b"y" * 49], names[0])
    assert len(folder.read_all()) == 8


def test_a_line_beyond_the_limit_is_cut_short(folder: Folder) -> None:
    folder.append(b"a\n" + b"x" * (MAX_DOCUMENT_BYTES + 5_000))
    assert (folder.read_all(), folder.intake.next_offset(NAME)) == ([b"a"], 1)
    folder.append(b"y" * 5_000)
    assert folder.read() == []
    folder.append(b"\nb\n")
    long, last = folder.read_all()
    assert (len(long), last) == (MAX_DOCUMENT_BYTES + 1, b"b")


def test_a_packed_line_beyond_the_limit_does_not_move_the_place(tmp_path: Path) -> None:
    long = b"x" * (2 * MAX_DOCUMENT_BYTES + 5)
    content = b"\n".join([b"a", long, b"b", b"c"])
    (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress(content, compresslevel=1))
    folder = Folder(tmp_path, 8_000_000)
    read: list[bytes] = []
    while len(read) < 4:
        read += [line for _, _, line in folder.read()]
        folder.restart()
    assert (read[0], read[2:]) == (b"a", [b"b", b"c"])
    assert MAX_DOCUMENT_BYTES < len(read[1]) < len(long)


def test_a_complete_file_may_go_and_come_back_packed(folder: Folder) -> None:
    folder.write(LONG)
    assert folder.read_all() == LONG
    (folder.path / NAME).unlink()
    assert (folder.read(), folder.intake.is_at_end(NAME)) == ([], True)
    folder.restart()
    assert folder.read() == []
    (folder.path / f"{NAME}.gz").write_bytes(gzip.compress(joined([*LONG, b"more"])))
    assert folder.read_all() == [b"more"]
    folder.restart()
    assert (folder.read_all(), folder.intake.next_offset(NAME)) == ([], len(LONG) + 1)


def open_files() -> int:
    """Count those of this process: other tests may have left some."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_many_packed_files_at_once(tmp_path: Path) -> None:
    names = [f"events-{number:03}.ndjson" for number in range(PACKED_MAX + 4)]
    for name in names:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"a\n" * 40_000))
    before = open_files()
    folder = Folder(tmp_path)
    total = len(folder.read())
    while not all(folder.intake.is_at_end(name) for name in names):
        total += len(folder.read())
        assert open_files() - before <= PACKED_MAX
    assert total == 40_000 * len(names)


def test_a_file_restored_from_a_copy_goes_on(folder: Folder) -> None:
    folder.write(LONG)
    folder.read_all()
    (folder.path / "copy").write_bytes((folder.path / NAME).read_bytes() + b"more\n")
    (folder.path / "copy").replace(folder.path / NAME)
    assert folder.read_all() == [b"more"]


def cut_off(folder: Folder) -> None:
    folder.write(LONG[:10])


def replaced(folder: Folder) -> None:
    (folder.path / NAME).unlink()
    folder.write(reversed(LONG))


def rewritten(folder: Folder) -> None:
    folder.write(reversed([*LONG, b"more"]))


def renamed(folder: Folder) -> None:
    (folder.path / NAME).rename(folder.path / "events-old.ndjson")


def packed_shorter(folder: Folder) -> None:
    (folder.path / NAME).unlink()
    (folder.path / f"{NAME}.gz").write_bytes(gzip.compress(joined(LONG[:-1])))


def packed_incomplete(folder: Folder) -> None:
    (folder.path / "events-2.ndjson.gz").write_bytes(gzip.compress(b"{}\n" * 9_000)[:-20])


def without_its_folder(folder: Folder) -> None:
    folder.path.rename(folder.path.with_name("elsewhere"))


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("break_rule", "said"),
    [
        (cut_off, "has 80 bytes, and was read up to byte 8,000; a file only grows"),
        (replaced, r"does not begin as it did when it was read, up to byte 8,000"),
        (rewritten, r"does not begin as it did when it was read, up to byte 8,000"),
        (renamed, r"was renamed to events-old\.ndjson, and would be read once more"),
        (packed_shorter, "has 7,992 bytes, and was read up to byte 8,000"),
        (packed_incomplete, "a packed file must be complete when it gets its name"),
        (without_its_folder, "is not a folder"),
    ],
)
def test_what_a_file_must_not_do(
    tmp_path: Path, break_rule: Callable[[Folder], None], said: str, *, restarts: bool
) -> None:
    path = tmp_path / "log"
    path.mkdir()
    folder = Folder(path)
    folder.write(LONG)
    assert folder.read_all() == LONG
    break_rule(folder)
    with pytest.raises(LogError, match=said):
        (folder.read_on if restarts else folder.read_all)()


def test_a_file_must_not_go_before_it_was_read(folder: Folder) -> None:
    folder.append(b"a\nb")
    folder.read()
    (folder.path / NAME).unlink()
    with pytest.raises(LogError, match="is gone, and was read only up to byte 2; put it back"):
        folder.read()


OTHER_LANE = next(
    name
    for name in (f"events-{number}.ndjson" for number in range(99))
    if crc32(name.encode()) % 2 != crc32(NAME.encode()) % 2
)
"""A name that belongs to the other one of two lanes."""


class TwoLanes:
    """The lanes of two processes over one folder: none knows what the other one does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        mine = crc32(NAME.encode()) % 2
        self.former, self.latter = (
            TailIntakes(path, 2, listing_interval=0).open(lane, {}) for lane in (mine, 1 - mine)
        )

    def end_epoch(self) -> None:
        for lane in (self.former, self.latter):
            lane.commit({})


@pytest.fixture
def lanes(tmp_path: Path) -> TwoLanes:
    """Return two lanes, the former of which has read a file."""
    (tmp_path / NAME).write_bytes(joined(LONG))
    lanes = TwoLanes(tmp_path)
    assert len(read_of(look(lanes.former))) == len(LONG)
    assert look(lanes.latter) == []
    return lanes


def test_a_file_renamed_into_another_lane_is_not_read_twice(lanes: TwoLanes) -> None:
    (lanes.path / NAME).rename(lanes.path / OTHER_LANE)
    assert look(lanes.latter) == []
    assert lanes.latter.partitions() == [("events", OTHER_LANE)]
    assert not lanes.latter.is_at_end(OTHER_LANE)  # so that nothing of it is late
    lanes.end_epoch()
    assert look(lanes.latter) == []
    with pytest.raises(LogError, match=f"{NAME} was renamed to {OTHER_LANE}"):
        look(lanes.former)


def test_a_file_that_got_the_inode_of_another_is_read_after_two_epochs(lanes: TwoLanes) -> None:
    (lanes.path / NAME).rename(lanes.path / OTHER_LANE)
    (lanes.path / OTHER_LANE).write_bytes(b"a\n")  # the same inode, and nothing of the former
    assert look(lanes.latter) == []
    assert look(lanes.former) == []
    lanes.end_epoch()
    assert look(lanes.latter) == []
    lanes.end_epoch()
    assert read_of(look(lanes.latter)) == [(OTHER_LANE, 0, b"a")]
    assert lanes.former.is_at_end(NAME)


def test_a_file_that_is_moved_in_is_read_at_once(lanes: TwoLanes) -> None:
    elsewhere = lanes.path / "elsewhere"
    elsewhere.write_bytes(b"a\n")
    os.utime(elsewhere, (1, 1))
    elsewhere.rename(lanes.path / OTHER_LANE)
    assert read_of(look(lanes.latter)) == [(OTHER_LANE, 0, b"a")]


def test_a_rename_that_no_listing_saw_at_once_is_one(lanes: TwoLanes) -> None:
    """To list takes time, and a name may have been passed by when a file gets it."""
    outside = lanes.path.with_name(f"{lanes.path.name}-outside")
    (lanes.path / NAME).rename(outside)
    assert (look(lanes.latter), look(lanes.former)) == ([], [])
    outside.rename(lanes.path / OTHER_LANE)
    assert look(lanes.latter) == []
    with pytest.raises(LogError, match=f"{NAME} was renamed to {OTHER_LANE}"):
        look(lanes.former)


def test_a_rename_while_nobody_ran_is_seen_at_the_first_look(lanes: TwoLanes) -> None:
    (lanes.path / NAME).rename(lanes.path / OTHER_LANE)
    mine = crc32(NAME.encode()) % 2
    again = TailIntakes(lanes.path, 2).open(mine, {NAME: lanes.former.position(NAME)})
    with pytest.raises(LogError, match=f"{NAME} was renamed to {OTHER_LANE}"):
        look(again)


def test_a_file_with_a_place_of_its_own_is_none_that_was_renamed(lanes: TwoLanes) -> None:
    """Both names have been read; which of them is gone does not matter."""
    place = lanes.former.position(NAME)
    (lanes.path / NAME).rename(lanes.path / OTHER_LANE)
    tails = TailIntakes(lanes.path, 2, listing_interval=0)
    mine = crc32(NAME.encode()) % 2
    former = tails.open(mine, {NAME: place})
    latter = tails.open(1 - mine, {OTHER_LANE: place})
    assert (look(former), look(latter)) == ([], [])
    (lanes.path / OTHER_LANE).rename(lanes.path / NAME)
    assert (look(former), look(latter)) == ([], [])


@pytest.mark.parametrize(("before", "after"), [("", ".gz"), (".gz", "")])
@pytest.mark.parametrize("restarts", [False, True])
def test_while_a_file_is_packed_or_unpacked_there_are_two(
    folder: Folder, before: str, after: str, *, restarts: bool
) -> None:
    content = {"": joined(LONG), ".gz": gzip.compress(joined(LONG))}
    (folder.path / (NAME + before)).write_bytes(content[before])
    assert folder.read_all() == LONG
    other = folder.path / (NAME + after)
    other.write_bytes(content[after][: len(content[after]) // 2])
    if restarts:
        folder.restart()
    assert (folder.read(), folder.read()) == ([], [])
    other.write_bytes(content[after])
    (folder.path / (NAME + before)).unlink()
    assert folder.read() == []
    if not after:
        folder.append(b"more\n")
        assert folder.read() == [(NAME, len(LONG), b"more")]


def test_two_files_of_a_partition_that_stay_are_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    intake = TailIntakes(tmp_path, 1, listing_interval=0, tell=told.append).open(0, {})
    for name, content in ((NAME, b"a\n"), (f"{NAME}.gz", gzip.compress(b"b\n"))):
        (tmp_path / name).write_bytes(content)
    assert read_of(look(intake)) == [(NAME, 0, b"a")]
    assert told == []
    monkeypatch.setattr(listing, "TWICE_SECONDS", 0.0)
    assert (look(intake), look(intake)) == ([], [])
    assert len(told) == 1
    assert f"holds {NAME} packed and plain" in told[0]


def test_what_does_not_grow_is_looked_at_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "IDLE_AFTER", 0.0)
    monkeypatch.setattr(polling, "ASLEEP_LOOKS", 2)
    names = [f"events-{number}.ndjson" for number in range(5)]
    folder = Folder(tmp_path)
    for name in names:
        folder.write([b"a"], name)
        os.utime(tmp_path / name, (1, 1))
    assert len(folder.read()) == 5
    for _ in range(3):  # at their ends, then idle, then asleep
        assert folder.read() == []
    assert folder.intake.partitions() == []
    for name in names:
        folder.append(b"b\n", name)
    rounds = [{name for name, _, _ in folder.read()} for _ in range(3)]
    assert [len(each) for each in rounds] == [2, 2, 1]
    assert set().union(*rounds) == set(names)


def test_a_folder_that_has_not_changed_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SETTLED_AFTER", 0.0)
    folder = Folder(tmp_path)
    folder.append(b"a\n")
    assert len(folder.read()) == 1
    folder.read()
    folder.append(b"b\n", "events-2.ndjson")
    assert folder.read() == [("events-2.ndjson", 0, b"b")]
    folder.read()
    times = tmp_path.stat()
    folder.append(b"c\n", "events-3.ndjson")
    os.utime(tmp_path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as if the clock stood still
    assert folder.read() == []
    monkeypatch.setattr(listing, "UNLISTED_MAX", 0.0)
    assert folder.read() == [("events-3.ndjson", 0, b"c")]


def test_a_file_that_has_only_moved_in_a_head_is_known(folder: Folder) -> None:
    """The checksum covers what was read, be it less than a head."""
    folder.append(b"short\n")
    folder.read()
    folder.append(b"x" * HEAD_BYTES + b"\n")
    assert len(folder.read()) == 1
    folder.restart()
    assert folder.read() == []
    (folder.path / NAME).write_bytes(b"short\n" + b"y" * HEAD_BYTES + b"\n")
    folder.append(b"z\n")
    with pytest.raises(LogError, match="does not begin as it did"):
        folder.read()


def test_what_is_no_regular_file_is_left_alone_and_told_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "events.jsonl").touch()
    intake = TailIntakes(tmp_path, 1, listing_interval=0, tell=told.append).open(0, {})
    assert look(intake) == []
    why = "its name does not end in .ndjson, .ndjson.gz or .ndjson.zst"
    assert told == [f"{tmp_path} holds what is not read: events.jsonl ({why})"]
    told.clear()
    os.mkfifo(tmp_path / "events-pipe.ndjson")
    (tmp_path / "events-2.ndjson.tmp").touch()  # to be renamed, perhaps
    (tmp_path / NAME).write_bytes(b"a\n")
    assert read_of(look(intake)) == [(NAME, 0, b"a")]
    assert look(intake) == []
    assert told == [f"{tmp_path} holds what is not read: events-pipe.ndjson (a pipe)"]


def test_a_name_that_stays_unread_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    intake = TailIntakes(tmp_path, 1, listing_interval=0, tell=told.append).open(0, {})
    intake.look_around()
    (tmp_path / "events.ndjson.tmp").touch()
    intake.look_around()
    assert told == []
    monkeypatch.setattr(listing, "UNREAD_SECONDS", 0)
    intake.look_around()
    intake.look_around()
    assert len(told) == 1
    assert "events.ndjson.tmp (its name does not end in" in told[0]


def test_a_file_that_was_read_may_become_a_pipe(folder: Folder) -> None:
    folder.append(b"a\n")
    assert folder.read_all() == [b"a"]
    (folder.path / NAME).unlink()
    os.mkfifo(folder.path / NAME)
    assert folder.read_all() == []
    folder.append(b"b\n", "events-2.ndjson")
    assert folder.read_on() == [b"b"]


def test_a_file_of_which_something_is_unread_must_not_become_a_pipe(folder: Folder) -> None:
    folder.append(b"a\nb")
    assert folder.read_all() == [b"a"]
    (folder.path / NAME).unlink()
    os.mkfifo(folder.path / NAME)
    with pytest.raises(LogError, match="is gone, and was read only up to byte 2"):
        folder.read()


def test_an_empty_file_may_come_and_go(tmp_path: Path) -> None:
    told: list[str] = []
    tails = TailIntakes(tmp_path, 1, listing_interval=0, tell=told.append)
    intake = tails.open(0, {})
    (tmp_path / NAME).touch()
    intake.look_around()  # listed, and gone before anybody looked into it
    (tmp_path / NAME).unlink()
    kept = intake.position(NAME)
    assert intake.poll([]) == []
    assert told == [f"{tmp_path / NAME} is gone; it had been empty until then"]
    again = tails.open(0, {NAME: kept})
    assert look(again) == []
    (tmp_path / NAME).write_bytes(b"a\n")
    assert read_of(look(again)) == [(NAME, 0, b"a")]
    assert read_of(look(intake)) == [(NAME, 0, b"a")]


def test_a_file_may_go_between_look_and_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = TailIntakes(tmp_path, 1, listing_interval=0).open(0, {})
    (tmp_path / NAME).touch()
    intake.look_around()

    def open_gone(path: Path) -> None:
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(growing_file, "open_regular", open_gone)
    assert intake.poll([]) == []
    assert look(intake) == []
