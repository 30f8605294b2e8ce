"""A log whose deliveries can be worked out by hand, and the result of its replay.

Media buy `mb` has the packages `p1` (impressions at 2 USD, creatives `c1` and `c2`) and `p2`
(clicks at 5 USD). Media buy `mixed` is paid in USD and EUR, `free` has no price, `bare` has no
package, and `late` shares a path with `mb`.
"""

from pathlib import Path
from typing import Any

from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.support import raw

FIRST = raw.NOW - raw.DAY
"""The day of all impressions and clicks, 2026-05-10; their conversions are on the day after."""


def user(name: str) -> dict[str, Any]:
    return {"uids": [{"type": "uid2", "value": name}]}


def shown(name: str, who: str, *, media_buy: str, **fields: object) -> dict[str, Any]:
    ad = {"media_buy_id": media_buy, "user_match": user(who), **fields}
    return raw.impression(name, time=FIRST + raw.HOUR) | ad


def clicked(name: str, who: str, *, media_buy: str, **fields: object) -> dict[str, Any]:
    return shown(name, who, media_buy=media_buy, **fields) | {"type": "click"}


def sold(
    name: str, who: str, value: float | None, currency: str = "USD", **fields: object
) -> dict[str, Any]:
    data = None if value is None else {"value": value, "currency": currency}
    return raw.event(name, user_match=user(who), custom_data=data) | fields


USD = {"price": 2, "currency": "USD"}
BY_CLICK = {"price": 5, "currency": "USD"}
EUR = {"price": 3, "currency": "EUR"}

IMPRESSIONS = [
    shown("i1", "ann", media_buy="mb", package_id="p1", creative_id="c1", **USD),
    shown("i2", "bob", media_buy="mb", package_id="p1", creative_id="c1", **USD),
    shown("i3", "cem", media_buy="mb", package_id="p1", creative_id="c2", **USD),
    clicked("i1", "ann", media_buy="mb", package_id="p1", creative_id="c1"),
    shown("i4", "dan", media_buy="mb", package_id="p2", creative_id="c3"),
    clicked("i4", "dan", media_buy="mb", package_id="p2", creative_id="c3", **BY_CLICK),
    shown("i5", "eve", media_buy="mixed", package_id="p1", **USD),
    shown("i6", "fay", media_buy="mixed", package_id="p2", **EUR),
    shown("i7", "gus", media_buy="free", package_id="p1"),
    shown("i8", "hal", media_buy="bare", **USD),
    shown("i9", "ann", media_buy="late", package_id="p1", **USD)
    | {"time": raw.written(FIRST + 2 * raw.HOUR)},
]

EVENTS = [
    sold("o1", "ann", 100, action_source="website"),
    sold("o2", "bob", 60, action_source="in_store"),
    sold("l1", "cem", None, event_type="lead"),
    sold("s1", "dan", 20, event_type="subscription"),
    sold("d1", "dan", 5, event_type="deposit"),
    sold("r1", "ann", 100, event_type="refund"),
    sold("o3", "eve", 10),
    sold("o4", "fay", 30, "EUR"),
    sold("o5", "fay", 7),
    sold("o6", "gus", None),
    sold("o7", "hal", 8),
]


def make_result(folder: Path) -> Path:
    raw.write_log(folder, events=[raw.envelope(*EVENTS)], impressions=IMPRESSIONS)
    database = folder / "result.duckdb"
    replay(ReplayOptions(folder, database, Settings()))
    return database
