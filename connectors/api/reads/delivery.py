"""What media buys have delivered and earned, as AdCP writes it."""

from dataclasses import dataclass
from typing import Final

from connectors.api.capabilities import duration
from connectors.api.reads.asked import Row, plain
from connectors.api.reads.cells import NO_CURRENCY
from connectors.api.reads.delivery_request import DeliveryRequest
from connectors.api.reads.media_buy_row import MediaBuy
from connectors.api.reads.media_buys import (
    BUYS_MAX,
    State,
    find_media_buy,
    find_state,
    names_of,
)
from connectors.api.reads.periods import finality, period_asked, period_of
from connectors.sql.reader import Reader

TIMEZONE: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The content of an answer, none before the first commit; media buys that are not known."""

    content: Row
    unknown: tuple[str, ...] = ()
    is_too_much: bool = False


def delivery(reader: Reader, request: DeliveryRequest) -> Delivered:
    """Answer a request."""
    state, wanted, names = find_state(reader), request.wanted, request.media_buy_ids
    if state is None:
        return Delivered({})
    if names is None:
        names = tuple(names_of(reader, wanted))
        if len(names) > BUYS_MAX:
            return Delivered({}, is_too_much=True)
    buys, periods, unknown = [], [], []
    for name in names:
        found = find_media_buy(reader, name, wanted)
        if found is None:
            unknown.append(name)
            continue
        periods.append(period_of(found, wanted, state))
        buys.append(MediaBuy(found, finality(reader, found, periods[-1], state), wanted.has_days))
    periods = periods or [period_asked(wanted, state)]
    content = {
        "reporting_period": {
            "start": min(each.start for each in periods),
            "end": max(each.end for each in periods),
            "timezone": TIMEZONE,
        },
        **_only_currency(buys),
        "attribution_window": _window(state, wanted.model),
        "media_buy_deliveries": [each.written() for each in buys],
        "ext": {"tributary": {"as_of": _as_of(state)}},
    }
    return Delivered(plain(content), tuple(unknown))


def _only_currency(buys: list[MediaBuy]) -> Row:
    """Return the currency of all money of the answer, which older releases of AdCP require."""
    found = {each.currency for each in buys}
    known = found - {NO_CURRENCY} or found
    return {"currency": known.pop()} if len(known) == 1 and None not in known else {}


def _window(state: State, model: str) -> Row:
    policy = state.policy
    return {
        "post_click": duration(policy.post_click),
        "post_view": duration(policy.post_view),
        "model": model,
    }


def _as_of(state: State) -> Row:
    return {
        "commit": state.commit,
        "committed_at": state.committed_at,
        "watermark": state.watermark,
    }
