"""How a snapshot lies in the engine's store: plain values, under a checksum of their own.

The store has none. A bit that turned over on the disk would be read as another number: an offset
that skips records, a commit that never was.
"""

import pickle
from io import BytesIO
from typing import Any, Final
from zlib import crc32

from connectors.state.errors import WAYS_OUT, RecoveryError

Sealed = tuple[int, bytes]
"""The checksum, and the plain values that it is of, as bytes."""

_DAMAGED: Final = "a snapshot in the recovery store is damaged"


def sealed(snapshot: Any) -> Sealed:  # noqa: ANN401  any plain values
    """Put plain values under a checksum."""
    data = pickle.dumps(snapshot)
    return crc32(data), data


def unsealed(kept: Any) -> Any:  # noqa: ANN401
    """Return what was sealed, or None where nothing was; raises RecoveryError."""
    if kept is None:
        return None
    is_sealed = isinstance(kept, tuple) and [type(each) for each in kept] == [int, bytes]
    if not is_sealed or crc32(kept[1]) != kept[0]:
        msg = f"{_DAMAGED}: its checksum differs; {WAYS_OUT}"
        raise RecoveryError(msg)
    return plain(kept[1])


def plain(data: bytes) -> Any:  # noqa: ANN401
    """Read plain values from bytes that may be anything; raises RecoveryError."""
    try:
        return _PlainUnpickler(BytesIO(data)).load()
    except Exception as error:
        # Of damaged bytes anything may come: a text that is none, a length beyond all memory.
        msg = f"{_DAMAGED}: {error!r}; {WAYS_OUT}"
        raise RecoveryError(msg) from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: snapshots hold nothing else, and no class is ever looked up."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        msg = f"it holds a {module}.{name}, expected plain values"
        raise pickle.UnpicklingError(msg)
