"""How a snapshot is stored in the engine's recovery store: as msgpack, under a checksum.

The store has none of its own. A flipped bit on the disk would be read as another number: an offset
that skips records, a commit that never was.
"""

import pickle
from io import BytesIO
from typing import Any, Final, TypeVar
from zlib import crc32

import msgspec

from connectors.state.errors import WAYS_OUT, RecoveryError

Sealed = tuple[int, bytes]
"""The checksum, and the bytes that it is of."""

State = TypeVar("State")

_DAMAGED: Final = "a snapshot in the recovery store is damaged"


def sealed(snapshot: Any) -> Sealed:  # noqa: ANN401  whatever msgspec encodes
    """Encode a snapshot, and put it under a checksum."""
    data = msgspec.msgpack.encode(snapshot)
    return crc32(data), data


def unsealed(kept: Any, kind: type[State]) -> State:  # noqa: ANN401  what the engine gives back
    """Return what was sealed, of the given type; raises RecoveryError."""
    is_sealed = isinstance(kept, tuple) and [type(each) for each in kept] == [int, bytes]
    if not is_sealed or crc32(kept[1]) != kept[0]:
        msg = f"{_DAMAGED}: its checksum differs; {WAYS_OUT}"
        raise RecoveryError(msg)
    try:
        return msgspec.msgpack.decode(kept[1], type=kind)
    except msgspec.DecodeError as error:
        msg = f"{_DAMAGED}: {error}; {WAYS_OUT}"
        raise RecoveryError(msg) from error


def plain(data: bytes) -> Any:  # noqa: ANN401
    """Read what the engine has pickled, a sealed snapshot, from bytes that may be anything.

    Raises RecoveryError.
    """
    try:
        return _PlainUnpickler(BytesIO(data)).load()
    except Exception as error:
        # Of damaged bytes anything may come: a text that is none, a length beyond all memory.
        msg = f"{_DAMAGED}: {error!r}; {WAYS_OUT}"
        raise RecoveryError(msg) from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: the engine wraps a tuple of them, and no class is ever looked up."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        msg = f"it holds a {module}.{name}, expected plain values"
        raise pickle.UnpicklingError(msg)
