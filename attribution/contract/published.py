"""The document on the topic of conversions: one per attributed conversion.

The model is the contract with consumers; its docstrings appear in the AsyncAPI document. Money and
shares are decimal texts, because many parsers read a JSON number as a double. Nothing in it
identifies a user.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from attribution.vocabulary import EVENT_TYPES, KINDS

Money = Annotated[str, Field(pattern=r"^-?\d+\.\d{6}$")]
Share = Annotated[str, Field(pattern=r"^[01]\.\d{9}$")]
Instant = Annotated[
    str,
    Field(pattern=r"^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
EventType = Annotated[str, WithJsonSchema({"type": "string", "enum": list(EVENT_TYPES)})]
Kind = Annotated[str, WithJsonSchema({"type": "string", "enum": list(KINDS)})]


class Document(BaseModel):
    """Every field is there; null says that there is nothing to say."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Shares(Document):
    """The part of the conversion that a touchpoint earns; 1 in all touchpoints, per model."""

    last_touch: Share
    first_touch: Share
    linear: Share
    time_decay: Share
    position_based: Share


class Values(Document):
    """The money that a touchpoint earns; the conversion's value in all touchpoints, per model."""

    last_touch: Money
    first_touch: Money
    linear: Money
    time_decay: Money
    position_based: Money


class PublishedCredit(Document):
    """A touchpoint and what it earns; `values` is null where the conversion has no value."""

    impression_id: str
    type: Literal["impression", "click"]
    time: Instant
    campaign_id: str
    media_buy_id: str | None
    package_id: str | None
    creative_id: str | None
    matched_on: Kind
    is_probabilistic: bool
    position: Annotated[int, Field(ge=1)]
    shares: Shares
    values: Values | None


class PublishedConversion(Document):
    """An attributed conversion that has settled, with its credits from the earliest to the latest.

    `conversion_id` is the same in every copy of it; of several copies the last one counts.
    """

    conversion_id: str
    advertiser_id: str
    event_source_id: str
    event_type: EventType
    custom_event_name: str | None
    event_id: str
    event_time: Instant
    received_at: Instant
    action_source: str | None
    order_id: str | None
    value: Money | None
    currency: str | None
    matched_on: Kind
    touch_type: Literal["click", "view"]
    is_probabilistic: bool
    match_quality: Annotated[float, Field(ge=0, le=1)]
    credits: Annotated[list[PublishedCredit], Field(min_length=1)]
