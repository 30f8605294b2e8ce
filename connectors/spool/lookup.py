"""Whether a call was stored whose writer has ended: its claim is looked for in the files.

A line carries the claim of its call, if it has one, right after its arrival.
"""

import os
from pathlib import Path
from typing import Final

import pyarrow as pa

from attribution.contract.times import parse_time
from connectors.spool.packing import COPY_BYTES, ENDING
from connectors.spool.store import Receipt

SLACK_SECONDS: Final = 3_600.0
"""A file is read even if it was last written so long before the claim: clocks are set back."""


def claimed(document: bytes, claim: str) -> bytes:
    """Return a JSON object with the claim of its call before all else."""
    return b'{"claim":"' + claim.encode() + b'",' + document.lstrip()[1:]


def find_claim(folder: Path, stream: str, claim: str, claimed_at: float) -> Receipt | None:
    """Return where the call of a claim lies (made at `claimed_at`, in seconds); None if nowhere.

    Its writer must have ended: it could store the call after the look. Raises OSError.
    """
    wanted = b'"claim":"' + claim.encode() + b'"'
    files = folder.glob(f"{stream}-api*.ndjson*")
    for name in sorted({path.name.removesuffix(ENDING) for path in files}):
        path = folder / name
        try:
            found = _find_in(path, wanted, claimed_at)
        except FileNotFoundError:  # it has been packed
            path = folder / (name + ENDING)
            found = _find_in(path, wanted, claimed_at)
        if found is not None:
            _sync(path)
            offset, stamp = found
            return Receipt(stream, name, offset, stamp)
    return None


def _find_in(path: Path, wanted: bytes, claimed_at: float) -> tuple[int, int] | None:
    """Return the line that holds what is wanted, and its arrival (us)."""
    if path.stat().st_mtime < claimed_at - SLACK_SECONDS:
        return None
    passed, kept = 0, b""
    with pa.input_stream(path, compression="detect") as file:
        while chunk := file.read(COPY_BYTES):
            kept += chunk
            # A line without its end is cut when its writer starts again.
            end = kept.rfind(b"\n") + 1
            at = kept.find(wanted, 0, end)
            if at >= 0:
                line = kept[kept.rfind(b"\n", 0, at) + 1 : at]
                arrival = parse_time(line.split(b'"')[3].decode())
                return passed + kept.count(b"\n", 0, at), arrival.microseconds if arrival else 0
            passed += kept.count(b"\n", 0, end)
            kept = kept[end:]
    return None


def _sync(path: Path) -> None:
    """Make sure of a line whose writer may have died before the sync."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
