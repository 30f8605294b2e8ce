"""Detects files whose first document does not match the stream in their name.

Their lines are rejected one by one like any others; a hint saves the search for the reason.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from attribution.contract.document import Unreadable, read_document
from connectors.files.folder import LogError, LogFile, reading

PEEK_BYTES: Final = 65_536
"""Bytes read per file: enough for the first document of nearly every log."""

FILES_MAX: Final = 100
"""Files examined; more are not needed, since the files of one log are alike."""

MARK: Final = b"\xef\xbb\xbf"

_FIELD: Final = {
    "events": "events",
    "impressions": "impression_id",
    "measurements": "measurements",
}
"""A field that only documents of this stream have."""


def hints(files: Iterable[LogFile]) -> Iterator[str]:
    """Yield a sentence for each file that does not begin like its stream, at most FILES_MAX."""
    for file, _ in zip(files, range(FILES_MAX), strict=False):
        try:
            found = hint(file.stream, _beginning(file))
        except (LogError, ValueError):  # reading it reports the error
            continue
        if found:
            yield f"{file.path} {found}"


def hint(stream: str, beginning: bytes) -> str | None:
    """Return what a file seems to contain instead of documents of its stream, one per line."""
    text = beginning.removeprefix(MARK).lstrip()
    if text.startswith(b"["):
        return "begins like a JSON array; one document per line is expected: jq -c '.[]'"
    line, feed, rest = text.partition(b"\n")
    document = read_document(line)
    if isinstance(document, Unreadable):
        goes_on = feed and rest[:1] in {b" ", b"\t", b"}"}
        if text.startswith(b"{") and goes_on:
            return "is spread over lines; one document per line is expected: jq -c ."
        return None
    found = [name for name, field in _FIELD.items() if field in document]
    if found and stream not in found:
        return f"holds {found[0]}, and its name says {stream}; was it named by mistake?"
    return None


def _beginning(file: LogFile) -> bytes:
    with reading(file):
        content, raw = file.open()
        try:
            return content.read(PEEK_BYTES)
        finally:
            content.close()
            raw.close()
