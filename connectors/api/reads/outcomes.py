"""The question what became of an event, as one statement of SQL."""

import json
from dataclasses import dataclass
from typing import Final

from attribution.vocabulary import MODELS
from connectors.api.reads.asked import AS_OF, Row, one_row
from connectors.sql.reader import Reader

RECEIPTS_MAX: Final = 100
"""Events of one answer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for; None stands for all sources, or types."""

    advertiser_id: str
    event_id: str
    sources: tuple[str, ...] | None = None
    event_type: str | None = None

    def takes(self, event_source_id: str, event_type: str) -> bool:
        """Return whether an event of this id is wanted."""
        is_of_source = self.sources is None or event_source_id in self.sources
        return is_of_source and self.event_type in {None, event_type}


_CREDIT: Final = ", ".join(
    f"'{name}': {name}"
    for name in (
        *("position", "type", "time", "campaign_id", "media_buy_id", "package_id", "creative_id"),
        *("matched_on", "is_probabilistic", "currency"),
    )
)
_SHARES: Final = ", ".join(f"'{model}': {model}" for model in MODELS)
_VALUES: Final = ", ".join(f"'{model}': {model}_value" for model in MODELS)

_ORDER: Final = "received_at, source_partition, source_offset, source_index"

_WANTED: Final = """advertiser_id = $1 and {id} = $2
  and ($3 is null or event_source_id in (select unnest(from_json($3, '["VARCHAR"]'))))
  and ($4 is null or event_type = $4)"""
_EVENT: Final = _WANTED.format(id="event_id")
_RECORD: Final = _WANTED.format(id="record_id")

SQL: Final = f"""
with {AS_OF},
settled as (from conversions_final where {_EVENT} limit {RECEIPTS_MAX}),
revised as (
  from conversions_provisional
  where {_EVENT} and conversion_id not in (select conversion_id from settled)
  qualify row_number() over (partition by conversion_id order by seq desc) = 1
  limit {RECEIPTS_MAX}),
known as (select *, true as is_final from settled union all select *, false from revised),
paths as (
  select credit.* from credits_final as credit
  join known using (conversion_id, event_time) where is_final
  union all
  select credit.* from credits_provisional as credit
  join known using (conversion_id, event_time, seq) where not is_final),
earned as (
  select conversion_id,
    list({{{_CREDIT}, 'shares': {{{_SHARES}}}, 'values': {{{_VALUES}}}}} order by position)
      as credits
  from paths group by conversion_id),
copies as (
  select conversion_id, count(*) as duplicates, count(*) filter (is_changed) as changed
  from duplicates where {_EVENT} group by conversion_id),
events as (
  select {_ORDER}, {{
    event_source_id: event_source_id, event_type: event_type,
    custom_event_name: custom_event_name, state: if(is_final, 'final', 'provisional'),
    event_time: event_time, received_at: received_at,
    place: 'events/' || source_partition || '@' || source_offset,
    outcome: outcome, reason: reason, value: value, currency: currency,
    matched_on: matched_on, touch_type: touch_type, is_probabilistic: is_probabilistic,
    warnings: warnings, duplicates: coalesce(duplicates, 0),
    duplicates_changed: coalesce(changed, 0), credits: coalesce(credits, []),
    commit: seq, committed_at: committed_at}} as event
  from known left join earned using (conversion_id) left join copies using (conversion_id)
  left join commits using (seq)),
refusals as (
  select {_ORDER}, {{
    event_source_id: event_source_id, event_type: event_type, state: 'refused',
    received_at: received_at, place: 'events/' || source_partition || '@' || source_offset,
    outcome: 'rejected', refusal: {{code: code, message: message, field: field}},
    commit: seq, committed_at: committed_at}} as event
  from rejections left join commits using (seq)
  where stream = 'events' and {_RECORD} limit {RECEIPTS_MAX}),
tests as (
  select received_at, {{
    event_source_id: event_source_id, event_type: event_type, state: 'test',
    received_at: received_at, outcome: 'test', test_event_code: test_event_code,
    would_be_refused: code, commit: seq, committed_at: committed_at}} as event
  from test_events left join commits using (seq) where {_EVENT} limit {RECEIPTS_MAX}),
reading as (
  select source_partition as partition, max(next_offset) as next_offset
  from read_offsets where stream = 'events' group by source_partition
  order by max(seq) desc limit {RECEIPTS_MAX})
select (select state from as_of) as as_of,
  (select list(event order by {_ORDER}) from events) as conversions,
  (select list(event order by {_ORDER}) from refusals) as refusals,
  (select list(event order by received_at) from tests) as tests,
  (select list(reading) from reading) as reading
"""


def outcomes(reader: Reader, wanted: Wanted) -> Row:
    """Return what the result has of an event: conversions, refusals, tests, and how far it read."""
    sources = None if wanted.sources is None else json.dumps(wanted.sources)
    parameters = [wanted.advertiser_id, wanted.event_id, sources, wanted.event_type]
    return one_row(reader, SQL, parameters)
