"""Keeps the memory that queries take away from the job they run beside.

DuckDB's memory limit is one for the whole process. Sorts, joins and groups go to disk before they
reach it, but lists and long texts do not: a commit that finds no memory then leaves a database that
cannot go on. So queries are ended once these take half of the limit.

Some functions allocate outside of the limit, as much as is asked for and without a chance to be
interrupted (`repeat('x', 4000000000)`). So while queries run, the system refuses this process any
more memory than they may take: the allocation fails, and the query with it.
"""

import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

SHARE_TAKEN_MAX: Final = 0.5
"""Share of the memory limit that lists and texts may take. At 3 GB/s, the most that was measured,
the other half of 2 GB lasts for a third of a second: seven looks of the watching thread."""

GROWTH_SHARE: Final = 4
"""While queries run the process may grow by a quarter of the machine's memory, or by
`GROWTH_LIMITS` memory limits if that is more; queries are ended at half of it. The job itself grows
by less within the time that a query may take, unless it is about to fill the machine anyway."""

GROWTH_LIMITS: Final = 2

_TAKEN: Final = """
select coalesce(sum(memory_usage_bytes), 0)::bigint from duckdb_memory() where tag = 'ALLOCATOR'"""

_STATM: Final = Path("/proc/self/statm")
_RESIDENT, _DATA = 1, 5
"""Fields: pages in memory, and pages of private writable memory, which the system limits."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the bytes of memory that this process uses; 0 where the system does not tell."""
    return _pages(_RESIDENT) * _PAGE


def _pages(field: int) -> int:
    try:
        return int(_STATM.read_bytes().split()[field])
    except OSError:
        return 0


class DatabaseMemory:
    """What queries have taken of the database's memory and do not yield; used by one thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int) -> None:
        """Look at the database of a connection with a memory limit, in bytes."""
        self._cursor = connection.cursor()
        self._taken_max = int(limit * SHARE_TAKEN_MAX)

    def is_short(self) -> bool:
        """Return whether the job may find no memory for its next commit."""
        try:
            [(taken,)] = self._cursor.execute(_TAKEN).fetchall()
        except duckdb.OutOfMemoryException:
            return True
        return bool(taken > self._taken_max)

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()


class ProcessMemory:
    """The system's limit on what this process allocates, set while queries run (Linux)."""

    def __init__(self, limit: int) -> None:
        """Derive how far the process may grow from the database's memory limit, in bytes."""
        physical = os.sysconf("SC_PHYS_PAGES") * _PAGE
        self.growth_max = max(limit * GROWTH_LIMITS, physical // GROWTH_SHARE)
        self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def hold(self, data: int) -> None:
        """Refuse allocations beyond a growth from so many bytes of private memory."""
        if data:
            self._set(data + self.growth_max)

    def release(self) -> None:
        """Allow what was allowed before."""
        self._set(self._before[0])

    def _set(self, soft: int) -> None:
        hard = self._before[1]
        if hard != resource.RLIM_INFINITY:
            soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def private() -> int:
    """Return the bytes of memory that this process has allocated; 0 where the system hides it."""
    return _pages(_DATA) * _PAGE
