"""Answers other DuckDB clients by DuckDB's own protocol, where the extra `live` is installed.

The server runs inside of the job's database, so it needs no time of Python's but for the check of
each statement, which is that of `/sql`. It can end no query, not even one whose client is gone. So
what takes memory that only ending it would free is refused here.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb
from duckdb.func import FunctionNullHandling

from connectors import metrics
from connectors.sql.errors import QueryError
from connectors.sql.server import LOOPBACK, ServerError
from connectors.sql.statements import check_harmless

LOG: Final = logging.getLogger("tributary")

EXTENSIONS: Final = ("httpfs", "quack")
"""What the server needs; httpfs has its random numbers."""

HOOK: Final = "tributary_may_ask"
"""The function that DuckDB asks whether a statement may run."""

HUNGRY: Final = frozenset(
    {
        *("array_agg", "group_concat", "list", "listagg", "string_agg"),
        *("json_group_array", "json_group_object", "json_group_structure", "map"),
        *("approx_top_k", "bitstring_agg", "histogram", "histogram_exact"),
        *("entropy", "mad", "median", "mode", "quantile", "quantile_cont", "quantile_disc"),
        *("array_resize", "generate_series", "list_resize", "lpad", "range", "repeat", "rpad"),
    }
)
"""Functions whose memory grows with the rows they read, or with a number, and cannot go to disk."""

NICE: Final = 10
"""Priority of the server's threads below that of the job (Linux, where each thread has its own)."""

ATTEMPTS: Final = 5
"""Ports to try; another process may take the one that was free."""


def extension_paths() -> list[Path] | None:
    """Return the paths of the extensions of this version of DuckDB; None if one is missing."""
    paths = []
    for name in EXTENSIONS:
        spec = find_spec(f"duckdb_extension_{name}")
        for folder in (spec and spec.submodule_search_locations) or ():
            version = Path(folder) / "extensions" / f"v{duckdb.__version__}"
            paths.append(version / f"{name}.duckdb_extension")
    return paths if len(paths) == len(EXTENSIONS) and all(map(Path.is_file, paths)) else None


def load_quack(connection: duckdb.DuckDBPyConnection) -> bool:
    """Load the server into a database, before it is closed to files; return whether it is there."""
    if (paths := extension_paths()) is None:
        return False
    try:
        for path in paths:
            connection.execute(f"load '{path}'")
    except duckdb.Error as error:
        LOG.warning("the extension for DuckDB clients does not load: %s", error)
        return False
    special = FunctionNullHandling.SPECIAL
    connection.create_function(
        HOOK, may_ask, [str, str], bool, null_handling=special, side_effects=True
    )
    connection.execute(f"set global quack_authorization_function = '{HOOK}'")
    return True


def may_ask(_session: str | None, sql: str | None) -> bool:
    """Return whether a client may run a statement; an error would end its connection."""
    try:
        check_harmless(sql or "", HUNGRY)
    except Exception as error:  # noqa: BLE001  DuckDB calls this, whatever goes wrong is refused
        metrics.QUACK_QUERIES.labels("refused" if isinstance(error, QueryError) else "failed").inc()
        return False
    metrics.QUACK_QUERIES.labels("answered").inc()
    return True


@contextmanager
def quack_served(connection: duckdb.DuckDBPyConnection, token: str, port: int) -> Iterator[int]:
    """Serve a database that has the extension loaded; yield the port, 0 picks a free one.

    Raises ServerError.
    """
    metrics.QUACK_QUERIES.labels("answered")  # 0, not absent
    cursor = connection.cursor()
    served = _start(cursor, token, port)
    try:
        yield served
    finally:
        with suppress(duckdb.Error):
            cursor.execute(f"call quack_stop('{_address(served)}')").fetchall()
        cursor.close()


def _address(port: int) -> str:
    return f"quack:{LOOPBACK}:{port}"


def _start(cursor: duckdb.DuckDBPyConnection, token: str, wanted: int) -> int:
    for left in reversed(range(1 if wanted else ATTEMPTS)):
        port = wanted or _free_port()
        serve = f"call quack_serve('{_address(port)}', token = '{token}')"
        if (error := _with_low_priority(cursor, serve)) is None:
            return port
        if not left:
            msg = f"port {port} cannot be served to DuckDB clients: {str(error).splitlines()[0]}"
            raise ServerError(msg) from error
    raise AssertionError


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _with_low_priority(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Error | None:
    """Run a statement in a thread whose priority all threads inherit that it starts."""
    errors: list[duckdb.Error] = []

    def run() -> None:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            cursor.execute(sql).fetchall()
        except duckdb.Error as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors[0] if errors else None
