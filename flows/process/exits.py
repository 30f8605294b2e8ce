"""Ends the process where the run cannot go on, with one sentence instead of the engine's panic.

State on disk is safe at any moment, so the quickest way out is also the cleanest: no exception
travels through the engine, nothing is closed, nothing is flushed. What needs an operator is told
in a sentence and exits with BROKEN; what time mends, in a sentence and with FAILED; anything else
is our own fault, and a traceback.
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
"""Words by which the engine says that its store cannot be written, whatever is in it."""

ROOM_BYTES: Final = 1 << 20
"""With less room than this for the store, that is what has ended a process."""

PEER_GONE: Final = ("Send thread panic", "Recv thread panic")
"""Words by which it says that another process of the run has ended, who has told why."""

STORE_DAMAGED: Final = ("code: DatabaseCorrupt", "code: NotADatabase")
"""Words by which it says that its store is not what it wrote."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def end(error: BaseException) -> NoReturn:
    """Print what happened and end the process at once."""
    if isinstance(error, OperatorError | OSError):
        code = error.exit_code if isinstance(error, OperatorError) else BROKEN
        _tell(f"tributary: {error}\n", code)
    _tell("".join(traceback.format_exception(error)), FAILED)


@contextmanager
def quiet_engine(store: Path) -> Iterator[None]:
    """Run the engine without its panics on the screen; its own failures end the process too.

    They come from its store, or from the other processes of the run. What it writes to stderr is
    kept, and shown where it is needed to understand a failure.
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
    """Open a nameless file, in memory where that can be: the disk for such may be the full one."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)


def _end_engine(error: BaseException, store: Path, said: str) -> NoReturn:
    words, code = f"{error} {said}", BROKEN
    has_lost_peer = any(sign in words for sign in PEER_GONE)
    # Of several processes the engine does not say which fault of the store ended one.
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
    """Return whether the disk of the store has room for an epoch."""
    try:
        with TemporaryFile(dir=store, buffering=0) as probe:
            return probe.write(bytes(ROOM_BYTES)) == ROOM_BYTES
    except OSError:
        return False


def _tell(told: str, code: int) -> NoReturn:
    restore_terminal()
    # Beside a status line, which would be written once more after it. The code says what to do even
    # where nobody can be told why.
    with (
        suppress(OSError),
        os.fdopen(os.dup(sys.stderr.fileno()), "w", errors="replace") as screen,
    ):
        screen.write(told)
    os._exit(code)


def guarded(call: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """Call, and leave the process on any error; StopIteration is the engine's word for the end."""
    try:
        return call(*args, **kwargs)
    except StopIteration:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the engine must not see it
        end(error)
