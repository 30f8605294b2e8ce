"""What the words of the closed vocabularies are called on pages, for people who run campaigns."""

from typing import Final

from attribution.vocabulary import Code, Reason

BASE: Final = "last_touch"
"""The model that decides the winner of a conversion; the others are compared with it."""

MODELS: Final = {
    "last_touch": "Last touch",
    "first_touch": "First touch",
    "linear": "Linear",
    "time_decay": "Time decay",
    "position_based": "Position based",
}

MODEL_RULES: Final = {
    "last_touch": "All goes to the best touchpoint: a click before a view, then the latest.",
    "first_touch": "All goes to the touchpoint that came first.",
    "linear": "Every touchpoint of the path gets the same.",
    "time_decay": "The closer to the conversion, the more; the weight halves every half-life.",
    "position_based": "40% to the first, 40% to the last, the rest to those between.",
}

KINDS: Final = {
    "click": "click id",
    "rampid": "RampID",
    "rampid_derived": "derived RampID",
    "uid2": "UID2",
    "euid": "EUID",
    "id5": "ID5",
    "pairid": "PAIR id",
    "maid": "mobile advertising id",
    "hashed_email": "hashed email",
    "hashed_phone": "hashed phone number",
    "ip_ua": "IP address with browser",
    "other_uid": "unknown kind of id",
}

TOUCHES: Final = {"click": "after a click", "view": "after a view"}

REASONS: Final = {
    Reason.NO_IDENTIFIER: "the event carried nothing to match by",
    Reason.TOO_OLD: "the event was sent too late",
    Reason.NO_TOUCHPOINT: "no ad was seen or clicked before it",
}

CODES: Final[dict[Code, str]] = {
    Code.INVALID_REQUEST: "the record is not in the agreed form",
    Code.REFERENCE_NOT_FOUND: "unknown event source",
    Code.VERSION_UNSUPPORTED: "unknown version of the interface",
    Code.INVALID_EVENT_ID: "event without a usable id",
    Code.MISSING_EVENT_TYPE: "event without a type",
    Code.INVALID_EVENT_TYPE: "event type that does not exist or is not allowed",
    Code.INVALID_EVENT_TIME: "event without a usable time",
    Code.MISSING_CUSTOM_EVENT_NAME: "custom event without a name",
    Code.INVALID_ACTION_SOURCE: "unknown place of the action",
    Code.INVALID_EVENT_SOURCE_URL: "page address that is none",
    Code.DOMAIN_NOT_ALLOWED: "page of a domain that is not allowed",
    Code.INVALID_CUSTOM_DATA: "order data that cannot be read",
    Code.INVALID_CURRENCY: "currency that does not exist",
    Code.CURRENCY_REQUIRED: "value without a currency",
    Code.CURRENCY_NOT_ALLOWED: "currency that the source may not send",
    Code.INVALID_IMPRESSION_ID: "impression without a usable id",
    Code.INVALID_TYPE: "neither an impression nor a click",
    Code.INVALID_TIME: "impression or click without a usable time",
    Code.INVALID_CAMPAIGN_ID: "impression or click without a campaign",
    Code.INVALID_METRIC: "measurement of an unknown metric",
    Code.MISSING_ENTITY: "measurement of nothing in particular",
}


def in_words(word: str) -> str:
    """Return a word of a vocabulary without its underscores."""
    return word.replace("_", " ")
