"""The snapshots that a start would resume, read once from the engine's store, and their checks."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from connectors.lanes.snapshot import LaneState, PartitionState
from connectors.state.errors import WAYS_OUT
from connectors.state.facts import StateFacts
from connectors.state.manifests import Manifest, StepState
from connectors.state.recovery import FIRST_EPOCH, RecoveryStore

KEYED_STEPS: Final = ("dedup", "count", "match", "credit")
"""The steps whose snapshots are `StepState`, one per key group."""

READ: Final = "read"
"""The step whose snapshots are `LaneState`, one per lane."""

WRITER: Final = "write"
"""The step whose snapshot is the number of its last commit."""


@dataclass(frozen=True, slots=True)
class Resumable:
    """Everything that a start would resume.

    `epoch` is the first that is not committed everywhere, `seq` the last commit (0 before the
    first), `groups` are the key groups' snapshots by step, `steps` names all steps with snapshots.
    """

    epoch: int
    seq: int
    steps: Collection[str]
    lanes: Collection[LaneState]
    groups: Mapping[str, Collection[StepState]]

    @classmethod
    def read(cls, store: RecoveryStore) -> Self:
        """Read the store; raises RecoveryError."""
        return cls(
            epoch=store.resume_epoch(),
            seq=max(store.snapshots(WRITER, int).values(), default=0),
            steps=store.steps().keys(),
            lanes=store.snapshots(READ, LaneState).values(),
            groups={step: store.snapshots(step, StepState).values() for step in KEYED_STEPS},
        )

    def manifests(self) -> Iterator[Manifest]:
        """Yield the manifests of all key groups."""
        for groups in self.groups.values():
            yield from (group.manifest for group in groups)

    def partitions(self) -> dict[str, PartitionState]:
        """Return all partitions of all lanes, by name."""
        return {name: each for lane in self.lanes for name, each in lane.all_partitions().items()}

    def problems(self, facts: StateFacts) -> Iterator[str]:
        """Yield the differences from the facts of the state.

        A committed epoch has a snapshot of every lane. All key groups of a step get their input
        together, so there are snapshots of all of them, or of none yet.
        """
        if found := sorted(set(self.steps) - set(facts.steps)):
            yield f"holds state of a step {found[0]}, which does not exist; {WAYS_OUT}"
        if (self.lanes or self.epoch > FIRST_EPOCH) and len(self.lanes) != facts.lanes:
            yield _miscounted(f"{len(self.lanes)} lanes", facts.lanes)
        for step, groups in self.groups.items():
            if len(groups) not in {0, facts.key_groups}:
                yield _miscounted(f"{len(groups)} key groups of {step}", facts.key_groups)


def _miscounted(found: str, expected: int) -> str:
    return (
        f"was made with {expected}, but its recovery store holds {found}: state.json or the store "
        f"is not the one that was used; {WAYS_OUT}"
    )
