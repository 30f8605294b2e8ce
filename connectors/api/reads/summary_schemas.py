"""Answers of the summary of events as JSON Schemas with an example, for OpenAPI."""

from typing import Final, get_args

from connectors.api.reads.counters import Kind
from connectors.api.reads.schemas import AS_OF, AS_OF_EXAMPLE, COUNT, TEXT_OR_NULL, TIME
from connectors.api.reads.summary import COUNTS
from connectors.api.schemas import Json

_COUNTED: Final[Json] = dict.fromkeys(COUNTS, COUNT)

COUNTERS: Final[Json] = {
    "type": "object",
    "required": ["periodStart", "periodEnd", "entries", "totalEventCount"],
    "additionalProperties": False,
    "properties": {
        "periodStart": TIME,
        "periodEnd": TIME,
        "entries": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["eventHour", "eventType", "eventCount"],
                "additionalProperties": False,
                "properties": {
                    "eventHour": TIME,
                    "eventType": {"enum": list(get_args(Kind))},
                    "eventCount": COUNT,
                },
            },
        },
        "totalEventCount": COUNT,
    },
}

SUMMARY: Final[Json] = {
    "anyOf": [
        {
            "type": "object",
            "required": ["start", "end", "granularity", "buckets", "totals", "is_truncated"],
            "properties": {
                "start": TIME,
                "end": {**TIME, "description": "Itself outside"},
                "granularity": {"enum": ["hour", "day"]},
                "buckets": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["start", "event_source_id", "event_type", *COUNTS],
                        "properties": {
                            "start": {**TIME, "description": "Of the hour or day of arrival"},
                            "event_source_id": TEXT_OR_NULL,
                            "event_type": TEXT_OR_NULL,
                            **_COUNTED,
                        },
                    },
                },
                "totals": {"type": "object", "required": list(COUNTS), "properties": _COUNTED},
                "is_truncated": {
                    "type": "boolean",
                    "description": "There are more buckets: ask for fewer hours, or one source",
                },
                "as_of": AS_OF,
            },
        },
        COUNTERS,
    ]
}

_SUMMED: Final[Json] = dict.fromkeys(COUNTS, 0) | {
    "received": 44,
    "accepted": 40,
    "attributed": 25,
    "unattributed": 15,
    "no_identifier": 5,
    "no_touchpoint": 10,
    "click_through": 20,
    "view_through": 5,
    "duplicate": 3,
    "rejected": 1,
}

SUMMARY_EXAMPLE: Final[Json] = {
    "start": "2026-04-26T19:00:00.000000Z",
    "end": "2026-04-26T20:00:00.000000Z",
    "granularity": "hour",
    "buckets": [
        {
            "start": "2026-04-26T19:00:00.000000Z",
            "event_source_id": "website_pixel",
            "event_type": "purchase",
            **_SUMMED,
        }
    ],
    "totals": _SUMMED,
    "is_truncated": False,
    "as_of": AS_OF_EXAMPLE,
}
