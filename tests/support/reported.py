"""A small log with everything that a page shows, and campaigns with hostile names."""

from decimal import Decimal
from typing import Any

from tests.support.decoded import (
    CLICK_ID,
    DAY,
    DEVICE,
    HOUR,
    NOW,
    UID2,
    Row,
    click,
    event,
    impression,
    rejection,
    trial,
)

SCRIPT = "<script>alert(document.cookie)</script>"
QUOTES = "\"'><img src=x onerror=alert(1)>&amp;{{7*7}}"
RIGHT_TO_LEFT = "חורף \u202e2026"
LONG = "L" * 10_000


def euros(event_id: str, value: str, **fields: Any) -> Row:  # noqa: ANN401  any column
    return event(event_id, value=Decimal(value), currency="EUR", **fields)


LOG: dict[str, list[Row]] = {
    "events": [
        euros("one", "100", keys=[UID2, CLICK_ID]),
        euros("two", "50.5", source_offset=1, time=NOW + HOUR),
        euros("two", "50.5", source_offset=2, time=NOW + HOUR, received_at=NOW + HOUR + 1),
        euros("three", "8", source_offset=3, keys=[("uid2", "u2")]),
        event("four", source_offset=4, value=Decimal(1_000), currency="JPY", keys=[DEVICE]),
        event("five", source_offset=5, event_type="lead"),
        euros("one", "100", source_offset=6, event_source_id="shop"),
        euros("six", "5", source_offset=7, event_type="refund"),
        event("late", source_offset=8, received_at=NOW + 8 * DAY),
        event("odd", source_offset=9, keys=[], warnings=["missing_user_match"]),
    ],
    "impressions": [
        impression("i1", campaign_id=SCRIPT, spend=Decimal("2.5"), currency="EUR"),
        impression("i2", campaign_id=QUOTES, time=NOW - 2 * HOUR),
        click("i3", campaign_id=RIGHT_TO_LEFT, time=NOW - 3 * HOUR, keys=[CLICK_ID]),
        impression("i4", campaign_id=LONG, time=NOW - 4 * HOUR, keys=[DEVICE]),
    ],
    "rejections": [rejection("bad")],
    "tests": [
        trial("tried", code="INVALID_CURRENCY"),
        trial("odd", match_quality=0.0, warnings=["missing_user_match", "value_rounded"]),
    ],
}
