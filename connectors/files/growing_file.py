"""Reads one file of a raw stream while it grows, and tracks the position.

A file keeps its name for ever and only grows. Any violation ends the run with a LogError, because
records would be lost or read twice. A packed file is complete when it gets its name. Positions
count bytes of the unpacked content, so that a file may be packed once it has been read.
"""

from dataclasses import dataclass, field
from os import stat_result
from typing import IO, Final

from msgspec.structs import replace

from attribution.contract.document import MAX_DOCUMENT_BYTES
from connectors.decoding.lines import Lines
from connectors.files.folder import LogError, LogFile, reading
from connectors.files.whole_lines import CHUNK_BYTES, WholeLines
from connectors.intake import Documents
from connectors.positions import FilePosition
from connectors.regular_files import IrregularError, open_regular
from connectors.wording import counted

Stamp = tuple[int, int, int]

_COMPLETE: Final = "; a packed file must be complete when it gets its name"


def _stamp(status: stat_result) -> Stamp:
    return status.st_size, status.st_ino, status.st_mtime_ns


@dataclass(slots=True)
class GrowingFile:
    """One file and its position.

    `is_at_end`: the last read left at most an incomplete line. `is_gone`: it found no file.
    `grew_at` is set by the caller, for its poll interval.
    """

    file: LogFile
    place: FilePosition = field(default_factory=FilePosition)
    is_at_end: bool = False
    is_gone: bool = False
    grew_at: float = 0.0
    _tail: WholeLines | None = None
    _raw: IO[bytes] | None = None
    _feedless: int = 0
    _looked_at: Stamp = (0, 0, 0)

    @property
    def touched_at(self) -> float:
        """The modification time as of the last read, in seconds since 1970."""
        return self._looked_at[2] / 1e9

    @property
    def is_unpacking(self) -> bool:
        """Whether a packed file is open."""
        return self._raw is not None

    def read(self, limit: int) -> Documents | None:
        """Return the next whole lines, up to `limit` bytes, at least one; None without any."""
        if self.is_at_end and self.is_untouched():
            return None
        with reading(self.file, _COMPLETE if self.file.is_packed else ""):
            try:
                content, taken = self._look(limit)
            except (FileNotFoundError, IrregularError):  # it was removed or replaced
                self.close()
                self.is_gone = True
                return None
        if not content:
            return None
        lines = (Lines.of if self.place.line else Lines.at_beginning)(content)
        numbers = lines.numbered(self.place.line)
        self.place = self.place.after(content, taken=taken, lines=len(lines))
        self._feedless = 0
        return Documents(self.file.stream, self.file.partition, lines, numbers)

    def follow(self, file: LogFile) -> None:
        """Continue with the packed, or unpacked, file of the same partition."""
        self.close()
        self.file, self.is_at_end, self.is_gone = file, False, False

    def is_untouched(self) -> bool:
        """Return whether the file is unchanged; cheap, because most polls find most files so."""
        try:
            return _stamp(self.file.path.stat()) == self._looked_at
        except OSError:
            return False

    def close(self) -> None:
        """Close a packed file; the next read opens it again."""
        if self._raw is not None:
            self._raw.close()
        self._tail = self._raw = None

    def _look(self, limit: int) -> tuple[bytes, int]:
        """Return the next lines, and how many bytes of the content they take."""
        status = self.file.path.stat()
        self.is_gone = False
        self._looked_at = _stamp(status)
        return (self._unpack if self.file.is_packed else self._read)(status, limit)

    def _is_as_before(self, status: stat_result) -> bool:
        return (status.st_size, status.st_ino) == (self.place.size, self.place.inode)

    def _note(self, *, inode: int, size: int, is_at_end: bool, is_whole: bool) -> None:
        self.is_at_end = is_at_end
        self.place = replace(self.place, inode=inode, size=size, is_whole=is_whole)

    def _read(self, status: stat_result, limit: int) -> tuple[bytes, int]:
        if status.st_size < self.place.byte:
            raise self._shrunk(status.st_size)
        with open_regular(self.file.path) as content:
            self._check_head(content)
            content.seek(self.place.byte)
            part = content.read(limit)
            cut = part.rfind(b"\n") + 1
            if cut or len(part) < limit:
                is_at_end = len(part) < limit
                self._note(
                    inode=status.st_ino,
                    size=self.place.byte + len(part) if is_at_end else status.st_size,
                    is_at_end=is_at_end,
                    is_whole=is_at_end and cut == len(part),
                )
                return part[:cut], cut
            return self._read_long_line(content, status)

    def _read_long_line(self, content: IO[bytes], status: stat_result) -> tuple[bytes, int]:
        """Return one line; one beyond the document limit is cut to just enough to be refused."""
        begin = self.place.byte
        end, is_complete = self._find_feed(content, begin + self._feedless)
        self._feedless = end - begin
        size = max(end, status.st_size)
        self._note(inode=status.st_ino, size=size, is_at_end=not is_complete, is_whole=False)
        if not is_complete:
            return b"", 0
        content.seek(begin)
        if end - begin <= MAX_DOCUMENT_BYTES:
            return content.read(end - begin), end - begin
        return content.read(MAX_DOCUMENT_BYTES + 1) + b"\n", end - begin

    def _find_feed(self, content: IO[bytes], at: int) -> tuple[int, bool]:
        """Return the end of the line that continues at `at`, and whether it has a line feed."""
        content.seek(at)
        while part := content.read(CHUNK_BYTES):
            if found := part.find(b"\n") + 1:
                return at + found, True
            at += len(part)
        return at, False

    def _unpack(self, status: stat_result, limit: int) -> tuple[bytes, int]:
        if self._tail is None:
            content, self._raw = self.file.open()
            self._check_head(content)
            if self.place.is_whole and self._is_as_before(status):
                self.close()
                self.is_at_end = True
                return b"", 0
            self._skip(content)
            self._tail = WholeLines(content, limit)
        self._tail.chunk_bytes = limit
        before = self._tail.taken
        part, taken = self._tail.read(), self._tail.taken - before
        is_at_end = not part
        self._note(
            inode=status.st_ino, size=status.st_size, is_at_end=is_at_end, is_whole=is_at_end
        )
        if is_at_end:
            self.close()
        return part, taken

    def _skip(self, content: IO[bytes]) -> None:
        at = self.place.head_size
        while at < self.place.byte:
            part = content.read(min(CHUNK_BYTES, self.place.byte - at))
            if not part:
                raise self._shrunk(at)
            at += len(part)

    def _check_head(self, content: IO[bytes]) -> None:
        if not self.place.is_of(content.read(self.place.head_size)):
            msg = (
                f"{self.file.path} does not begin as it did when it was read, up to byte "
                f"{self.place.byte:,}; a file keeps its name for ever and only grows: put the old "
                "one back, and give other content another name"
            )
            raise LogError(msg)

    def _shrunk(self, size: int) -> LogError:
        return LogError(
            f"{self.file.path} has {counted(size, 'byte')}, and was read up to byte "
            f"{self.place.byte:,}; a file only grows: put back what was cut off, and rotate by "
            "starting a new file"
        )
