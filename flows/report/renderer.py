"""Renders pages for a server, in a process of its own: drawing charts would hold up its calls.

`python -m flows.report.renderer RESULT` reads what is wanted from standard input, and ends with it.
"""

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from connectors.sql.announcement import find_job
from connectors.sql.errors import QueryError
from connectors.sql.reader import Reader, open_reader
from flows.report.console import console_panels
from flows.report.conversion import conversion_panels
from flows.report.messages import LENGTH_BYTES, Rendered, Wanted, framed
from flows.report.page import fragment
from flows.report.report import check_version, possible_panels

NICENESS: Final = 5
"""Calls of the API come first."""

_NOT_YET: Final = "There is no result yet: the job has not made it."


def rendered(database: Path, wanted: Wanted) -> Rendered:
    """Return a page of a result, or why there is none now."""
    if not database.exists():
        return Rendered(problem=_NOT_YET)
    try:
        reader = open_reader(database, hold=False)
        commit, is_running = reader.commit(), find_job(database) is not None
        version = _version(database, commit, is_running=is_running)
        check_version(reader, database)
        parts = None if version == wanted.have else _parts(reader, wanted)
    except (QueryError, OSError) as error:
        return Rendered(problem=f"The result cannot be read now: {error}.")
    return Rendered(version=version, commit=commit, is_running=is_running, parts=parts)


def _version(database: Path, commit: int, *, is_running: bool) -> str:
    """Return what differs when the result does: a replay begins its commits anew."""
    found = database.stat()
    written = "" if is_running else f"-{found.st_mtime_ns}-{found.st_size}"
    return f"{commit}-{found.st_ino}{written}"


def _parts(reader: Reader, wanted: Wanted) -> dict[str, str]:
    match wanted.page:
        case "report":
            panels = possible_panels(reader, wanted.selection)
        case "console":
            panels = iter(console_panels(reader))
        case "conversion":
            panels = conversion_panels(reader, wanted.event)
    return {panel.id: fragment(panel, is_live=True) for panel in panels}


def answer_all(database: Path, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there is nothing more to read."""
    while len(head := asked.read(LENGTH_BYTES)) == LENGTH_BYTES:
        wanted = msgspec.json.decode(asked.read(int.from_bytes(head, "big")), type=Wanted)
        answers.write(framed(rendered(database, wanted)))
        answers.flush()


def main() -> None:
    """Answer over standard input and output; only the end of the input ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    answer_all(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
