"""The events inside of envelopes as columns; proves which of them are accepted as they are.

For proven events, the result is the same as that of `attribution.contract.event`.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask, micros_to_money, present
from attribution.contract.urls import URI
from attribution.contract.user_match import RAW_PII_KEYS
from attribution.decoded import EVENTS, Keys
from attribution.vocabulary import (
    ACTION_SOURCES,
    EVENT_TYPES,
    NONSTANDARD_EVENT_TYPES,
    WARNING_BITS,
    Warn,
)
from connectors.decoding.chunk import renumbered, typed
from connectors.decoding.identity import Identities
from connectors.decoding.json_reader import IDENTITY
from connectors.decoding.proofs import (
    Text,
    byte_table,
    fixed_point,
    instants,
    is_bounded,
    unquoted,
    without_bytes,
)
from connectors.duckdb_query import query

_ID: Final = 256
_MUST_BE_ABSENT: Final = ("value", "currency", "content_ids", "surface")
_TYPES: Final = pa.array([name for name in EVENT_TYPES if name != "watch_milestone"])
_NONSTANDARD: Final = pa.array(sorted(NONSTANDARD_EVENT_TYPES))
_URL: Final = r"^https?://(?P<host>(?:[a-z0-9-]+\.)*[a-z0-9-]+)(?::[0-9]+)?(?:[/?#][ -~]*)?$"
_WHOLE_URI: Final = f"^(?:{URI})$"
_CURRENCY: Final = "^[A-Z]{3}$"
_COUNT: Final = "^[0-9]{1,15}$"
_STRINGS: Final = r'^\[("[^"\\]*"(,"[^"\\]*")*)?\]$'
_BOUNDED: Final = {
    "content_type": 128,
    "content_name": 1024,
    "content_category": 1024,
    "search_string": 1024,
}
_ODD: Final = ~byte_table(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?!$&'()*+,;=@"
)
"""Bytes that are rare in URLs; whether they are valid at their place needs a closer check."""

_ODD_URL: Final = WARNING_BITS[Warn.ODD_EVENT_SOURCE_URL]
_NO_URL: Final = WARNING_BITS[Warn.MISSING_EVENT_SOURCE_URL]
_NO_STANDARD: Final = WARNING_BITS[Warn.NONSTANDARD_EVENT_TYPE]

_PAYLOAD: Final = (
    '{"value":"JSON","currency":"VARCHAR","order_id":"JSON","content_ids":"JSON",'
    '"content_type":"JSON","content_name":"JSON","content_category":"JSON",'
    '"search_string":"JSON","num_items":"JSON","contents":"JSON"}'
)
_CONTENTS: Final = '[{"id":"JSON","quantity":"JSON","price":"JSON","brand":"JSON"}]'
_RAW_PII: Final = '(?i)"(' + "|".join(sorted(RAW_PII_KEYS)) + ')":'

# The blocks are read again from their own text, which shows an array or a string in the place of an
# object, and preserves the text of `custom_data`. DuckDB writes that text without spaces, so a key
# can be searched for; a match at a deeper level, or in a value, only costs a needless check by the
# contract.
_READ_BLOCKS: Final = f"""
with blocks as (
  select user_match::varchar as user_match, from_json(user_match, '{IDENTITY}') as identity,
    from_json(custom_data, '{_PAYLOAD}') as payload from input)
select identity, payload,
  coalesce(identity.uids is null and contains(user_match, '"uids":'), false) as hides_uids,
  coalesce(regexp_matches(user_match, '{_RAW_PII}'), false) as has_raw_pii,
  coalesce(list_bool_and(list_transform(from_json(payload.contents, '{_CONTENTS}'), lambda c:
      c.id is not null and c.id::varchar ^@ '"' and strlen(c.id::varchar) <= 258
      and (c.quantity is null or regexp_full_match(c.quantity::varchar, '[1-9][0-9]{{0,14}}'))
      and (c.price is null or regexp_full_match(c.price::varchar, '[0-9]{{1,9}}([.][0-9]+)?'))
      and (c.brand is null or (c.brand::varchar ^@ '"' and strlen(c.brand::varchar) <= 258)))),
    payload.contents is null or payload.contents::varchar = '[]') as has_sound_contents,
  string_split(nullif(payload.content_ids::varchar, '[]')[3:-3], '","') as content_ids
