"""The registry that lanes follow while they judge by it, and its copy in the state directory.

One lane reads the topic and decides from when on a version holds (`registry_topic`). It keeps the
versions, and then the instant up to which nothing will be added to them; by these all other lanes
of all processes judge. Nobody judges by a later instant than the last that was kept.
"""

from typing import Final, Protocol

import pyarrow as pa

from attribution.columnar.frames import START
from attribution.registry import Registry
from connectors.registry.kept import Horizon, load_horizon, load_versions
from connectors.state.directory import StateDir
from connectors.state.errors import StateError

FOLLOW_INTERVAL: Final = 100_000
"""Between two looks at what is kept, where that is not enough (us)."""

UNREADABLE_MAX: Final = 50
"""Looks in a row that may fail: of a file that is being replaced, another host may see nothing."""


class Followed(Protocol):
    """A registry that goes on while a lane judges by it."""

    def look(self, now: int) -> bool:
        """Take in what is new; tell whether it is known what holds now. Never waits for long."""

    def current(self) -> Registry:
        """Return the registry as it is known now."""

    def news(self) -> pa.RecordBatch | None:
        """Return rows of table `event_sources` for sources that changed since the last time."""

    def close(self) -> None:
        """Let go of it."""


class KeptRegistry:
    """The registry as another lane keeps it; it may run in another process, or on another host."""

    def __init__(self, state: StateDir) -> None:
        """Know nothing yet."""
        self._state = state
        self._registry = Registry(versions={})
        self._horizon = Horizon(START, START)
        self._looked_at = START
        self._unreadable = 0

    def look(self, now: int) -> bool:
        """Look at what is kept when that is needed; tell whether it is known what holds now."""
        if now > self._horizon.up_to and abs(now - self._looked_at) >= FOLLOW_INTERVAL:
            self._looked_at = now
            try:
                self._take_over()
                self._unreadable = 0
            except StateError:
                self._unreadable += 1
                if self._unreadable > UNREADABLE_MAX:
                    raise
        return now <= self._horizon.up_to

    def current(self) -> Registry:
        """Return the registry as it was kept last."""
        return self._registry

    def news(self) -> None:
        """Return none: who reads the topic does."""

    def close(self) -> None:
        """Nothing is open."""

    def _take_over(self) -> None:
        """Take over what is kept, once the versions are there that its horizon is of."""
        horizon = load_horizon(self._state)
        if horizon is None:
            return
        if horizon.number > self._horizon.number:
            known = load_versions(self._state)
            if known is None or known.number < horizon.number:
                return
            self._registry = Registry(versions=known.versions)
        self._horizon = horizon
