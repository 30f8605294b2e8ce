"""The closed vocabularies: every word that may appear in a column, a counter or an error.

The job writes no name that is not in this file. It imports nothing from the project.
"""

from enum import StrEnum
from typing import Final

# This order is only the default; `Policy.match_keys` sets the ranking. A kind's position in this
# tuple is its code in columns and hashes, so append, never reorder: stored state depends on it.
KINDS: Final = (
    "click",
    "rampid",
    "rampid_derived",
    "uid2",
    "euid",
    "id5",
    "pairid",
    "maid",
    "hashed_email",
    "hashed_phone",
    "ip_ua",
    "other_uid",
)
"""Kinds of identifier. `other_uid` (a uid type the job does not know) is carried, never matched."""

KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

UID_KINDS: Final = frozenset(
    {"rampid", "rampid_derived", "uid2", "euid", "id5", "pairid", "maid", "hashed_email"}
)
"""Uid types that give a match key."""

CLICK_ID_TYPE_ALIASES: Final = {"fbc": "fbclid", "_fbc": "fbclid"}
"""Alternative names of click id types: Meta's, also named after the cookie that stores it."""

PLACEHOLDER_WORDS: Final = (
    "",
    "null",
    "none",
    "undefined",
    "unknown",
    "nan",
    "nil",
    "n/a",
    "na",
    "-",
    "0",
)
"""Values that producers send, plain or hashed, for a missing identifier; case does not matter."""

PLACEHOLDER_MACROS: Final = (
    ("{", "}"),
    ("${", "}"),
    ("%%", "%%"),
    ("__", "__"),
    ("[", "]"),
    ("<", ">"),
)
"""The delimiters of a macro that an ad server should have replaced."""

EVENT_TYPES: Final = (
    "page_view",
    "view_content",
    "select_content",
    "select_item",
    "search",
    "share",
    "add_to_cart",
    "remove_from_cart",
    "viewed_cart",
    "add_to_wishlist",
    "initiate_checkout",
    "add_payment_info",
    "purchase",
    "refund",
    "lead",
    "qualify_lead",
    "close_convert_lead",
    "disqualify_lead",
    "complete_registration",
    "subscribe",
    "follow",
    "content_view",
    "watch_milestone",
    "start_trial",
    "app_install",
    "app_launch",
    "contact",
    "schedule",
    "donate",
    "submit_application",
    "custom",
    "deposit",
    "subscription",
)
"""The 31 AdCP types, and `deposit` and `subscription` of the log-event guide."""

NONSTANDARD_EVENT_TYPES: Final = frozenset({"deposit", "subscription"})
"""Accepted as sent, with a warning: AdCP has no `deposit`, and spells the other `subscribe`."""

OBSERVED_EVENT_TYPES: Final = frozenset({"refund", "remove_from_cart", "disqualify_lead"})
"""Types that revoke something: stored, but without credit until adjustments exist."""

ACTION_SOURCES: Final = (
    "website",
    "app",
    "offline",
    "in_store",
    "phone_call",
    "chat",
    "email",
    "system_generated",
    "other",
)

MODELS: Final = ("last_touch", "first_touch", "linear", "time_decay", "position_based")
"""The attribution models, in the order of the columns that hold their shares."""


class Outcome(StrEnum):
    """What became of an event; every event read has exactly one."""

    TEST = "test"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    OBSERVED = "observed"
    ATTRIBUTED = "attributed"
    UNATTRIBUTED = "unattributed"


class Reason(StrEnum):
    """Why a conversion is unattributed; the first that holds."""

    NO_IDENTIFIER = "no_identifier"
    TOO_OLD = "too_old"
    NO_TOUCHPOINT = "no_touchpoint"


