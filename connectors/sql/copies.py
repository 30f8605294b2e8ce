"""Fetches a copy of a result from the job that writes it, for commands that need the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Final

from connectors.database.file import wal_of
from connectors.sql.announcement import Announcement, find_job
from connectors.sql.client import gotten
from connectors.sql.errors import LostJobError, QueryError
from connectors.sql.handler import FILE_BYTES
from connectors.sql.patience import START_SECONDS, patiently

COPY: Final = "copy.duckdb"

PIECE_BYTES: Final = 1 << 20


def file_to_open(database: Path, scratch: Path) -> Path:
    """Return where DuckDB can open a result: at its place, or in `scratch` if a job writes it.

    What is in `scratch` is the result as of the job's last commit. Raises QueryError if the job
    does not send it, or if it does not fit there.
    """
    return patiently(lambda: _file(database, scratch), START_SECONDS)


def _file(database: Path, scratch: Path) -> Path:
    job = find_job(database)
    return database if job is None else _fetched(job, scratch / COPY)


def _fetched(job: Announcement, path: Path) -> Path:
    with gotten(job, "/copy") as response:
        file = int(response.headers[FILE_BYTES])
        log = int(response.headers["Content-Length"]) - file
        _write(path, response, file)
        _write(wal_of(path), response, log)
    return path


def _write(path: Path, response: HTTPResponse, size: int) -> None:
    with _naming_the_folder(path):
        file = path.open("wb", buffering=0)
    with file:
        while size:
            piece = response.read(min(size, PIECE_BYTES))
            if not piece:
                msg = "the job has ended its copy early; ask again"
                raise LostJobError(msg)
            size -= len(piece)
            with _naming_the_folder(path):
                while piece:
                    piece = piece[file.write(piece) :]


@contextmanager
def _naming_the_folder(path: Path) -> Iterator[None]:
    """Turn errors of the disk into QueryError."""
    try:
        yield
    except OSError as error:
        msg = (
            f"a copy of the result does not fit into {path.parent}: {error.strerror}; name a "
            "folder with more room in TMPDIR"
        )
        raise QueryError(msg) from error
