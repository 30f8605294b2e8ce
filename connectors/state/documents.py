"""Small JSON documents of a state directory, read and written whole."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from connectors.durable import write_lasting
from connectors.state.errors import WAYS_OUT, StateError

Kind = TypeVar("Kind")

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def load(path: Path, kind: type[Kind]) -> Kind | None:
    """Read a document of the given type; None if there is no file. Raises StateError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error


def save(path: Path, document: object) -> None:
    """Write a document durably; raises StateError."""
    text = msgspec.json.format(_ENCODER.encode(document), indent=2)
    try:
        write_lasting(path, [text, b"\n"])
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}; make room for it"
        raise StateError(msg) from error
