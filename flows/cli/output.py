"""Standard output of the commands: a closed pipe is no error, but a full disk is.

The result of a command does not depend on its reader. So if a pipe is closed (`tributary verify … |
head -1`), the command runs silently to its end and exits with its normal code. If output cannot be
written for another reason, the command fails with a message.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

from connectors.errors import OperatorError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STDOUT: Final = 1


class OutputError(OperatorError):
    """Standard output cannot be written; the message says why."""


class _Output(io.FileIO):
    """Standard output that discards everything after its first error, which is reported once."""

    def __init__(self) -> None:
        super().__init__(_STDOUT, "wb", closefd=False)
        self._has_failed = False

    def write(self, data: "Buffer") -> int:
        with memoryview(data) as view:
            return view.nbytes if self._has_failed else self._write(view)

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(_STDOUT, data)
        except BrokenPipeError:
            self._has_failed = True
            return data.nbytes
        except OSError as error:
            self._has_failed = True
            msg = f"standard output cannot be written: {error.strerror}; what it says is lost"
            raise OutputError(msg) from error


def lenient_stdout() -> TextIO | None:
    """Return standard output wrapped in `_Output`; None if there is none."""
    usual = sys.stdout
    if usual is None:  # closed by the parent process
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(_Output()),
        encoding=usual.encoding,
        errors=usual.errors,
        line_buffering=usual.isatty(),
    )
