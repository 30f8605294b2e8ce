"""Who holds a result file open: DuckDB lets one process write it, and meanwhile nobody read it."""

import re
from typing import Final

import duckdb

_LOCKED: Final = "Could not set lock on file"
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")


def holder_of(error: duckdb.Error) -> str | None:
    """Name the process that keeps a file locked; None when a lock is not what is in the way."""
    message = str(error)
    if _LOCKED not in message:
        return None
    found = _HOLDER.search(message)
    return f"process {found[1]}" if found else "another process"
