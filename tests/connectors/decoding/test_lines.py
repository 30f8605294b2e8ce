"""Chunks of lines: where they are, and which of them a lenient reader may be given."""

import numpy as np
import pyarrow as pa
import pytest

from connectors.decoding.lines import Lines

SOUND = b'{"a":[1,"x"]}'


def strict(*lines: bytes) -> list[bool]:
    return Lines.of(b"\n".join(lines) + b"\n").strict().tolist()


@pytest.mark.parametrize(
    ("chunk", "lines"),
    [
        (b"a\nbc\n", [b"a", b"bc"]),
        (b"a\nbc", [b"a", b"bc"]),
        (b"\n\na\r\n", [b"", b"", b"a\r"]),
        (b"a", [b"a"]),
    ],
)
def test_lines_are_cut_at_line_feeds(chunk: bytes, lines: list[bytes]) -> None:
    found = Lines.of(chunk)
    assert [found[row] for row in range(len(found))] == lines


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    for chunk, lines in ((b"\xef\xbb\xbf{}\n1", [b"{}", b"1"]), (b"\xef\xbb\xbf", [b" "])):
        found = Lines.at_beginning(chunk)
        assert [found[row] for row in range(len(found))] == lines
        assert found.strict().tolist() == [line == b"{}" for line in lines]


def test_messages_may_hold_anything_and_each_is_a_record() -> None:
    messages = [SOUND, b"", b'{"a":\n1}', SOUND + b"\n", b"\r", SOUND]
    lines = Lines.of_documents(messages)
    assert [lines[row] for row in range(len(lines))] == messages
    assert lines.strict().tolist() == [True, False, False, False, False, True]
    assert all(lines.is_record(row) for row in range(len(lines)))


def test_readable_lines_as_text_keep_their_feeds() -> None:
    readable = np.array([True, False, True])
    assert Lines.of(b"a\n\nbc").as_text(readable) == pa.array(["a\n", None, "bc"])


@pytest.mark.parametrize(
    "faulty",
    [
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":1',
        b"[1]",
        b"1",
        b"",
        b'{"a":"\t"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"{}}",
        b"{'a':1}",
    ],
)
def test_a_faulty_line_is_found_among_sound_ones(faulty: bytes) -> None:
    assert strict(SOUND, faulty, SOUND, SOUND, faulty) == [True, False, True, True, False]


def test_a_document_that_ends_too_early_does_not_blame_its_neighbours() -> None:
    assert strict(SOUND, b'{"a":"', b'"}', b'{"a":{', SOUND) == [True, False, False, False, True]


@pytest.mark.parametrize(("depth", "shallow"), [(1, True), (199, True), (200, False), (500, False)])
def test_lines_that_nest_deeper_than_is_read(depth: int, *, shallow: bool) -> None:
    line = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    lines = Lines.of(line + b"\n" + SOUND)
    asked = np.array([True, True])
    assert lines.shallow(asked, np.zeros(2, dtype=np.int64)).tolist() == [shallow, True]


def test_brackets_in_strings_are_not_depth() -> None:
    lines = Lines.of(b'{"a":"' + b"[" * 500 + b'"}')
    assert lines.shallow(np.array([True]), np.zeros(1, dtype=np.int64)).tolist() == [True]


@pytest.mark.parametrize("piece_bytes", [1, 7, 400])
def test_depth_is_counted_over_the_pieces_of_a_line(
    monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr("connectors.decoding.lines._PIECE_BYTES", piece_bytes)
    text = b'"' + b"[" * 300 + b'",'
    for depth, shallow in ((199, True), (200, False)):
        line = b'{"a":[' + text + b"[" * (depth - 1) + b"]" * (depth - 1) + b"]}"
        lines = Lines.of(line)
        assert lines.shallow(np.array([True]), np.zeros(1, dtype=np.int64)).tolist() == [shallow]


def test_a_document_beyond_the_limit_is_left_to_the_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.decoding.lines.MAX_DOCUMENT_BYTES", len(SOUND) + 1)
    assert strict(SOUND, b'{"a":[1,"xyz"]}', SOUND) == [True, False, True]
