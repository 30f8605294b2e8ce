"""Changes defaults of libraries that cost much time, before the engine starts.

No result depends on it.
"""

import ctypes
import gc
import os
import sys
from importlib.util import find_spec
from typing import Any, Final

ALLOCATIONS: Final = 100_000
"""Allocations between two runs of the cyclic garbage collector (Python's default is 700)."""

KEPT_BYTES: Final = 1 << 30
"""Freed memory that the C library may keep for reuse."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3


def quiet_panics() -> None:
    """Turn off stack traces of the engine's panics, which say nothing about this program."""
    os.environ["RUST_BACKTRACE"] = "0"


def spare_searches() -> None:
    """Keep Arrow from searching for dateutil, in vain, for every list that it converts.

    A search takes most of a millisecond, a fifth of the cost of reading a few records.
    """
    if find_spec("dateutil") is None:
        missing: Any = None
        sys.modules["dateutil"] = missing


def keep_memory() -> None:
    """Let the C library reuse memory; otherwise it returns each chunk's arrays to the kernel.

    Saves a tenth of a replay's CPU with glibc; has no effect with other C libraries.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            library.mallopt(option, KEPT_BYTES)


def forget_imports() -> None:
    """Exclude everything imported so far from garbage collection."""
    gc.freeze()


def collect_rarely() -> None:
    """Collect garbage rarely: a chunk allocates many objects, but none of them in cycles."""
    gc.set_threshold(ALLOCATIONS)
