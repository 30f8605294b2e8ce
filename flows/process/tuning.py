"""What a process that runs the engine does before it starts: defaults of libraries that cost much.

No result depends on any of it.
"""

import ctypes
import gc
import os
import sys
from importlib.util import find_spec
from typing import Any, Final

ALLOCATIONS: Final = 100_000
"""Objects between two searches for cycles of garbage (the interpreter's default is 700)."""

KEPT_BYTES: Final = 1 << 30
"""Freed memory that the C library may keep for reuse."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3


def quiet_panics() -> None:
    """Let the engine's panics go without its own stack, which says nothing about this program."""
    os.environ["RUST_BACKTRACE"] = "0"


def spare_searches() -> None:
    """Spare Arrow its search for dateutil, done in vain for every list that it converts.

    Each takes most of a millisecond: a fifth of what it costs to read a few records.
    """
    if find_spec("dateutil") is None:
        missing: Any = None
        sys.modules["dateutil"] = missing


def keep_memory() -> None:
    """Ask the C library to reuse memory: a chunk's arrays else go to the kernel and back each time.

    Worth a tenth of a replay's CPU where the library is glibc, and nothing elsewhere.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            library.mallopt(option, KEPT_BYTES)


def forget_imports() -> None:
    """Look for garbage among what comes from now on, and not among all that was imported."""
    gc.freeze()


def collect_rarely() -> None:
    """Look for garbage seldom: what a chunk leaves behind is in no cycles, and is many objects."""
    gc.set_threshold(ALLOCATIONS)
