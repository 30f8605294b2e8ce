"""`tributary` with small limits, so that what is rare happens every few seconds."""

from typing import Any, Final

from connectors import segments
from flows.cli import app

SMALL: Final[list[tuple[Any, str, object]]] = [
    (segments, "INLINE_BYTES", 2_000),
    (segments, "MAP_BYTES", 10_000),
]

if __name__ == "__main__":
    for module, name, value in SMALL:
        setattr(module, name, value)
    app()
