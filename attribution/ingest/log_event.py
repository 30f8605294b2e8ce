"""A call that sends events, judged: what every answer to it is made from, whatever the transport.

The stream judges each event by the same contract and the same rules of its source, so an event that
is accepted here is not refused later.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attribution.contract.event import judge_event
from attribution.contract.times import FUTURE_TOLERANCE
from attribution.contract.verdicts import Envelope, EventRecord, Rejection
from attribution.policy import Policy
from attribution.quality import QUALITY_STEPS, quality
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


def judge_call(
    envelope: Envelope, source: SourceVersion, policy: Policy, *, received_at: int
) -> CallVerdict:
    """Judge every event of a sound envelope, by the contract and by its source.

    `received_at` is in us.
    """
    failures: list[PartialFailure] = []
    warnings: Counter[Warn] = Counter()
    total = 0
    for index, verdict in enumerate(_verdicts(envelope, source, policy)):
        if isinstance(verdict, Rejection):
            failures.append(
                partial_failure(
                    index, verdict.record_id, verdict.code, verdict.message, verdict.field
                )
            )
            continue
        warnings.update(verdict.warnings)
        if verdict.event_time > received_at + FUTURE_TOLERANCE:
            warnings[Warn.EVENT_TIME_IN_FUTURE] += 1
        carries = sum(1 << KIND_CODES[kind] for kind in verdict.carries)
        total += round(quality(carries, policy) * QUALITY_STEPS)
    return CallVerdict(
        received=len(envelope.events),
        failures=tuple(failures),
        warnings=warnings,
        match_quality=mean_quality(total, len(envelope.events) - len(failures)),
        is_test=(envelope.test_event_code or source.test_event_code) is not None,
    )


def mean_quality(total: int, accepted: int) -> float:
    """Return the match quality of a call: the mean of its accepted events; 0 without any.

    `total` is in steps of 1 / QUALITY_STEPS, so that it is exact in any order of summing.
    """
    return round(total / QUALITY_STEPS / accepted, 4) if accepted else 0.0


def partial_failure(
    index: int, record_id: str | None, code: str, message: str, field: str | None
) -> PartialFailure:
    """Return a refused event; its message ends with the JSON pointer of the faulty field."""
    place = f"/events/{index}" + json_pointer(field)
    return PartialFailure(record_id or f"event_{index}", code, f"{message} (at {place})")


def _verdicts(
    envelope: Envelope, source: SourceVersion, policy: Policy
) -> Iterator[EventRecord | Rejection]:
    for event in envelope.events:
        verdict = judge_event(event, policy=policy)
        yield verdict if isinstance(verdict, Rejection) else judge_source(source, verdict)


def json_pointer(field: str | None) -> str:
    """Return a path such as `custom_data.contents[0].price` as a JSON pointer (RFC 6901)."""
    steps = (field or "").replace("[", ".").replace("]", "").split(".")
    return "".join(f"/{step}" for step in steps if step)
