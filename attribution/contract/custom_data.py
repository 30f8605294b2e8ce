"""The `custom_data` block of an event: money, order, contents.

Applies the money rules of the policy. Unknown keys are kept in the text as sent, because a goal may
take its value from any of them.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple

from pydantic import Field

from attribution.contract.check import FieldFault, Repair, check, without
from attribution.contract.document import JsonObject, dump_json
from attribution.contract.money import to_money
from attribution.contract.shapes import MAX_BIGINT, Amount, Count, CurrencyCode, Shape
from attribution.contract.verdicts import Problem
from attribution.policy import Policy
from attribution.vocabulary import Code, Warn

HOISTED: Final = ("value", "currency", "content_ids")
"""Fields that some producers put beside `custom_data` instead of in it."""

BLOCK: Final = "custom_data"

Name = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=1024)]


class Content(Shape):
    """One item of a basket."""

    id: Name | None = None
    quantity: Annotated[Count, Field(ge=1)] | None = None
    price: Annotated[Amount, Field(ge=0)] | None = None
    brand: Name | None = None


class CustomData(Shape):
    """The block as it is on the wire; progress is looked at for watch_milestone only."""

    value: Amount | None = None
    currency: CurrencyCode | None = None
    order_id: Name | None = None
    content_ids: list[Name] | None = None
    content_type: Annotated[str, Field(max_length=128)] | None = None
    content_name: Text | None = None
    content_category: Text | None = None
    search_string: Text | None = None
    num_items: Annotated[Count, Field(ge=0, le=MAX_BIGINT)] | None = None
    contents: list[Content] | None = None


class Progress(Shape):
    """How far somebody watched: what a watch_milestone is about."""

    progress_percent: Annotated[Amount, Field(ge=0, le=100)] | None = None
    progress_seconds: Annotated[Amount, Field(ge=0)] | None = None


class Payload(NamedTuple):
    """The columns of a block: `text` is the block as sent, after repairs."""

    value: Decimal | None = None
    currency: str | None = None
    order_id: str | None = None
    num_items: int | None = None
    content_ids: list[str] | None = None
    text: str | None = None
    warnings: tuple[Warn, ...] = ()
    repairs: tuple[Repair, ...] = ()


class _Sum(NamedTuple):
    value: Decimal | None
    warnings: tuple[Warn, ...] = ()
    repairs: tuple[Repair, ...] = ()


def hoist(event: dict[str, Any]) -> dict[str, Any]:
    """Move misplaced fields into `custom_data` where it lacks them; else return the same event."""
    block = event.get(BLOCK)
    if not isinstance(block, dict | None):
        return event
    held = block or {}
    moved = [
        (name, event[name])
        for name in HOISTED
        if event.get(name) is not None and held.get(name) is None
    ]
    if not moved:
        return event
    merged = JsonObject(list({**held, **dict(moved)}.items()))
    return JsonObject(list({**event, BLOCK: merged}.items()))


def read_payload(
    data: CustomData | None, given: dict[str, Any] | None, *, event_type: str, policy: Policy
) -> Payload | Problem:
    """Read a valid block, parsed from `given`; cross-field rules may still refuse it."""
    problem = _find_missing_progress(given) if event_type == "watch_milestone" else None
    if problem:
        return problem
    if data is None or given is None:
        return _NOTHING
    money = _read_money(data, event_type=event_type, policy=policy)
    if isinstance(money, Problem):
        return money
    if money.repairs:
        given = without({BLOCK: given}, [repair.path for repair in money.repairs])[BLOCK]
    nameless = any(content.id is None for content in data.contents or ())
    return Payload(
        value=money.value,
        currency=data.currency,
        order_id=data.order_id,
        num_items=data.num_items,
        content_ids=data.content_ids,
        text=dump_json(given),
        warnings=(*money.warnings, Warn.CONTENT_WITHOUT_ID) if nameless else money.warnings,
        repairs=money.repairs,
    )


def _read_money(data: CustomData, *, event_type: str, policy: Policy) -> _Sum | Problem:
    """Check the value: size, then sign, then currency, then rounding."""
    if data.value is None:
        return _NO_SUM
    money = to_money(data.value)
    if money is None:
        return _TOO_LARGE
    warnings = [Warn.VALUE_ROUNDED] if money.rounded else []
    if data.value < 0:
        if event_type != "refund":
            return _NEGATIVE
        warnings.append(Warn.NEGATIVE_VALUE_NORMALISED)
    if data.currency is None:
        if policy.missing_currency == "reject":
            return _CURRENCY_REQUIRED
        return _Sum(None, (*warnings, Warn.MISSING_CURRENCY))
    return _Sum(abs(money.amount), tuple(warnings))


def _find_missing_progress(given: dict[str, Any] | None) -> Problem | None:
    checked = check(Progress, given or {}, under=(BLOCK,))
    if isinstance(checked, FieldFault):
        return checked.problem
    progress = checked.model
    is_missing = progress.progress_percent is None and progress.progress_seconds is None
    return _PROGRESS_REQUIRED if is_missing else None


_NOTHING: Final = Payload()
_NO_SUM: Final = _Sum(None)
_NEGATIVE: Final = _Sum(None, repairs=(Repair((BLOCK, "value"), Warn.NEGATIVE_VALUE_DROPPED),))
_TOO_LARGE: Final = Problem(
    Code.INVALID_CUSTOM_DATA,
    "custom_data.value",
    "custom_data.value must fit DECIMAL(18,6), that is, be below 10^12",
)
_CURRENCY_REQUIRED: Final = Problem(
    Code.CURRENCY_REQUIRED,
    "custom_data.currency",
    "custom_data.currency must be there when custom_data.value is",
)
_PROGRESS_REQUIRED: Final = Problem(
    Code.INVALID_CUSTOM_DATA,
    BLOCK,
    "custom_data of a watch_milestone must hold progress_percent or progress_seconds",
)
