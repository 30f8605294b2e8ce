"""Names in the folder of a log: which are files of a raw stream, and which only look like one."""

import re
from typing import Final

from attribution.vocabulary import RAW_STREAMS

NAME: Final = re.compile(
    rf"(?P<stream>{'|'.join(RAW_STREAMS)}).*\.ndjson(\.gz|\.zst)?",
    re.DOTALL,
)

_KNOWN: Final = frozenset(
    {"event_sources.json", "event_sources.ndjson", "truth.json", "truth.ndjson"}
)
"""What belongs into the folder of a log beside it."""

_ENDINGS: Final = ".ndjson, .ndjson.gz or .ndjson.zst"

_PACKED: Final = "bz2|xz|lz4|lzma|br|zip|7z|z|sz|zstd"
_FORMATS: Final = "ndjson|jsonl|json|parquet|csv|tsv|avro|orc"

_ANY_CASE: Final = re.compile(NAME.pattern, re.DOTALL | re.IGNORECASE)
_OTHERWISE_PACKED: Final = re.compile(rf".*\.ndjson\.({_PACKED})", re.DOTALL | re.IGNORECASE)
_RECORDS: Final = re.compile(rf".*\.({_FORMATS})(\.\w+)?", re.DOTALL | re.IGNORECASE)


def why_not_read(name: str, *, is_folder: bool) -> str | None:
    """Return why an entry that may contain records is not read; None if it hardly can."""
    if name in _KNOWN or name.startswith("."):
        return None
    if is_folder:
        return "a folder: only files directly in the folder of the log are read"
    if name.lower().startswith(RAW_STREAMS):
        return _what_is_wrong(name)
    if _RECORDS.fullmatch(name):
        return f"its name begins with none of {', '.join(RAW_STREAMS)}"
    return None


def _what_is_wrong(name: str) -> str:
    if _ANY_CASE.fullmatch(name):
        return "names are read in lower case only"
    if _OTHERWISE_PACKED.fullmatch(name):
        return "only .gz and .zst are unpacked"
    return f"its name does not end in {_ENDINGS}"
