"""What to do about what was refused, repaired or not matched: one sentence each."""

from typing import Final

from attribution.vocabulary import Code, Reason, Warn

OF_REASONS: Final[dict[Reason, str]] = {
    Reason.NO_IDENTIFIER: "Have the sender add a click id or a hashed email to its events.",
    Reason.TOO_OLD: "Send events when they happen; a nightly upload is often too late.",
    Reason.NO_TOUCHPOINT: (
        "Normal for customers whom no ad has reached. If most events end here, check that ads and "
        "events carry the same kind of identifier."
    ),
}

OF_CODES: Final[dict[Code, str]] = {
    Code.INVALID_REQUEST: "Compare one refused record with the description of the interface.",
    Code.REFERENCE_NOT_FOUND: "Register the event source, or correct its id in the sender.",
    Code.VERSION_UNSUPPORTED: "Update the sender to a version that is supported.",
    Code.INVALID_EVENT_ID: "Give every event an id of its own, such as the order number.",
    Code.MISSING_EVENT_TYPE: "Name the type of every event, such as purchase.",
    Code.INVALID_EVENT_TYPE: "Use a type of the list, and one that the source is registered for.",
    Code.INVALID_EVENT_TIME: "Write times with their offset, such as 2026-04-26T19:30:00Z.",
    Code.MISSING_CUSTOM_EVENT_NAME: "Name custom events in custom_event_name.",
    Code.INVALID_ACTION_SOURCE: "Use website, app, in_store or another place of the list.",
    Code.INVALID_EVENT_SOURCE_URL: "Send the address of the page, with http or https.",
    Code.DOMAIN_NOT_ALLOWED: "Add the domain to the event source, or find out who sends from it.",
    Code.INVALID_CUSTOM_DATA: "Check value, items and order id against the interface.",
    Code.INVALID_CURRENCY: "Use a code of three letters such as EUR.",
    Code.CURRENCY_REQUIRED: "Send the currency together with every value.",
    Code.CURRENCY_NOT_ALLOWED: "Add the currency to the event source, or correct the sender.",
    Code.INVALID_IMPRESSION_ID: "Have the ad server fill in an id for every impression.",
    Code.INVALID_TYPE: "The type is impression or click; correct the ad server's feed.",
    Code.INVALID_TIME: "Write times with their offset, such as 2026-04-26T19:30:00Z.",
    Code.INVALID_CAMPAIGN_ID: "Have the ad server fill in the campaign of every record.",
    Code.INVALID_METRIC: "Use a metric of the list.",
    Code.MISSING_ENTITY: "Name the campaign, media buy, package or creative that was measured.",
}

OF_WARNINGS: Final[dict[Warn, str]] = {
    Warn.NONSTANDARD_EVENT_TYPE: "Kept as it is; other systems may not know this type.",
    Warn.EVENT_TIME_CLAMPED: "Nothing to do: a leap second counts as the second before it.",
    Warn.EVENT_TIME_IN_FUTURE: "The sender's clock is ahead; set it by a time server.",
    Warn.MISSING_EVENT_SOURCE_URL: "Send the address of the page with website events.",
    Warn.INVALID_SURFACE: "Correct the surface, or leave it out.",
    Warn.MISPLACED_FIELD: "Send the field within custom_data; it was read as if it were there.",
    Warn.MISSING_USER_MATCH: "Add identifiers: without them nothing can be matched.",
    Warn.MALFORMED_HASH: "Hash with SHA-256 and send 64 hexadecimal digits.",
    Warn.RAW_PII_DROPPED: "Hash email and phone number before sending; plain ones are thrown away.",
    Warn.UNKNOWN_UID_TYPE: "Use a known type of identifier; this one is never matched.",
    Warn.INVALID_UID: "Check how the sender fills in identifiers.",
    Warn.EMPTY_IDENTIFIER: "Leave out identifiers that are not known.",
    Warn.INVALID_CLICK_ID: "Pass the click id on as it stands in the landing page's address.",
    Warn.INSUFFICIENT_PROBABILISTIC_PAIR: "Send IP address and browser together.",
    Warn.INVALID_CLIENT_IP: "Send the visitor's address, not the server's or a placeholder.",
    Warn.MISSING_CURRENCY: "Send the currency; without it the value does not count.",
    Warn.NEGATIVE_VALUE_NORMALISED: "Send values as positive numbers.",
    Warn.NEGATIVE_VALUE_DROPPED: "Send values as positive numbers; this one does not count.",
    Warn.VALUE_ROUNDED: "Send at most six digits after the point.",
    Warn.FIELD_TOO_LONG: "Shorten the field; it was thrown away.",
    Warn.CONTENT_WITHOUT_ID: "Name the id of every item.",
    Warn.NEGATIVE_PRICE: "Correct the price in the ad server's feed; it does not count.",
    Warn.PLACEHOLDER_IDENTIFIER: "A template was not filled in; correct it in the sender.",
    Warn.MISSING_CLICK_ID_TYPE: "Name the type of click ids; this one was taken for our own.",
    Warn.USER_AGENT_TRUNCATED: "Nothing to do: the end of a very long browser name is not used.",
    Warn.ODD_EVENT_SOURCE_URL: "Check the page address; its domain could not be told.",
    Warn.RECEIVED_AT_IN_FUTURE: "The receiver's clock is ahead; set it by a time server.",
    Warn.INVALID_UNICODE: "Send valid UTF-8; broken letters were replaced.",
}
