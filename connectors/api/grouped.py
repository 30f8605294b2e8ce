"""Changes of a SQLite file in groups: what waits is one transaction, and synced once.

One thread owns the connection. A change is durable when its result is there.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

GROUP_MAX: Final = 256
"""Changes that are synced together."""

WAIT_SECONDS: Final = 10
"""For another process that is changing the file."""

_Change = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class GroupedChanges:
    """A file that is changed in groups."""

    def __init__(self, path: Path, schema: str) -> None:
        """Open the file and make what is missing; raises sqlite3.Error."""
        self._connection = _opened(path, schema)
        self._changes: SimpleQueue[_Change | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"changes {path.name}", daemon=True)
        self._thread.start()

    def do(self, change: Callable[[sqlite3.Connection], Result]) -> "Future[Result]":
        """Make a change; its result may be sqlite3.Error, and then it has changed nothing."""
        done: Future[Result] = Future()
        # A caller that has gone must not cancel what is being written.
        done.set_running_or_notify_cancel()
        self._changes.put((change, done))
        return done

    def close(self) -> None:
        """Make the changes that wait, and end."""
        self._changes.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while group := self._next_group():
            try:
                self._connection.execute("begin immediate")
                results = [change(self._connection) for change, _ in group]
                self._connection.execute("commit")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                for _, done in group:
                    done.set_exception(error)
            else:
                for (_, done), result in zip(group, results, strict=True):
                    done.set_result(result)

    def _next_group(self) -> list[_Change]:
        """Wait for a change, and take those that wait with it; none at the end."""
        group: list[_Change] = []
        while len(group) < GROUP_MAX and (not group or not self._changes.empty()):
            change = self._changes.get()
            if change is None:
                if group:
                    self._changes.put(None)
                break
            group.append(change)
        return group


def _opened(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
