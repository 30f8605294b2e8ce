"""Positions in a topic-partition or in a growing file; names of topic-partitions."""

from typing import Final
from zlib import crc32

import msgspec
from msgspec.structs import replace

HEAD_BYTES: Final = 1024
"""First bytes by which a file is recognised: about one record, read with the first block anyway."""


class TopicPosition(msgspec.Struct, frozen=True, kw_only=True, tag="topic"):
    """A position in a topic-partition; a topic that was deleted and recreated has another id."""

    topic_id: str
    offset: int

    @property
    def next_offset(self) -> int:
        """The offset of the next record; negative while it is not known."""
        return self.offset


class FilePosition(msgspec.Struct, frozen=True, tag="file"):
    """A position in a file.

    `byte` and `line` are the next ones. `head` is the checksum of the first `head_size` bytes.
    `size` and `inode` are those seen last; `is_whole` if the file had been read to its end then.
    The inode is 0 while there is no file.
    """

    byte: int = 0
    line: int = 0
    head: int = 0
    head_size: int = 0
    inode: int = 0
    size: int = 0
    is_whole: bool = False

    @property
    def next_offset(self) -> int:
        """The number of the next line."""
        return self.line

    @property
    def is_gone(self) -> bool:
        """Whether the file was read to its end and has been removed since."""
        return self.is_whole and not self.inode

    @property
    def was_empty(self) -> bool:
        """Whether the file was empty whenever it was read."""
        return not self.byte and not self.size

    def gone(self) -> "FilePosition":
        """Return the position of a removed file, without the inode, which may be reused."""
        return replace(self, inode=0, is_whole=True)

    def is_of(self, content: bytes) -> bool:
        """Return whether content begins as this file did."""
        return crc32(content[: self.head_size]) == self.head

    def after(self, content: bytes, *, taken: int, lines: int) -> "FilePosition":
        """Return the position after the next `taken` bytes, which begin with `content`."""
        is_in_head = self.byte == self.head_size
        more = content[: HEAD_BYTES - self.head_size] if is_in_head else b""
        return replace(
            self,
            byte=self.byte + taken,
            line=self.line + lines,
            head=crc32(more, self.head),
            head_size=self.head_size + len(more),
        )


Position = TopicPosition | FilePosition


def partition_name(topic: str, number: int) -> str:
    """Return the name of a topic-partition: `topic-3`."""
    return f"{topic}-{number}"


def topic_and_number(name: str) -> tuple[str, int]:
    """Return the topic and the number of a topic-partition by its name."""
    topic, _, number = name.rpartition("-")
    return topic, int(number)
