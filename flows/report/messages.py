"""What a server asks of the process that renders its pages, and what it is answered.

Messages are JSON with their length in front, over standard input and output.
"""

from typing import Final, Literal

import msgspec

from flows.report.selection import Selection

Page = Literal["report", "console", "conversion"]

LENGTH_BYTES: Final = 4

BYTES_MAX: Final = 64 << 20
"""The longest message; a report has some 300 kB."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is wanted; `have` is the version of the result that the asker has it of."""

    page: Page
    selection: Selection = Selection()
    event: str = ""
    have: str = ""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """Panels by id, in order, as HTML; None where the asker has this version of the result.

    With a `problem`, a sentence, nothing could be asked.
    """

    version: str = ""
    commit: int = 0
    is_running: bool = False
    parts: dict[str, str] | None = None
    problem: str = ""


def framed(message: Wanted | Rendered) -> bytes:
    """Return a message as bytes with their length in front."""
    body = msgspec.json.encode(message)
    assert len(body) <= BYTES_MAX
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
