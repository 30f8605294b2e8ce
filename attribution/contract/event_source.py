"""One entry of the event-source registry: which types, domains and currencies a source may send.

Checks a single entry; the registry checks whether entries conflict.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from attribution.contract.check import write_path
from attribution.contract.event import ActionSource, EventType, Surface
from attribution.contract.shapes import CurrencyCode, Id, Shape

_LABEL: Final = r"[^\s.:/?#@*\\\[\]]{1,63}"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


def _to_domain(given: str) -> str:
    if not _DOMAIN.fullmatch(given):
        kind = "domain_format"
        raise PydanticCustomError(kind, "a bare host name such as shop.example.com is expected")
    return given.lower().removesuffix(".")


def _unique(given: list[str]) -> list[str]:
    if len(set(given)) != len(given):
        kind = "unique_items"
        raise PydanticCustomError(kind, "each entry is expected once")
    return given


Domain = Annotated[str, AfterValidator(_to_domain)]
FieldName = Annotated[str, Field(max_length=256)]


class Mapping(Shape):
    """How a producer fills log events from its own fields; a note to people, nothing acts on it.

    The keys may be spelt in camel case or in snake case.
    """

    model_config = ConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda name: AliasChoices(name, to_camel(name))
        )
    )

    event_id_field: FieldName | None = None
    event_type_field: FieldName | None = None
    event_time_field: FieldName | None = None
    user_match_fields: list[FieldName] | None = None
    value_field: FieldName | None = None
    currency_field: FieldName | None = None
    order_id_field: FieldName | None = None
    content_ids_field: FieldName | None = None
    consent_field: FieldName | None = None
    dedupe_strategy: Annotated[str, Field(max_length=1024)] | None = None
    notes: Annotated[str, Field(max_length=2048)] | None = None


class EventSource(Shape):
    """An entry as it is in the registry; null and absent are the same.

    `event_types` absent means every type, `allowed_domains` absent or empty every domain, and an
    empty `test_event_code` none.
    """

    advertiser_id: Id
    event_source_id: Id
    name: Id | None = None
    event_types: Annotated[list[EventType], Field(min_length=1)] | None = None
    allowed_domains: list[Domain] | None = None
    action_source: ActionSource | None = None
    surface: Surface | None = None
    value_currencies: (
        Annotated[list[CurrencyCode], Field(min_length=1), AfterValidator(_unique)] | None
    ) = None
    integration_platform: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    mapping: Mapping | None = None
    test_event_code: Annotated[str, Field(max_length=256)] | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """An invalid field of an entry, with a message that says what was expected."""

    field: str | None
    message: str


def judge_event_source(entry: object) -> EventSource | tuple[Issue, ...]:
    """Judge one entry; every fault is an issue, in the order of `EventSource`."""
    if not isinstance(entry, dict):
        return (Issue(None, "an event source is expected to be an object"),)
    try:
        return EventSource.model_validate(entry)
    except ValidationError as error:
        return tuple(map(_issue, error.errors(include_url=False, include_input=False)))


def _issue(detail: Any) -> Issue:  # noqa: ANN401 - pydantic's own mapping
    return Issue(write_path(detail["loc"]), detail["msg"])
