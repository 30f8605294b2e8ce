"""Types that the models share. They are strict: JSON types must match and nothing is coerced.

`read_document` returns a number as int or Decimal. Null means absent, so every optional field is
`| None`.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from attribution.contract.times import ParsedTime, parse_time

MAX_BIGINT: Final = 2**63 - 1
_BIGINT_DIGITS: Final = 19


class Shape(BaseModel):
    """A block of the wire: unknown keys are ignored, values are taken as they are."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def _to_decimal(given: object) -> object:
    return Decimal(given) if type(given) is int else given


def _to_int(given: object) -> object:
    if not isinstance(given, Decimal) or not given.is_finite():
        return given
    # Longer numbers fail unconverted: int() of 1e999999999 would never return.
    if given and given.adjusted() >= _BIGINT_DIGITS:
        return given
    return int(given) if given == given.to_integral_value() else given


def _to_time(given: object) -> ParsedTime:
    time = parse_time(given)
    if time is None:
        kind = "time_format"
        raise PydanticCustomError(kind, "not a time of RFC 3339 with an offset")
    return time


def one_of(words: Collection[str]) -> AfterValidator:
    """Accept the words of a vocabulary only."""
    known = frozenset(words)

    def is_known(word: str) -> str:
        if word not in known:
            kind = "unknown_word"
            context = {"words": ", ".join(words)}
            raise PydanticCustomError(kind, "expected one of {words}", context)
        return word

    return AfterValidator(is_known)


def spelled(words: Collection[str]) -> WithJsonSchema:
    """Add the allowed words to the JSON Schema; pydantic cannot derive them from a validator."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


Id = Annotated[str, Field(min_length=1, max_length=256)]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
# A number out of Decimal's range is read as infinity; each field sets its own limit.
Amount = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(_to_decimal)]
Count = Annotated[int, BeforeValidator(_to_int)]
_DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Time = Annotated[ParsedTime, PlainValidator(_to_time, json_schema_input_type=_DateTime)]
