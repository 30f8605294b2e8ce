"""Logs made to hurt: ties, crowds, odd times, keys shared where they should not be.

Each case is a log and a policy; the flow must agree with the oracle in every shape.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from attribution.policy import MATCHABLE, Policy
from tests.oracle import Noted, compare, replay_oracle
from tests.support.actual import Flow, Shape, Tables
from tests.support.raw import (
    DAY,
    DEVICE,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    Stream,
    click,
    envelope,
    event,
    impression,
    since_epoch,
    source,
    write_log,
)

CLOCK: Final = since_epoch(NOW + DAY)
"""When all replays begin."""
HASH: Final = "ab" * 32
EVERYTHING: Final[dict[str, Any]] = {
    "uids": [{"type": name, "value": "u"} for name in ("uid2", "maid", "rampid", "id5", "euid")],
    "hashed_email": HASH,
    "hashed_phone": HASH,
    "click_id": "c",
    **DEVICE,
}
SHAPES: Final = (
    Shape(key_groups=1),
    Shape(workers=2, key_groups=5, chunk_bytes=2_000, watermark_interval=HOUR),
)


class Case(NamedTuple):
    events: Stream
    impressions: Stream
    policy: Policy = Policy()


def _crowd(count: int) -> list[dict[str, Any]]:
    """Show one user many records, many of them in the same instants."""
    return [
        (click if number % 3 == 0 else impression)(
            f"i{number * 7 % count}", time=NOW - number // 4 * SECOND, user_match=EVERYTHING
        )
        for number in range(count)
    ]


def _purchases(*offsets: int) -> list[dict[str, Any]]:
    """Buy under one event key, each in a request of its own."""
    paid = {"value": 10.01, "currency": "EUR"}
    return [
        envelope(event("same", time=NOW + at, custom_data=paid), received_at=NOW + at)
        for at in offsets
    ]


BUYS: Final = [
    envelope(
        event("a", user_match=EVERYTHING, custom_data={"value": 99.99, "currency": "EUR"}),
        event("b"),
        event("c", event_type="lead", user_match=DEVICE),
        event("d", event_type="refund"),
    )
]
CASES: Final[dict[str, Case]] = {
    "everything in one instant": Case(
        [envelope(event(f"e{n}")) for n in range(20)],
        [(click, impression)[n % 2](f"i{n % 7}", time=NOW, received_at=NOW) for n in range(40)],
    ),
    **{
        f"a crowd cut to {most}": Case(BUYS, _crowd(36), Policy(max_candidates=most))
        for most in (1, 2, 5, 1_000)
    },
    "a crowd in reversed strength": Case(
        BUYS, _crowd(30), Policy(max_candidates=5, match_keys=MATCHABLE[::-1])
    ),
    "only device matches": Case(BUYS, _crowd(30), Policy(match_keys=("ip_ua",))),
    "one event key over many windows": Case(
        _purchases(*(n * DAY for n in range(25)), 7 * DAY - 1, 14 * DAY + 1),
        [impression(f"i{n}", time=NOW + n * DAY - HOUR, received_at=NOW) for n in range(25)],
    ),
    "one event key, no dedup window": Case(
        _purchases(0, 0, 1, 1), [impression()], Policy(dedup_window=0)
    ),
    "one impression key over many windows": Case(
        BUYS,
        [
            impression(
                "i", time=NOW - n * DAY, received_at=NOW - n * DAY, price=0.5, currency="EUR"
            )
            for n in reversed(range(30))
        ],
    ),
    "dated 1970 and 2099": Case(
        [
            envelope(event("old", event_time="1970-01-01T00:00:00Z")),
            envelope(event("new", event_time="2099-01-01T00:00:00Z")),
            envelope(event("now")),
        ],
        [
            impression("first", time=NOW, received_at=0),
            impression("old", time=0),
            click("past", time=NOW - 365 * 50 * DAY),
            click("future", time=NOW + 365 * 70 * DAY),
        ],
        Policy(max_event_delay="9999d", post_click="9999d"),
    ),
    "begun by an arrival in 2099": Case(
        {
            "events-a.ndjson": [
                b"[]",
                {"received_at": "2099-01-01T00:00:00Z"},
                envelope(event("x", time=NOW - DAY), event("y"), received_at=NOW + 365 * 70 * DAY),
                envelope(event("x"), received_at=NOW - HOUR),
            ],
            "events-b.ndjson": [
                envelope(event("x", event_type="none"), received_at=NOW + 365 * 70 * DAY),
                envelope(event("z"), received_at=None),
            ],
            "events-c.ndjson": [envelope(event("edge"), received_at=NOW + DAY + 5 * MINUTE)],
            "events-d.ndjson": [envelope(event("edge"), received_at=NOW + DAY + 5 * MINUTE + 1)],
        },
        [click("i1", received_at=NOW + 365 * 70 * DAY), click("i2", received_at=NOW - 2 * HOUR)],
    ),
    "arrived 2099": Case(
        {
            "events-a.ndjson": [
                envelope(event("first")),
                envelope(event("second"), received_at=NOW + 365 * 70 * DAY),
                envelope(event("third")),
            ],
            "events-b.ndjson": [envelope(event("fourth")), envelope(event("first"))],
        },
        [impression("i1"), click("i2", received_at=NOW + 365 * 70 * DAY), click("i3")],
    ),
    "nobody says when": Case(
        {
            "events-a.ndjson": [b"{", envelope(event("a"), received_at=None), *BUYS],
            "events-b.ndjson": [
                envelope({"event_id": "x"}, received_at=None),
                envelope(event("a", time=NOW - DAY), event("b"), received_at=None),
            ],
        },
        [
            impression("i1", time=NOW - DAY, received_at=None),
            click("i2", time=NOW - 2 * DAY, received_at=None),
            click("i3", received_at=NOW - HOUR),
            click("i4", received_at=None),
        ],
    ),
    "one arrival for all partitions": Case(
        {f"events-{n}.ndjson": [envelope(event("a", order_id=f"{n}"))] * 2 for n in "cab"},
        {f"impressions-{n}.ndjson": [impression("i", campaign_id=n)] * 2 for n in "cab"},
    ),
    "arrival at the edge of settling": Case(
        BUYS,
        [impression(f"i{more}", time=NOW, received_at=NOW + HOUR + more) for more in (-1, 0, 1)],
    ),
    "no settling": Case(
        BUYS,
        [
            *(impression(f"i{more}", time=NOW, received_at=NOW + more) for more in (-1, 0, 1)),
            *(click(f"c{more}", time=NOW, received_at=NOW + more) for more in (-1, 0, 1)),
        ],
        Policy(settle_delay=0),
    ),
    "windows per type": Case(
        [
            envelope(
                event("a", event_type="purchase"),
                event("b", event_type="lead"),
                event("c", event_type="page_view"),
            )
        ],
        [
            build(f"{build.__name__}{hours}{more}", time=NOW - hours * HOUR + more)
            for build in (impression, click)
            for hours in (1, 24, 48, 720)
            for more in (-1, 0, 1)
        ],
        Policy(
            windows={
                "purchase": {"post_click": "48h", "post_view": "1h"},
                "lead": {"post_view": "30d"},
            }
        ),
    ),
    "names that need no salt to collide": Case(
        [
            envelope(event("b|c", user_match={"click_id": "b:c", "click_id_type": "a"})),
            envelope(event("c", user_match={"click_id": "c", "click_id_type": "a:b"})),
            envelope(event("\u00e9"), event("e\u0301"), event("E1"), event("e1 ")),
        ],
        [
            click("x", user_match={"click_id": "b:c", "click_id_type": "A"}),
            click("y", user_match={"click_id": "c", "click_id_type": "A:B"}),
            click("z", user_match={"uids": [{"type": "uid2", "value": "U1"}]}),
        ],
    ),
    "weights that vanish": Case(BUYS, _crowd(9), Policy(half_life=1)),
    "prices beyond 64 bits": Case(
        [], [impression(impression_id=f"i{n}", price=999_999_999_999) for n in range(12)] * 2
    ),
    "nothing but trouble": Case([b"", b"{", b"[]", b"\xff", b"{}"], [b"NaN", b" ", b"{}"]),
    "no impressions at all": Case(BUYS, {}),
    "no events at all": Case({}, [impression(), click()]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_flow_agrees_in_every_shape(flow: Flow, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    write_log(tmp_path, events=case.events, impressions=case.impressions, sources=[source()])
    expected = replay_oracle(tmp_path, case.policy, noted=Noted(started=CLOCK))

    def replayed(shape: Shape) -> Tables:
        return flow.tables(tmp_path, case.policy, shape=shape, read_at=CLOCK)

    differences = {
        shape: found for shape in SHAPES if (found := compare(expected, replayed(shape)))
    }
    assert differences == {}
