"""How far a file was read, and by what it is known again: what is kept of it over a restart."""

from dataclasses import dataclass, replace
from typing import Final
from zlib import crc32

from connectors.intake import Position

VERSION: Final = 1
"""Of a place as plain values."""

HEAD_BYTES: Final = 1024
"""By which a file is known again: about a record, and read with its first block anyway."""


@dataclass(frozen=True, slots=True)
class FilePosition:
    """How far a file has been read.

    `byte` and `line` are the next ones. `head` is the checksum of the first `head_size` bytes.
    `size` and `inode` are those of the last look, and nothing was left then if it `is_whole`. The
    inode is 0 while there is no file.
    """

    byte: int = 0
    line: int = 0
    head: int = 0
    head_size: int = 0
    inode: int = 0
    size: int = 0
    is_whole: bool = False

    @classmethod
    def of(cls, position: Position) -> "FilePosition":
        """Read plain values."""
        version, *values = position
        assert version == VERSION, f"a place of version {version} is not one of a file"
        return cls(*values)

    @property
    def position(self) -> Position:
        """Write as plain values."""
        numbers = (self.byte, self.line, self.head, self.head_size, self.inode, self.size)
        return VERSION, *numbers, self.is_whole

    @property
    def is_gone(self) -> bool:
        """Whether the file was read to its end, and is not there any more."""
        return self.is_whole and not self.inode

    @property
    def was_empty(self) -> bool:
        """Whether the file never had a byte when it was looked at."""
        return not self.byte and not self.size

    def gone(self) -> "FilePosition":
        """Note that the file is not there, and nothing lost; its inode may be another's by now."""
        return replace(self, inode=0, is_whole=True)

    def is_of(self, content: bytes) -> bool:
        """Return whether content begins as this file did."""
        return crc32(content[: self.head_size]) == self.head

    def after(self, content: bytes, *, taken: int, lines: int) -> "FilePosition":
        """Move behind the next `taken` bytes, which begin with `content`."""
        is_in_head = self.byte == self.head_size
        more = content[: HEAD_BYTES - self.head_size] if is_in_head else b""
        return replace(
            self,
            byte=self.byte + taken,
            line=self.line + lines,
            head=crc32(more, self.head),
            head_size=self.head_size + len(more),
        )