class Code(StrEnum):
    """Why a record or a document was refused."""

    INVALID_REQUEST = "INVALID_REQUEST"
    REFERENCE_NOT_FOUND = "REFERENCE_NOT_FOUND"
    VERSION_UNSUPPORTED = "VERSION_UNSUPPORTED"
    INVALID_EVENT_ID = "INVALID_EVENT_ID"
    MISSING_EVENT_TYPE = "MISSING_EVENT_TYPE"
    INVALID_EVENT_TYPE = "INVALID_EVENT_TYPE"
    INVALID_EVENT_TIME = "INVALID_EVENT_TIME"
    MISSING_CUSTOM_EVENT_NAME = "MISSING_CUSTOM_EVENT_NAME"
    INVALID_ACTION_SOURCE = "INVALID_ACTION_SOURCE"
    INVALID_EVENT_SOURCE_URL = "INVALID_EVENT_SOURCE_URL"
    DOMAIN_NOT_ALLOWED = "DOMAIN_NOT_ALLOWED"
    INVALID_CUSTOM_DATA = "INVALID_CUSTOM_DATA"
    INVALID_CURRENCY = "INVALID_CURRENCY"
    CURRENCY_REQUIRED = "CURRENCY_REQUIRED"
    CURRENCY_NOT_ALLOWED = "CURRENCY_NOT_ALLOWED"
    INVALID_IMPRESSION_ID = "INVALID_IMPRESSION_ID"
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_TIME = "INVALID_TIME"
    INVALID_CAMPAIGN_ID = "INVALID_CAMPAIGN_ID"
    INVALID_METRIC = "INVALID_METRIC"
    MISSING_ENTITY = "MISSING_ENTITY"


class Warn(StrEnum):
    """What was repaired or missed in an accepted record."""

    NONSTANDARD_EVENT_TYPE = "nonstandard_event_type"
    EVENT_TIME_CLAMPED = "event_time_clamped"
    EVENT_TIME_IN_FUTURE = "event_time_in_future"
    MISSING_EVENT_SOURCE_URL = "missing_event_source_url"
    INVALID_SURFACE = "invalid_surface"
    MISPLACED_FIELD = "misplaced_field"
    MISSING_USER_MATCH = "missing_user_match"
    MALFORMED_HASH = "malformed_hash"
    RAW_PII_DROPPED = "raw_pii_dropped"
    UNKNOWN_UID_TYPE = "unknown_uid_type"
    INVALID_UID = "invalid_uid"
    EMPTY_IDENTIFIER = "empty_identifier"
    INVALID_CLICK_ID = "invalid_click_id"
    INSUFFICIENT_PROBABILISTIC_PAIR = "insufficient_probabilistic_pair"
    INVALID_CLIENT_IP = "invalid_client_ip"
    MISSING_CURRENCY = "missing_currency"
    NEGATIVE_VALUE_NORMALISED = "negative_value_normalised"
    NEGATIVE_VALUE_DROPPED = "negative_value_dropped"
    VALUE_ROUNDED = "value_rounded"
    FIELD_TOO_LONG = "field_too_long"
    CONTENT_WITHOUT_ID = "content_without_id"
    NEGATIVE_PRICE = "negative_price"
    PLACEHOLDER_IDENTIFIER = "placeholder_identifier"
    MISSING_CLICK_ID_TYPE = "missing_click_id_type"
    USER_AGENT_TRUNCATED = "user_agent_truncated"
    ODD_EVENT_SOURCE_URL = "odd_event_source_url"
    RECEIVED_AT_IN_FUTURE = "received_at_in_future"
    INVALID_UNICODE = "invalid_unicode"


WARNING_BITS: Final = {warning: 1 << bit for bit, warning in enumerate(Warn)}
"""Each warning's bit in a column of masks."""

STREAMS: Final = ("events", "impressions")
"""The raw streams that attribution is made from. Their watermarks decide what is final."""

MEASUREMENTS: Final = "measurements"

RAW_STREAMS: Final = (*STREAMS, MEASUREMENTS)
"""All raw streams. Measurements are only stored: nothing waits for them, and there may be none."""

METRICS: Final = (
    "revenue",
    "incremental_revenue",
    "conversions",
    "incremental_conversions",
    "page_view_count",
    "add_to_cart_count",
    "purchase_count",
    "ltv_1d",
    "ltv_7d",
    "ltv_30d",
)
"""What a measurement may be of."""

UNITS: Final = ("currency", "count", "ratio", "percentage")
MEASURERS: Final = ("advertiser", "mmp", "measurement_partner")
"""Who may have measured: the `source` of a measurement."""
