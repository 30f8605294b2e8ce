"""Writes planned events as envelopes of the event stream: JSON text, column by column."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from flows.generate.draws import Draws, Ints
from flows.generate.faults import EVENT_ALONE, EVENT_FAULTS
from flows.generate.people import IN_EVENTS, Carriers, click_members, user_match_members
from flows.generate.rows import APP, CRM, SOURCES, UNREGISTERED, WEBSITE, Rows
from flows.generate.text import (
    advertiser_name,
    currency,
    domain,
    event_names,
    received_members,
    sent_time,
    spoil_lines,
    spoil_records,
    stamps,
    user_match,
)

_FUNNELS: Final = {
    WEBSITE: ("page_view", "view_content", "add_to_cart", "initiate_checkout", "purchase"),
    APP: ("app_launch", "view_content", "add_to_cart", "purchase", "purchase"),
    UNREGISTERED: ("page_view", "lead", "page_view", "lead", "page_view"),
}
_FEED: Final = ("purchase", "lead", "refund", "custom", "subscription", "deposit", "qualify_lead")
_FEED_WEIGHTS: Final = (50, 20, 6, 10, 5, 5, 4)
_ACTION_SOURCES: Final = ("website", "app", "in_store", "website")
_BASKETS: Final = frozenset({"add_to_cart", "initiate_checkout", "purchase", "refund", "deposit"})
_LANDING: Final = ("page_view", "view_content")
_WEST: Final = -5 * 3_600_000  # every second advertiser writes its times at -05:00
_CUTS: Final = 0.85  # of an envelope's bounds; pauses and faulty events make the others
_ENVELOPE_PAUSE_MS: Final = 1_800_000  # half an hour of silence sends an envelope
_TEST_MEMBER: Final = '"test_event_code":"TEST1234",'


def in_envelopes(draws: Draws, rows: Rows, size: int) -> tuple[Rows, Ints]:
    """Group events by source into envelopes; return the sorted rows and the envelopes' bounds."""
    alone = np.array(EVENT_ALONE)[rows["fault"]]
    stream = rows["advertiser"] * len(SOURCES) + rows["source"]
    own = np.where(alone, rows["slot"] + 1, 0)
    order = np.lexsort((rows["slot"], rows["arrival"], own, rows["test"], stream))
    rows = rows[order]
    parts = (stream[order], own[order], rows["test"].astype(np.int64))
    starts = draws.chance("envelope", rows["slot"], _CUTS / size)
    starts[1:] |= np.diff(rows["arrival"]) > _ENVELOPE_PAUSE_MS
    for part in parts:
        starts[1:] |= np.diff(part) != 0
    starts[0] = True
    return rows, np.append(np.flatnonzero(starts), len(rows))


def event_texts(draws: Draws, rows: Rows, people: int) -> list[str]:
    """Write one JSON object per event, in the order of the rows."""
    types = _event_types(draws, rows)
    time, west = sent_time(rows), rows["advertiser"] % 2
    columns = zip(
        event_names(draws, rows["slot"]),
        types,
        stamps(time + west * _WEST),
        west.tolist(),
        _places(rows),
        _event_members(draws, rows, types, people),
        _custom_data(draws, rows, types),
        strict=True,
    )
    texts = [
        f'{{"event_id":"{name}","event_type":"{kind}","event_time":"{at}'
        f'{"-05:00" if offset else "Z"}",{place}{user_match(member)}{data}}}'
        for name, kind, at, offset, place, member, data in columns
    ]
    return spoil_records(texts, rows["fault"], EVENT_FAULTS)


def envelope_lines(
    draws: Draws, rows: Rows, texts: Sequence[str], *, cuts: Ints, arrivals: Ints
) -> list[str]:
    """Write one line per envelope: the events between consecutive `cuts` (one more than lines)."""
    first = rows[cuts[:-1]]
    numbers = first["slot"] * 4 + first["copy"]
    columns = zip(
        cuts[:-1].tolist(),
        cuts[1:].tolist(),
        first["advertiser"].tolist(),
        first["source"].tolist(),
        first["test"].tolist(),
        received_members(draws, arrivals, numbers),
        strict=True,
    )
    lines = [
        f'{{"advertiser_id":"{advertiser_name(advertiser)}"{received},'
        f'"event_source_id":"{SOURCES[source]}",'
        f"{_TEST_MEMBER if test else ''}"
        f'"events":[{",".join(texts[start:end])}]}}'
        for start, end, advertiser, source, test, received in columns
    ]
    return spoil_lines(lines, first["fault"], EVENT_FAULTS)


def _event_members(draws: Draws, rows: Rows, types: Sequence[str], people: int) -> list[str]:
    carriers = Carriers(rows["slot"], rows["user"], rows["device"], rows["user"] >= people)
    keeps = draws.chance("keeps click id", rows["visit"], 0.85)
    cause = np.maximum(rows["cause"], 0)
    clicks = click_members(draws, cause, rows["click"] & keeps, cookie=True)
    members = user_match_members(draws, carriers, IN_EVENTS, clicks)
    unknown = (draws.chance("unknown", rows["slot"], 0.15) & ~carriers.bot).tolist()
    return [
        "" if hidden and kind in _LANDING else member
        for member, hidden, kind in zip(members, unknown, types, strict=True)
    ]


def _event_types(draws: Draws, rows: Rows) -> list[str]:
    fed = draws.pick("feed type", rows["slot"], _FEED_WEIGHTS).tolist()
    return [
        _FEED[feed] if source == CRM else _FUNNELS[source][min(depth, 4)]
        for source, depth, feed in zip(
            rows["source"].tolist(), rows["depth"].tolist(), fed, strict=True
        )
    ]


def _places(rows: Rows) -> list[str]:
    """Write where each event happened: the action source, and the page for a website."""
    pages = ("landing", "product/42", "cart", "checkout", "checkout/complete")
    return [
        f'"action_source":"{_ACTION_SOURCES[source]}"'
        + (
            f',"event_source_url":"https://www.{domain(advertiser)}/{pages[min(depth, 4)]}"'
            if _ACTION_SOURCES[source] == "website"
            else ""
        )
        for source, advertiser, depth in zip(
            rows["source"].tolist(),
            rows["advertiser"].tolist(),
            rows["depth"].tolist(),
            strict=True,
        )
    ]


def _custom_data(draws: Draws, rows: Rows, types: Sequence[str]) -> list[str]:
    """Write the custom_data of each event, with a comma before it: a basket, a product, a name."""
    columns = zip(
        types,
        rows["visit"].tolist(),
        rows["advertiser"].tolist(),
        (500 + draws.below("value", rows["visit"], 40_000)).tolist(),
        draws.below("product", rows["visit"], 500).tolist(),
        (1 + draws.below("items", rows["visit"], 3)).tolist(),
        strict=True,
    )
    return [_custom_datum(*column) for column in columns]


def _custom_datum(  # noqa: PLR0913, PLR0917
    kind: str, visit: int, advertiser: int, cents: int, product: int, items: int
) -> str:
    if kind in _BASKETS:
        return (
            f',"custom_data":{{"value":{cents // 100}.{cents % 100:02d},'
            f'"currency":"{currency(advertiser)}","order_id":"order_{visit}",'
            f'"content_ids":["sku_{product}"],"num_items":{items}}}'
        )
    if kind == "view_content":
        return f',"custom_data":{{"content_ids":["sku_{product}"],"content_type":"product"}}'
    return ',"custom_event_name":"store_visit_booked"' if kind == "custom" else ""
