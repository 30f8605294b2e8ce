"""The encoding of a snapshot in the engine's recovery store: msgpack with a checksum.

The store has no checksums. A flipped bit on the disk would be read as another number: an offset
that skips records, a commit that never happened.
"""

import pickle
from io import BytesIO
from typing import Any, Final, TypeVar
from zlib import crc32

import msgspec

from connectors.state.errors import WAYS_OUT, RecoveryError

Sealed = tuple[int, bytes]
"""The checksum, and the bytes it covers."""

State = TypeVar("State")

_DAMAGED: Final = "a snapshot in the recovery store is damaged"


def sealed(snapshot: Any) -> Sealed:  # noqa: ANN401  whatever msgspec encodes
    """Encode a snapshot, and add a checksum."""
    data = msgspec.msgpack.encode(snapshot)
    return crc32(data), data


def unsealed(kept: Any, kind: type[State]) -> State:  # noqa: ANN401  what the engine gives back
    """Check and decode a sealed snapshot of the given type; raises RecoveryError."""
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
    """Unpickle a sealed snapshot as the engine stored it, from bytes that may be damaged.

    Raises RecoveryError.
    """
    try:
        return _PlainUnpickler(BytesIO(data)).load()
    except Exception as error:
        # Damaged bytes may raise any error: invalid text, a length beyond all memory.
        msg = f"{_DAMAGED}: {error!r}; {WAYS_OUT}"
        raise RecoveryError(msg) from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: the engine pickles a tuple of them, so it needs no class."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        msg = f"it holds a {module}.{name}, expected plain values"
        raise pickle.UnpicklingError(msg)
