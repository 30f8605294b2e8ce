"""What a start would go on with: whether it is this program's, and all there.

The versions and numbers are asserted where they are used; here they are told in a sentence, before
anything runs.
"""

from collections.abc import Iterator
from typing import Final

from connectors.files import position as place
from connectors.intake import Position, is_of_topic
from connectors.kafka import partitions as lane_partitions
from connectors.lanes.snapshot import VERSION as LANE
from connectors.lanes.snapshot import partitions_of
from connectors.state.directory import StateDir
from connectors.state.errors import WAYS_OUT
from connectors.state.facts import StateFacts
from connectors.state.manifests import Manifest
from connectors.state.recovery import FIRST_EPOCH

KEYED_STEPS: Final = ("dedup", "count", "match", "credit")
"""The steps whose snapshots are (version, step, numbers, manifest)."""

READ: Final = "read"
"""The step whose snapshots are those of lanes."""

WRITER: Final = "write"
"""The step whose snapshot is the number of its last commit."""

SNAPSHOT: Final = 1
"""Version of the keyed steps' snapshots."""


def manifests(state: StateDir) -> Iterator[Manifest]:
    """Yield the manifests of all key groups that would be resumed."""
    for step in KEYED_STEPS:
        for snapshot in state.recovery.snapshots(step).values():
            yield snapshot[-1]


def resumed_seq(state: StateDir) -> int:
    """Return the number of the last commit that the state belongs to; 0 before the first."""
    return max(state.recovery.snapshots(WRITER).values(), default=0)


def partitions(state: StateDir) -> Iterator[tuple[str, str, Position, int]]:
    """Yield (name, stream, position, watermark) of all partitions of all lanes."""
    for snapshot in state.recovery.snapshots(READ).values():
        for name, (stream, position, _, watermark) in partitions_of(snapshot).items():
            yield name, stream, position, watermark


def strange(state: StateDir, facts: StateFacts) -> Iterator[str]:
    """Yield which snapshots this program cannot resume, and which are missing."""
    if found := sorted(state.recovery.steps().keys() - set(facts.steps)):
        yield f"{state.path} holds state of a step {found[0]}, which does not exist; {WAYS_OUT}"
    yield from _other_numbers(state, facts)
    yield from _other_versions(state)


def _other_numbers(state: StateDir, facts: StateFacts) -> Iterator[str]:
    """Compare how many there are with what the state was made with.

    An epoch that is committed has a snapshot of every lane. The groups of a step are fed together:
    so there are snapshots of all of them, or of none yet.
    """
    lanes, has_begun = state.recovery.snapshots(READ), state.recovery.resume_epoch() > FIRST_EPOCH
    if (lanes or has_begun) and len(lanes) != facts.lanes:
        yield _miscounted(state, f"{len(lanes)} lanes", facts.lanes)
    for step in KEYED_STEPS:
        groups = len(state.recovery.snapshots(step))
        if groups not in {0, facts.key_groups}:
            yield _miscounted(state, f"{groups} key groups of {step}", facts.key_groups)


def _miscounted(state: StateDir, found: str, expected: int) -> str:
    return (
        f"{state.path} was made with {expected}, but its recovery store holds {found}: state.json "
        f"or the store is not the one that was used; {WAYS_OUT}"
    )


def _other_versions(state: StateDir) -> Iterator[str]:
    """Yield the first snapshot or position of another version."""
    for what, found, expected in _versions(state):
        if found != expected:
            yield (
                f"{state.path} holds a {what} of version {found}, expected {expected}; start the "
                "tributary that saved it"
            )
            return


def _versions(state: StateDir) -> Iterator[tuple[str, object, object]]:
    """Yield all that has a version; places last, for where they lie is a lane's version's."""
    for step in KEYED_STEPS:
        for snapshot in state.recovery.snapshots(step).values():
            yield "snapshot", snapshot[:2], (SNAPSHOT, step)
    for snapshot in state.recovery.snapshots(READ).values():
        yield "snapshot", snapshot[:2], ("lane", LANE)
    for _, _, position, _ in partitions(state):
        if is_of_topic(position):
            yield "place in a topic", position[0], lane_partitions.VERSION
        else:
            yield "place in a file", position[0], place.VERSION
