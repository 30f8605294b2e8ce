"""The comparisons of a verification: tables of a result, what each must equal, and tolerances."""

from typing import Final

from attribution.vocabulary import MODELS
from connectors.verify.compare import Comparison

_EVENT: Final = ("advertiser_id", "event_source_id", "event_type")
_AD: Final = ("advertiser_id", "campaign_id", "media_buy_id", "package_id", "creative_id", "type")
_DELIVERED: Final = (*_AD, "hour", "currency")

# Two machines may differ in the last bit of a weight, so a share may be rounded down one billionth
# lower; the winner then gets the difference. A value follows its share. All else is exact.
_SLACK: Final = "if(e.last_touch = 1, e.path_length - 1, 1)"
_WORTH: Final = """(select value from expected_conversions_final as c
  where c.conversion_id = e.conversion_id)"""

# An envelope without events may produce a row of zeros, or none.
_COUNTS_ANYTHING: Final = """received + test + rejected + duplicate + observed + attributed
  + unattributed > 0"""

_WHOLES: Final = ", ".join(f"1 as {model}, value as {model}_value" for model in MODELS)
_SUMS: Final = ", ".join(
    f"sum({model}) as {model}, sum({model}_value) as {model}_value" for model in MODELS
)

_DAY: Final = (*_AD[:-1], "day", "currency")
_BY_DAY: Final = ", ".join(_DAY)
_DATED: Final = """(select *, make_timestamp(epoch_us(event_time))::date as day
  from result.credits)"""

# All touchpoints of a conversion meet each other, and themselves.
_OVERLAP: Final = """(
  select one.advertiser_id, one.campaign_id, other.campaign_id as other_campaign_id,
    count(distinct conversion_id) as conversions,
    count(distinct conversion_id) filter (one.last_touch = 1
      and one.campaign_id is not distinct from other.campaign_id) as won
  from result.credits as one join result.credits as other using (conversion_id)
  where one.campaign_id <= other.campaign_id
    or (one.campaign_id is null and other.campaign_id is null)
  group by all)"""


def _settled(relation: str) -> str:
    """Return SQL that omits the sums that repeats may still change; columns may be null."""
    same = " and ".join(f"s.{name} is not distinct from u.{name}" for name in _DELIVERED)
    return f"(from {relation} as s anti join unsettled_touchpoint_stats as u on {same})"


COMPARISONS: Final = (
    Comparison(table="conversions_final", key=("conversion_id",)),
    Comparison(
        table="credits_final",
        key=("conversion_id", "impression_id"),
        tolerances={
            "time_decay": f"{_SLACK} * 1e-9",
            "time_decay_value": f"{_SLACK} * ({_WORTH}::double * 1e-9 + 1e-6)",
        },
    ),
    Comparison(
        table="duplicates", key=(*_EVENT, "event_id", "received_at", "conversion_id", "is_changed")
    ),
    Comparison(
        table="rejections", key=("stream", "source_partition", "source_offset", "source_index")
    ),
    Comparison(
        table="test_events",
        key=(*_EVENT, "event_id", "test_event_code", "received_at", "code", "events"),
        order=("match_quality", "warnings"),
    ),
    Comparison(table="measurements", key=("source_partition", "source_offset", "source_index")),
    Comparison(table="latest_measurements", key=("measurement_id",)),
    Comparison(
        table="match_stats",
        expected=f"(from expected_match_stats where {_COUNTS_ANYTHING})",
        got=f"(from result.match_stats where {_COUNTS_ANYTHING})",
        key=(*_EVENT, "hour"),
    ),
    Comparison(
        table="touchpoint_stats",
        expected=_settled("expected_touchpoint_stats"),
        got=_settled("result.touchpoint_stats"),
        key=_DELIVERED,
    ),
    Comparison(
        table="conservation",
        expected="""(
          select stated.* replace (coalesce(pending.in_flight, 0) as in_flight)
          from result.conservation as stated left join expected_in_flight as pending
          using (advertiser_id, event_source_id, hour))""",
        key=("advertiser_id", "event_source_id", "hour"),
    ),
    Comparison(
        table="sums of shares",
        expected=f"""(select conversion_id, {_WHOLES} from result.conversions
          where outcome = 'attributed')""",
        got=f"(select conversion_id, {_SUMS} from result.credits group by conversion_id)",
        key=("conversion_id",),
    ),
    Comparison(
        table="credit_sums",
        expected=f"(select {_BY_DAY}, {_SUMS} from {_DATED} group by all)",
        got=f"(select {_BY_DAY}, {_SUMS} from result.credit_sums group by all)",
        key=(*_DAY,),
    ),
    Comparison(
        table="campaign_overlap",
        expected=_OVERLAP,
        got="result.campaign_overlap",
        key=("advertiser_id", "campaign_id", "other_campaign_id"),
    ),
)
"""The tables that are verified. The last four check that a result is consistent with itself."""

_FOUND: Final = """outcome, reason, matched_on, touch_type, is_probabilistic, path_length,
  seconds_to_convert, is_limited, seq"""

PROVISIONAL_COMPARISONS: Final = (
    Comparison(
        table="conversions_provisional",
        expected="""(select * exclude (c) from facts
          semi join result.conversions_provisional using (conversion_id))""",
        got=f"(select distinct * exclude ({_FOUND}) from result.conversions_provisional)",
        key=("conversion_id",),
    ),
    Comparison(
        table="credits_provisional",
        expected="""(from result.credits_provisional
          semi join result.conversions_provisional using (conversion_id, seq))""",
        key=("conversion_id", "impression_id", "seq"),
    ),
)
"""Tables that are also verified while a result grows: the match of a conversion may still change,
but neither its existence nor the data of its event."""
