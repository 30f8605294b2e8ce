"""The registry that lanes follow during a run, through its copy in the state directory.

One lane reads the topic and decides when a version takes effect (`registry.topic`). It saves the
versions, and then the horizon: the time up to which no version will be added. All other lanes of
all processes read both. No lane evaluates an event beyond the saved horizon.
"""

from typing import Final, Protocol

import pyarrow as pa

from attribution.columnar.frames import START
from attribution.registry import Registry
from connectors.registry.kept import Horizon, load_horizon, load_versions
from connectors.state.directory import StateDir
from connectors.state.errors import StateError

FOLLOW_INTERVAL: Final = 100_000
"""Interval (us) of reading the saved horizon, while it is not recent enough."""

UNREADABLE_MAX: Final = 50
"""Consecutive reads that may fail: another host may not see a file while it is being replaced."""


class Followed(Protocol):
    """A registry that changes during a run."""

    def look(self, now: int) -> bool:
        """Update the registry; return whether it is complete at `now`. Never blocks for long."""

    def current(self) -> Registry:
        """Return the registry as of the last update."""

    def news(self) -> pa.RecordBatch | None:
        """Return rows of table `event_sources` for sources that changed since the last time."""

    def close(self) -> None:
        """Close the registry."""


class KeptRegistry:
    """The registry as saved by another lane, maybe in another process or on another host."""

    def __init__(self, state: StateDir) -> None:
        """Start without versions."""
        self._state = state
        self._registry = Registry(versions={})
        self._horizon = Horizon(START, START)
        self._looked_at = START
        self._unreadable = 0

    def look(self, now: int) -> bool:
        """Read the saved registry if necessary; return whether it is complete at `now`."""
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
        """Return the registry as read last."""
        return self._registry

    def news(self) -> None:
        """Return None: the lane that reads the topic returns the rows."""

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _take_over(self) -> None:
        """Adopt the saved horizon, once the versions that belong to it can be read."""
        horizon = load_horizon(self._state)
        if horizon is None:
            return
        if horizon.number > self._horizon.number:
            known = load_versions(self._state)
            if known is None or known.number < horizon.number:
                return
            self._registry = Registry(versions=known.versions)
        self._horizon = horizon
