"""A call that sends events, judged: what every answer to it is made from, whatever the transport.

The stream judges each event by the same contract and the same rules of its source, so an event that
is accepted here is not refused later.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attribution.contract.event import judge_event
from attribution.contract.verdicts import Envelope, EventRecord, Rejection
from attribution.policy import Policy
from attribution.quality import quality
from attribution.registry import SourceVersion, judge_source
from attribution.vocabulary import KIND_CODES, Warn


@dataclass(frozen=True, slots=True)
class PartialFailure:
    """One refused event; without a valid id it is named by its index, `event_3`."""

    event_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CallVerdict:
    """What became of the events of a call.

    `warnings` counts events by warning. `match_quality` is the mean over the accepted events, 0
    without any. The events of a test call are validated, and count nowhere.
    """

    received: int
    failures: tuple[PartialFailure, ...]
    warnings: Mapping[Warn, int]
    match_quality: float
    is_test: bool

    @property
    def processed(self) -> int:
        """How many events were accepted, copies of earlier ones included."""
        return self.received - len(self.failures)


def judge_call(envelope: Envelope, source: SourceVersion, policy: Policy) -> CallVerdict:
    """Judge every event of a sound envelope, by the contract and by its source."""
    failures: list[PartialFailure] = []
    warnings: Counter[Warn] = Counter()
    total = 0.0
    for index, verdict in enumerate(_verdicts(envelope, source, policy)):
        if isinstance(verdict, Rejection):
            failures.append(_failure(index, verdict))
        else:
            warnings.update(verdict.warnings)
            total += quality(sum(1 << KIND_CODES[kind] for kind in verdict.carries), policy)
    accepted = len(envelope.events) - len(failures)
    return CallVerdict(
        received=len(envelope.events),
        failures=tuple(failures),
        warnings=warnings,
        match_quality=round(total / accepted, 4) if accepted else 0.0,
        is_test=(envelope.test_event_code or source.test_event_code) is not None,
    )


def _verdicts(
    envelope: Envelope, source: SourceVersion, policy: Policy
) -> Iterator[EventRecord | Rejection]:
    for event in envelope.events:
        verdict = judge_event(event, policy=policy)
        yield verdict if isinstance(verdict, Rejection) else judge_source(source, verdict)


def _failure(index: int, rejection: Rejection) -> PartialFailure:
    place = f"/events/{index}" + _pointer(rejection.field)
    event_id = rejection.record_id or f"event_{index}"
    return PartialFailure(event_id, rejection.code, f"{rejection.message} (at {place})")


def _pointer(field: str | None) -> str:
    """Return a path such as `custom_data.contents[0].price` as a JSON pointer (RFC 6901)."""
    steps = (field or "").replace("[", ".").replace("]", "").split(".")
    return "".join(f"/{step}" for step in steps if step)
