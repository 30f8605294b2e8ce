"""Standard output as the commands have it: a reader that goes away is no error, a full disk is one.

What a command has found, and what it has done, does not depend on who reads about it. So when a
pipe is closed (`tributary verify … | head -1`) the command goes on without a word to its end, and
exits as it would have. Where output cannot be written for another reason, it ends with a sentence.
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
    """Standard output, which takes everything once it has failed: nothing is said of it twice."""

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
    """Return standard output anew, in the manner of this module; None where there is none."""
    usual = sys.stdout
    if usual is None:  # closed by who has started this
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(_Output()),
        encoding=usual.encoding,
        errors=usual.errors,
        line_buffering=usual.isatty(),
    )
