"""Small logs full of trouble for Hypothesis, policies that cut close, and any split into files.

Identifiers are few, so that everything meets; instants lie on a grid of hours, give or take a
microsecond, and so do the windows, so that edges are hit.
"""

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from attribution.policy import MATCHABLE, Policy, Windows
from tests.support.raw import DAY, HOUR, NOW, Document, click, envelope, event, impression

Log = tuple[dict[str, list[Document]], dict[str, list[Document]]]
"""The files of both streams, by name."""

_HASH: Final = ("aa" * 32, "bb" * 32)
_NULL_HASH: Final = "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"
_GRID: Final = [*range(-3, 4), -24, -25, -47, -48, 24, 25, 24 * 7, -24 * 7, -24 * 8, -24 * 30]

instants = st.builds(
    lambda hours, more: NOW + hours * HOUR + more,
    st.sampled_from(_GRID),
    st.sampled_from([0, 0, 0, -1, 1]),
)
uids = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["uid2", "maid", "RampID", "hashed_email", "other", "id9"]),
            "value": st.sampled_from(["u1", "U1", *_HASH, _NULL_HASH]),
        }
    ),
    max_size=2,
)
user_matches = st.fixed_dictionaries(
    {},
    optional={
        "uids": uids,
        "hashed_email": st.sampled_from([*_HASH, _NULL_HASH]),
        "hashed_phone": st.sampled_from(_HASH),
        "click_id": st.sampled_from(["c1", "c2", "fb.1.1.c1"]),
        "click_id_type": st.sampled_from(["", "fbclid", "FBclid"]),
        "client_ip": st.sampled_from(["192.0.2.7", "2001:db8::1", "2001:DB8:0::1"]),
        "client_user_agent": st.sampled_from(["Browser/1", "Browser/2"]),
    },
)
custom_data = st.none() | st.fixed_dictionaries(
    {"value": st.sampled_from([0, 1, 10, 0.01, 99.999999, 123456789012.5])},
    optional={"currency": st.sampled_from(["EUR", "EUR", "USD"]), "order_id": st.just("o")},
)
events = st.builds(
    event,
    st.sampled_from(["e1", "e1", "e2", "e3", ""]),
    time=instants,
    event_type=st.sampled_from(["purchase", "purchase", "lead", "refund", "page_view"]),
    user_match=user_matches,
    custom_data=custom_data,
)
arrivals = st.none() | instants
envelopes = st.builds(
    lambda held, received_at, source, **fields: envelope(
        *held, received_at=received_at, event_source_id=source, **fields
    ),
    st.lists(events, min_size=1, max_size=3),
    arrivals,
    st.sampled_from(["src", "src", "src", "other", "nobody"]),
    advertiser_id=st.sampled_from(["adv", "adv", "adv", "second"]),
    test_event_code=st.sampled_from([None] * 9 + ["T"]),
)
records = st.builds(
    lambda build, *given, **fields: build(*given, **fields),
    st.sampled_from([impression, impression, click]),
    st.sampled_from(["i1", "i2", "i3", "\u00e9", "I"]),
    time=instants,
    received_at=arrivals,
    advertiser_id=st.sampled_from(["adv", "adv", "adv", "second"]),
    campaign_id=st.sampled_from(["c1", "c2"]),
    media_buy_id=st.sampled_from([None, "b1"]),
    price=st.sampled_from([None, 0.1, 0]),
    currency=st.sampled_from([None, "EUR"]),
    user_match=user_matches,
)

_EVENT_FILES: Final = ("events-b.ndjson", "events-a.ndjson.gz", "events-c.ndjson.zst")
_RECORD_FILES: Final = ("impressions.ndjson", "impressions-1.ndjson.zst", "impressions-0.ndjson.gz")


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Draw both streams, in any order, in any files."""
    return (
        _dealt(draw, draw(st.lists(envelopes, min_size=1, max_size=25)), _EVENT_FILES),
        _dealt(draw, draw(st.lists(records, max_size=40)), _RECORD_FILES),
    )


def _dealt(
    draw: st.DrawFn, documents: Sequence[dict[str, Any]], names: Sequence[str]
) -> dict[str, list[Document]]:
    files: dict[str, list[Document]] = {}
    for document in documents:
        files.setdefault(draw(st.sampled_from(names)), []).append(document)
    return files


def _durations(*choices: int) -> st.SearchStrategy[int]:
    return st.sampled_from(choices)


windows = st.builds(
    Windows,
    post_click=st.none() | _durations(0, HOUR, 2 * DAY),
    post_view=st.none() | _durations(HOUR, 2 * DAY),
)
policies = st.builds(
    Policy,
    post_click=_durations(30 * DAY, 30 * DAY, DAY, HOUR),
    post_view=_durations(DAY, DAY, 2 * DAY, 0),
    probabilistic_window=_durations(DAY, HOUR, 7 * DAY),
    settle_delay=_durations(HOUR, 0, 1, DAY),
    max_event_delay=_durations(7 * DAY, HOUR, 0, 1),
    dedup_window=_durations(7 * DAY, HOUR, 1, 0),
    half_life=_durations(7 * DAY, HOUR, 1),
    max_candidates=st.sampled_from([1_000, 1, 2, 5]),
    missing_currency=st.sampled_from(["reject", "warn"]),
    match_keys=st.just(MATCHABLE)
    | st.permutations(MATCHABLE).map(tuple)
    | st.sampled_from([("ip_ua",), ("uid2", "click"), ("ip_ua", "click", "hashed_email")]),
    windows=st.dictionaries(st.sampled_from(["purchase", "lead"]), windows, max_size=2),
)
