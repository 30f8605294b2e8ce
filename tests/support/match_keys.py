"""Match keys of the bulk decoder as the contract spells them, found by asking the contract.

The bulk decoder may give an impression a key of an invalid identifier, which equals no event's.
"""

import json
from functools import lru_cache
from typing import Final

from attribution.contract.impression import judge_impression
from attribution.contract.verdicts import ImpressionRecord
from attribution.policy import Policy

Key = tuple[str, str]
_SENT: Final = {
    "advertiser_id": "adv",
    "impression_id": "i",
    "type": "click",
    "time": "2026-05-01T08:00:00Z",
    "campaign_id": "c",
}


@lru_cache(maxsize=100_000)
def as_in_contract(kind: str, text: str) -> Key | None:
    """Return the key with its value as plain text; None if no valid identifier has such a key."""
    parts = _parts(text)
    if len(parts) != (2 if kind in {"click", "ip_ua"} else 1):
        return None  # numbers without anything between them
    match kind:
        case "click":
            block = {"click_id_type": parts[0], "click_id": parts[1]}
        case "ip_ua":
            block = {"client_ip": parts[0], "client_user_agent": parts[1]}
        case "hashed_email" | "hashed_phone":
            block = {kind: parts[0]}
        case _:
            block = {"uids": [{"type": kind, "value": parts[0]}]}
    record = judge_impression({**_SENT, "user_match": block}, policy=Policy())
    assert isinstance(record, ImpressionRecord)
    for key in record.match_keys:
        assert _spelled(key) == parts, f"{kind} {text} is not in canonical form"
        return key
    return None


def _parts(text: str) -> list[object]:
    """Read the JSON values that a key consists of."""
    parts, at = [], 0
    while at < len(text):
        part, at = json.JSONDecoder().raw_decode(text, at)
        parts.append(part)
    return parts


def _spelled(key: Key) -> list[object]:
    kind, value = key
    if kind == "click":
        name, _, given = value.partition(":")
        return [name.replace("%3A", ":").replace("%25", "%"), given]
    return list(value.split(" ", 1)) if kind == "ip_ua" else [value]
