"""The registry of event sources: the versions of each source and what it may send.

A registry is immutable and is looked up by time of arrival. Nothing here reads a file.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from attribution.contract.event_source import EventSource, judge_event_source
from attribution.contract.verdicts import EventRecord, Rejection, in_order
from attribution.vocabulary import Code, Warn

BEGINNING_OF_TIME: Final = -(2**63)
END_OF_TIME: Final = 2**63 - 1

_DOCUMENT: Final = "event_sources"

UNKNOWN_SOURCE: Final = "event_source_id is not registered for this advertiser"
NOT_ALLOWED: Final = {
    "event_type": "event_type is not one this source may send",
    "event_source_url": "event_source_url is at a host outside the source's allowed_domains",
    "custom_data.currency": "custom_data.currency is not one of the source's value_currencies",
}
"""The message for an event that breaks a rule of its source."""


class RegistryError(ValueError):
    """The registry cannot be used; the message names every entry, field and expectation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersion:
    """An event source as it was from `valid_from` (inclusive) to `valid_to` (exclusive), in us.

    None allows everything, and so do empty `allowed_domains` (bare domains in lower case).
    """

    advertiser_id: str
    event_source_id: str
    name: str
    event_types: frozenset[str] | None = None
    allowed_domains: tuple[str, ...] = ()
    value_currencies: frozenset[str] | None = None
    test_event_code: str | None = None
    valid_from: int = BEGINNING_OF_TIME
    valid_to: int = END_OF_TIME

    def allows_host(self, host: str) -> bool:
        """Return whether a host (lower case) is an allowed domain or lies under one."""
        return not self.allowed_domains or any(
            host == domain or host.endswith(f".{domain}") for domain in self.allowed_domains
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The versions of every source by (advertiser_id, event_source_id), oldest first."""

    versions: dict[tuple[str, str], tuple[SourceVersion, ...]]
    allow_unregistered: bool = False

    @classmethod
    def from_documents(cls, documents: object, *, allow_unregistered: bool) -> Self:
        """Build a registry from an array of entries valid at any time; raises RegistryError."""
        if not isinstance(documents, list):
            message = f"{_DOCUMENT}: an array of event sources is expected"
            raise RegistryError(message)
        versions: dict[tuple[str, str], tuple[SourceVersion, ...]] = {}
        faults: list[str] = []
        for index, document in enumerate(documents):
            source = judge_event_source(document)
            if not isinstance(source, EventSource):
                faults += [_fault(index, issue.field, issue.message) for issue in source]
            elif (key := (source.advertiser_id, source.event_source_id)) in versions:
                message = "each source is expected once per advertiser"
                faults.append(_fault(index, "event_source_id", message))
            else:
                versions[key] = (version_of(source),)
        if faults:
            raise RegistryError("; ".join(faults))
        return cls(versions=versions, allow_unregistered=allow_unregistered)

    def lookup(
        self, advertiser_id: str, event_source_id: str, *, at: int | None
    ) -> SourceVersion | None:
        """Return the version valid at time `at`; the latest one if `at` is None."""
        instant = END_OF_TIME - 1 if at is None else at
        for version in self.versions.get((advertiser_id, event_source_id), ()):
            if version.valid_from <= instant < version.valid_to:
                return version
        return _unrestricted(advertiser_id, event_source_id) if self.allow_unregistered else None


def judge_source(version: SourceVersion, record: EventRecord) -> Rejection | EventRecord:
    """Check an accepted event against its source; the returned record may have a warning more."""
    if version.event_types is not None and record.event_type not in version.event_types:
        return _reject(record, Code.INVALID_EVENT_TYPE, "event_type")
    host = record.event_source_host
    if host is not None and not version.allows_host(host):
        return _reject(record, Code.DOMAIN_NOT_ALLOWED, "event_source_url")
    currencies = version.value_currencies
    if record.currency is not None and currencies and record.currency not in currencies:
        return _reject(record, Code.CURRENCY_NOT_ALLOWED, "custom_data.currency")
    if version.allowed_domains and record.event_source_url is None:
        warnings = in_order((*record.warnings, Warn.MISSING_EVENT_SOURCE_URL))
        return replace(record, warnings=warnings)
    return record


def version_of(source: EventSource) -> SourceVersion:
    """Return the version of an event source that is valid at any time."""
    types, currencies = source.event_types, source.value_currencies
    return SourceVersion(
        advertiser_id=source.advertiser_id,
        event_source_id=source.event_source_id,
        name=source.name or source.event_source_id,
        event_types=None if types is None else frozenset(types),
        allowed_domains=tuple(source.allowed_domains or ()),
        value_currencies=None if currencies is None else frozenset(currencies),
        test_event_code=source.test_event_code or None,
    )


def _unrestricted(advertiser_id: str, event_source_id: str) -> SourceVersion:
    return SourceVersion(
        advertiser_id=advertiser_id, event_source_id=event_source_id, name=event_source_id
    )


def _reject(record: EventRecord, code: Code, field: str) -> Rejection:
    return Rejection(
        code=code,
        message=NOT_ALLOWED[field],
        field=field,
        record_id=record.event_id,
        event_type=record.event_type,
    )


def _fault(index: int, field: str | None, message: str) -> str:
    place = f"{_DOCUMENT}[{index}]"
    return f"{place}.{field}: {message}" if field else f"{place}: {message}"


def following(
    versions: tuple[SourceVersion, ...], current: SourceVersion | None, now: int
) -> tuple[SourceVersion, ...]:
    """Return the versions of a source with `current` valid from `now` on; None deletes it."""
    new = None if current is None else replace(current, valid_from=now)
    is_open = bool(versions) and versions[-1].valid_to == END_OF_TIME
    if is_open and new != replace(versions[-1], valid_from=now):
        # If the clock was set back, a version must still not end before it began.
        end = max(now, versions[-1].valid_from)
        versions = (*versions[:-1], replace(versions[-1], valid_to=end))
        is_open = False
    if new and not is_open:
        begin = max([now, *(version.valid_to for version in versions)])
        versions = (*versions, replace(new, valid_from=begin))
    return _joined(each for each in versions if each.valid_from < each.valid_to)


def _joined(versions: Iterable[SourceVersion]) -> tuple[SourceVersion, ...]:
    """Merge adjacent versions with the same rules."""
    joined: list[SourceVersion] = []
    for each in versions:
        last = joined[-1] if joined else None
        if last and last == replace(each, valid_from=last.valid_from, valid_to=each.valid_from):
            joined[-1] = replace(last, valid_to=each.valid_to)
        else:
            joined.append(each)
    return tuple(joined)
