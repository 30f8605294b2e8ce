"""Ends the process when the run cannot continue, with a message instead of the engine's panic.

State on disk is consistent at any moment, so the process exits at once: no exception passes through
the engine, nothing is closed or flushed. A fault for the operator prints a message and exits with
BROKEN, a transient one prints a message and exits with FAILED; anything else is a bug and prints a
traceback.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, NoReturn, ParamSpec, TypeVar

from connectors.errors import OperatorError
from connectors.state.errors import WAYS_OUT
from flows.process.stopping import BROKEN, FAILED, restore_terminal

STORE_OUT_OF_REACH: Final = (
    "code: DiskFull",
    "code: SystemIoFailure",
    "code: ReadOnly",
    "code: CannotOpen",
    "code: PermissionDenied",
    "code: DatabaseBusy",
    "code: DatabaseLocked",
)
"""Parts of the engine's errors when its recovery store cannot be written."""

ROOM_BYTES: Final = 1 << 20
"""If the store's disk has less room than this, the full disk counts as the cause."""

PEER_GONE: Final = ("Send thread panic", "Recv thread panic")
"""Parts of its errors when another process of the run, which has reported the cause, has ended."""

NO_MEMORY: Final = "Out of Memory"
"""Part of DuckDB's errors that Arrow passes on as OSError; a restart helps."""

STORE_DAMAGED: Final = ("code: DatabaseCorrupt", "code: NotADatabase")
"""Parts of its errors when the recovery store is damaged."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def end(error: BaseException) -> NoReturn:
    """Print what happened and end the process at once."""
    if isinstance(error, OperatorError):
        _tell(f"tributary: {error}\n", error.exit_code)
    if isinstance(error, OSError):
        _tell(f"tributary: {error}\n", FAILED if NO_MEMORY in str(error) else BROKEN)
    _tell("".join(traceback.format_exception(error)), FAILED)


@contextmanager
def quiet_engine(store: Path) -> Iterator[None]:
    """Run the engine without its panics on the screen; its failures end the process with a message.

    They are caused by its recovery store or by other processes of the run. Its output to stderr is
    captured, and printed only if it is needed to understand a failure.
    """
    with _scratch() as said, os.fdopen(os.dup(2), "w", buffering=1) as screen:
        before, sys.stderr = sys.stderr, screen
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException as error:  # noqa: BLE001  a panic is no Exception
            said.seek(0)
            _end_engine(error, store, said.read().decode(errors="replace"))
        finally:
            os.dup2(screen.fileno(), 2)
            sys.stderr = before


def _scratch() -> IO[bytes]:
    """Open an unnamed file, in memory if possible: the disk of temporary files may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)


def _end_engine(error: BaseException, store: Path, said: str) -> NoReturn:
    words, code = f"{error} {said}", BROKEN
    has_lost_peer = any(sign in words for sign in PEER_GONE)
    # With several processes the engine reports a lost peer, not the fault of the store.
    is_full = has_lost_peer and not _takes_more(store)
    if is_full or any(sign in words for sign in STORE_OUT_OF_REACH):
        told = f"tributary: {store} cannot be written; make room or mend the disk, and start again"
    elif any(sign in words for sign in STORE_DAMAGED):
        told = f"tributary: {store} is damaged; {WAYS_OUT}"
    elif has_lost_peer:
        code, told = FAILED, "tributary: another process of the run has ended, and so does this one"
    else:
        code = FAILED
        told = (
            f"{said}tributary: the engine failed: {error}; what is committed is safe, start again"
        )
    _tell(f"{told}\n", code)


def _takes_more(store: Path) -> bool:
    """Return whether the store's disk has room for an epoch."""
    try:
        with TemporaryFile(dir=store, buffering=0) as probe:
            return probe.write(bytes(ROOM_BYTES)) == ROOM_BYTES
    except OSError:
        return False


def _tell(told: str, code: int) -> NoReturn:
    restore_terminal()
    # Not through `sys.stderr`: a status line there would be written once more after the message.
    # The exit code must be right even if stderr cannot be written.
    with (
        suppress(OSError),
        os.fdopen(os.dup(sys.stderr.fileno()), "w", errors="replace") as screen,
    ):
        screen.write(told)
    os._exit(code)


def guarded(call: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """Call, and end the process on any error except StopIteration, the engine's end of input."""
    try:
        return call(*args, **kwargs)
    except StopIteration:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the engine must not see it
        end(error)
