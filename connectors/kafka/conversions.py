"""Publishes attributed conversions to their topic once they have settled.

One query per batch turns rows into documents (`attribution/contract/published.py`). After a crash
the conversions of the last epoch may be sent again, under the same ids.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import Rows
from attribution.vocabulary import MODELS
from connectors import metrics
from connectors.duckdb_query import query
from connectors.failpoints import reach
from connectors.kafka.cluster import Cluster
from connectors.kafka.metadata import require
from connectors.kafka.producer import Outbox, Outgoing, Patience, for_a_while


def _instant(column: str) -> str:
    # Converted to a plain timestamp, because one with a zone is written in the session's zone.
    return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')"


def _per_model(suffix: str) -> str:
    parts = (f"'{model}': {model}{suffix}::varchar" for model in MODELS)
    return "{" + ", ".join(parts) + "}"


_DOCUMENTS: Final = f"""
with earned as (
  select conversion_id, list({{
    'impression_id': impression_id, 'type': type, 'time': {_instant("time")},
    'campaign_id': campaign_id, 'media_buy_id': media_buy_id, 'package_id': package_id,
    'creative_id': creative_id, 'matched_on': matched_on, 'is_probabilistic': is_probabilistic,
    'position': position, 'shares': {_per_model("")},
    'values': case when currency is not null then {_per_model("_value")} end
  }} order by position) as credits
  from others group by conversion_id)
select conversion.advertiser_id::varchar || '/' || conversion.conversion_id as key, to_json({{
    'conversion_id': conversion_id, 'advertiser_id': advertiser_id,
    'event_source_id': event_source_id, 'event_type': event_type,
    'custom_event_name': custom_event_name, 'event_id': event_id,
    'event_time': {_instant("event_time")}, 'received_at': {_instant("received_at")},
    'action_source': action_source, 'order_id': order_id, 'value': value::varchar,
    'currency': currency, 'matched_on': matched_on, 'touch_type': touch_type,
    'is_probabilistic': is_probabilistic, 'match_quality': match_quality, 'credits': credits
  }})::varchar as document
from input as conversion join earned using (conversion_id)
where outcome = 'attributed'
order by key
"""


def documents(conversions: pa.RecordBatch, credits: pa.RecordBatch) -> list[tuple[bytes, bytes]]:
    """Return the key and the document of every attributed conversion."""
    rows = query(_DOCUMENTS, conversions, credits)
    keys, texts = (rows[name].cast(pa.binary()).to_pylist() for name in ("key", "document"))
    return list(zip(keys, texts, strict=True))


@dataclass(frozen=True, slots=True)
class PublishSink(FixedPartitionedSink[Rows, int]):
    """One partition, so that copies of a conversion keep their order."""

    cluster: Cluster
    topic: str
    waits: Patience = for_a_while

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return ["publisher"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "Publisher":
        """Connect; raises ClusterError when the topic does not exist."""
        del step_id, for_part, resume_state
        require(self.cluster, self.topic)
        return Publisher(self.topic, Outbox(self.cluster, self.waits))


@dataclass(slots=True)
class Publisher(StatefulSinkPartition[Rows, int]):
    """Sends settled conversions; an epoch ends when Kafka has acknowledged all of them."""

    topic: str
    outbox: Outbox
    sent: int = 0

    def write_batch(self, values: list[Rows]) -> None:
        """Send the rows that are attributed conversions."""
        for rows in values:
            if "credits_final" in rows.tables:
                settled = rows.tables["conversions_final"], rows.tables["credits_final"]
                records = [Outgoing(self.topic, text, key) for key, text in documents(*settled)]
                self.outbox.send(records)
                self.sent += len(records)

    def snapshot(self) -> int:
        """Wait until all are acknowledged; raises PublishError or OutageError on failure."""
        self.outbox.flush()
        if self.sent:
            reach("publish.after_flush")
        metrics.PUBLISHED.inc(self.sent)
        self.sent = 0
        return 0