from blocks
"""


class EventColumns:
    """The events of a chunk; `proven` marks those that are accepted as they are."""

    def __init__(self, events: pa.StructArray) -> None:
        """Read the event structs of `ENVELOPE`; events that depend on the policy are not proven."""
        self._events = {field.name: events.field(field.name) for field in events.type}
        blocks = pa.record_batch(
            [self._events["user_match"], self._events["custom_data"]],
            names=["user_match", "custom_data"],
        )
        self._blocks = query(_READ_BLOCKS, blocks)
        self._payload = self._blocks["payload"]
        self._identities = Identities(self._blocks["identity"])
        self._time, self.proven = instants(self._events["event_time"])
        self._event_id, sound = unquoted(self._events["event_id"])
        self.proven &= sound & self._there("event_id")
        self.proven &= self._has_sound_names()
        self._host = self._prove_url()
        self.proven &= self._has_sound_identity()
        self._value, self._has_value = self._prove_payload()

    def _there(self, name: str) -> Mask:
        return present(self._events[name])

    def _has_sound_names(self) -> Mask:
        kind = self._events["event_type"]
        self._name, named = unquoted(self._events["custom_event_name"])
        good = named & _is_in(kind, _TYPES)
        good &= ~self._there("action_source") | _is_in(
            self._events["action_source"], pa.array(ACTION_SOURCES)
        )
        for absent in _MUST_BE_ABSENT:
            good &= ~self._there(absent)
        # A name that starts with an ASCII letter or digit is not blank.
        filled = pc.match_substring_regex(self._name, "^[0-9A-Za-z]").fill_null(False)  # noqa: FBT003
        is_custom = pc.equal(kind, "custom").fill_null(False)  # noqa: FBT003
        return good & (_mask(filled) | ~_mask(is_custom))

    def _prove_url(self) -> pa.Array:
        url = self._events["event_source_url"]
        found = pc.extract_regex(url, _URL)
        self.proven &= ~self._there("event_source_url") | present(found)
        return pc.struct_field(found, "host")

    def _has_sound_identity(self) -> Mask:
        trouble = _mask(self._blocks["hides_uids"]) | _mask(self._blocks["has_raw_pii"])
        return self._identities.prove() & ~trouble & _is_object(self._events["user_match"])

    def _leaf(self, name: str) -> pa.Array:
        return self._payload.field(name)

    def _prove_payload(self) -> tuple[Ints, Mask]:
        value, sound = fixed_point(self._leaf("value"))
        has_value = present(self._leaf("value"))
        sound &= _is_object(self._events["custom_data"])
        sound &= ~has_value | present(self._leaf("currency"))
        sound &= _fits(self._leaf("currency"), _CURRENCY)
        sound &= _fits(self._leaf("num_items"), _COUNT)
        content_ids = self._leaf("content_ids")
        sound &= _fits(content_ids, _STRINGS) & (Text.of(content_ids).length <= _ID)
        self._order_id, is_read = unquoted(self._leaf("order_id"))
        sound &= is_read
        for name, most in _BOUNDED.items():
            sound &= is_bounded(self._leaf(name), most)
        self.proven &= sound & _mask(self._blocks["has_sound_contents"])
        return value, has_value

    def rows(
        self, line: Ints, index: Ints, names: dict[str, pa.Array]
    ) -> tuple[pa.RecordBatch, Keys]:
        """Return the proven rows, with their keys.

        `names` are columns of the envelopes, by line.
        """
        of_line = pa.array(line)
        events = self._events
        count = len(line)
        columns = {
            **{name: column.take(of_line) for name, column in names.items()},
            **{name: events[name] for name in _AS_THEY_ARE},
            "currency": self._leaf("currency"),
            "order_id": self._order_id,
            "custom_event_name": self._name,
            "line": of_line,
            "source_index": pa.array(index.astype(np.int32)),
            "received_at": pa.array(np.zeros(count, dtype=np.int64)),
            "event_id": self._event_id,
            "event_time": pa.array(self._time),
            "event_source_host": self._host,
            "value": micros_to_money(self._value, self._has_value),
            "num_items": self._num_items(),
            "content_ids": self._content_ids(),
            "carries": pa.array(self._identities.carries),
            "warnings": pa.array(self._warnings()),
            "dropped": pa.nulls(count, pa.list_(pa.string())),
        }
        return typed(columns, EVENTS, self.proven), renumbered(self._identities.keys, self.proven)

    def _warnings(self) -> Array:
        """Return the warnings of the accepted rows; those of event sources are added later."""
        events = self._events
        no_url = _mask(pc.equal(events["action_source"], "website").fill_null(False))  # noqa: FBT003
        no_url &= ~self._there("event_source_url")
        nonstandard = _is_in(events["event_type"], _NONSTANDARD)
        own = no_url * _NO_URL + nonstandard * _NO_STANDARD + self._has_odd_url() * _ODD_URL
        return own.astype(np.uint32) | self._identities.warnings

    def _has_odd_url(self) -> Mask:
        url = self._events["event_source_url"]
        odd = ~without_bytes(url, _ODD)
        rows = np.flatnonzero(odd)
        if len(rows):
            odd[rows] = ~_mask(pc.match_substring_regex(url.take(pa.array(rows)), _WHOLE_URI))
        return odd

    def _num_items(self) -> pa.Array:
        given = self._leaf("num_items")
        return pc.if_else(pa.array(self.proven), given, None).cast(pa.int64())

    def _content_ids(self) -> pa.Array:
        lists = self._blocks["content_ids"]
        is_empty = pc.equal(self._leaf("content_ids"), "[]").fill_null(False)  # noqa: FBT003
        none: list[list[str]] = [[]]
        empty = pa.array(none, lists.type).take(pa.array(np.zeros(len(lists), dtype=np.int64)))
        return pc.if_else(is_empty, empty, lists).cast(pa.list_(pa.string()))


_AS_THEY_ARE: Final = (
    "event_type",
    "action_source",
    "event_source_url",
    "custom_data",
)


def _mask(column: pa.Array) -> Array:
    return column.to_numpy(zero_copy_only=False)


def _is_in(column: pa.Array, words: pa.Array) -> Mask:
    return _mask(pc.is_in(column, value_set=words))


def _fits(column: pa.Array, pattern: str) -> Mask:
    return _mask(pc.match_substring_regex(column, pattern).fill_null(True))  # noqa: FBT003


def _is_object(column: pa.Array) -> Mask:
    """Rows that are null or the text of a JSON object."""
    return _mask(pc.starts_with(column, "{").fill_null(True))  # noqa: FBT003
