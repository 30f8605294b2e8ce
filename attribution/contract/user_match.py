"""The `user_match` block of events, impressions and clicks: identifiers and the keys they yield.

The value of an identifier never appears in a message. A bad identifier is dropped with a warning;
its record is never refused for it.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from attribution.contract.check import Repair
from attribution.contract.shapes import Shape
from attribution.placeholders import is_placeholder
from attribution.vocabulary import CLICK_ID_TYPE_ALIASES, UID_KINDS, Warn

MAX_USER_AGENT: Final = 512
"""Code points of a user agent that are used; the rest does not distinguish devices."""

UID_LENGTH_MAX: Final = 512
"""Code points of the value of a uid."""

DEFAULT_CLICK_ID_TYPE: Final = "sc3clid"
UNMATCHED_UID_TYPES: Final = frozenset({"publisher_first_party", "world_id_nullifier", "other"})
"""Uid types of AdCP that never match: carried without a warning."""

RAW_PII_KEYS: Final = frozenset(
    {
        "email",
        "phone",
        "phone_number",
        "first_name",
        "last_name",
        "name",
        "address",
        "street",
        "city",
        "zip",
        "postal_code",
        "date_of_birth",
    }
)
"""Keys that must not be sent, in any case; their values are dropped unread."""

_OTHER: Final = "other_uid"
_IP_UA: Final = "ip_ua"
_BLOCK: Final = "user_match"
_IP, _USER_AGENT = (_BLOCK, "client_ip"), (_BLOCK, "client_user_agent")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RAW_PII: Final = re.compile(r".*@|\s*\+\s*\(?[0-9]", re.DOTALL)
_FBC_COOKIE: Final = re.compile(r"fb\.[0-9]+\.[0-9]+\.([^.]*)(?:\..*)?", re.DOTALL)


def _to_hash(given: str) -> str:
    if _SHA256.fullmatch(given):
        return given
    kind = "raw_pii" if _RAW_PII.match(given) else "malformed_hash"
    raise PydanticCustomError(kind, "not 64 lower-case hexadecimal digits")


def spell_ip(given: str) -> str:
    """Spell an IPv4 or IPv6 address canonically; raises ValueError for anything else."""
    # A scope (fe80::1%eth0) names an interface of the sender's machine and has no meaning here.
    if "%" in given:
        msg = "an address with a scope"
        raise ValueError(msg)
    # `ip_address` would try both, and costs twice as much.
    if ":" not in given:
        return ipaddress.IPv4Address(given).compressed
    address = ipaddress.IPv6Address(given)
    # A dual-stack server writes an IPv4 client as ::ffff:192.0.2.1.
    return (address.ipv4_mapped or address).compressed


def _to_ip(given: str) -> str:
    try:
        return spell_ip(given)
    except ValueError:
        kind = "ip_address"
        raise PydanticCustomError(kind, "not an IPv4 or IPv6 address") from None


Hash = Annotated[str, AfterValidator(_to_hash)]


class Uid(Shape):
    """A universal id; one that claims to be a hashed email must look like one."""

    type: Annotated[str, Field(min_length=1, max_length=64)]
    value: Annotated[str, Field(min_length=1, max_length=UID_LENGTH_MAX)]

    @model_validator(mode="after")
    def _hash(self) -> "Uid":
        if self.type.lower() == "hashed_email":
            _to_hash(self.value)
        return self


class UserMatch(Shape):
    """The identity block as it is on the wire."""

    uids: list[Uid] | None = None
    hashed_email: Hash | None = None
    hashed_phone: Hash | None = None
    click_id: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    click_id_type: Annotated[str, Field(max_length=64)] | None = None
    client_ip: Annotated[str, AfterValidator(_to_ip)] | None = None
    client_user_agent: Annotated[str, Field(min_length=1)] | None = None


class _Identifier(NamedTuple):
    """A usable identifier: its kind, its part of a match key, and whether it is a placeholder."""

    kind: str
    value: str
    is_placeholder: bool


class Identity(NamedTuple):
    """The kinds a record carries, its match keys as (kind, value), and its warnings."""

    carries: frozenset[str]
    match_keys: frozenset[tuple[str, str]]
    warnings: tuple[Warn, ...]


NOBODY: Final = Identity(frozenset(), frozenset(), (Warn.MISSING_USER_MATCH,))


def find_raw_pii(given: object) -> tuple[Repair, ...]:
    """Find keys of raw personal data in a `user_match` that has not been validated."""
    if not isinstance(given, dict) or _KNOWN.issuperset(given):
        return ()
    return tuple(
        Repair((_BLOCK, key), Warn.RAW_PII_DROPPED)
        for key, value in given.items()
        if key.lower() in RAW_PII_KEYS and value is not None
    )


def identify(match: UserMatch | None, repairs: Iterable[Repair]) -> Identity:
    """Return the identity in a valid block; `repairs` are the repairs of its record.

    If the record carries nothing, one warning says why: that of the repair,
    `insufficient_probabilistic_pair`, or, without either, `missing_user_match`.
    """
    if match is None:
        return NOBODY
    identifiers = _identifiers(match)
    carries = frozenset([identifier.kind for identifier in identifiers])
    keys = frozenset(
        [
            (kind, value)
            for kind, value, is_nothing in identifiers
            if kind != _OTHER and not is_nothing
        ]
    )
    dropped = {repair.path for repair in repairs if repair.path[0] == _BLOCK}
    found = {
        Warn.UNKNOWN_UID_TYPE: any(_is_unknown(uid) for uid in match.uids or ()),
        Warn.INSUFFICIENT_PROBABILISTIC_PAIR: _is_half_a_pair(match, dropped),
        Warn.PLACEHOLDER_IDENTIFIER: any(each.is_placeholder for each in identifiers),
        Warn.MISSING_CLICK_ID_TYPE: match.click_id is not None and not match.click_id_type,
        Warn.USER_AGENT_TRUNCATED: _IP_UA in carries
        and len(match.client_user_agent or "") > MAX_USER_AGENT,
    }
    warnings = [warning for warning, holds in found.items() if holds]
    if not (carries or dropped or warnings):
        warnings.append(Warn.MISSING_USER_MATCH)
    return Identity(carries, keys, tuple(warnings))


def _identifiers(match: UserMatch) -> list[_Identifier]:
    found = [_uid_identifier(uid) for uid in match.uids or ()]
    if match.click_id is not None:
        found.append(_click_identifier(match.click_id, match.click_id_type))
    if match.hashed_email is not None:
        found.append(_plain("hashed_email", match.hashed_email))
    if match.hashed_phone is not None:
        found.append(_plain("hashed_phone", match.hashed_phone))
    if match.client_ip is not None and match.client_user_agent is not None:
        found.append(_pair(match.client_ip, match.client_user_agent[:MAX_USER_AGENT]))
    return found


def _plain(kind: str, value: str) -> _Identifier:
    return _Identifier(kind, value, is_placeholder(value))


def _uid_identifier(uid: Uid) -> _Identifier:
    kind = uid.type.lower()
    if kind not in UID_KINDS:
        return _plain(_OTHER, uid.value)
    return _plain(kind, uid.value.lower() if kind == "maid" else uid.value)


def _click_identifier(click_id: str, click_id_type: str | None) -> _Identifier:
    kind = click_kind(click_id_type)
    cookie = _FBC_COOKIE.fullmatch(click_id) if kind == "fbclid" else None
    value = cookie[1] if cookie else click_id
    # A type may contain a colon; with it escaped, the first colon always ends the type.
    escaped = kind.replace("%", "%25").replace(":", "%3A")
    return _Identifier("click", f"{escaped}:{value}", is_placeholder(value))


def click_kind(given: str | None) -> str:
    """Return the canonical click id type."""
    kind = (given or DEFAULT_CLICK_ID_TYPE).lower()
    return CLICK_ID_TYPE_ALIASES.get(kind, kind)


def _pair(address: str, agent: str) -> _Identifier:
    is_nothing = is_placeholder(address) or is_placeholder(agent)
    return _Identifier(_IP_UA, f"{address} {agent}", is_nothing)


def _is_unknown(uid: Uid) -> bool:
    kind = uid.type.lower()
    return kind not in UID_KINDS and kind not in UNMATCHED_UID_TYPES


def _is_half_a_pair(match: UserMatch, dropped: set[tuple[Any, ...]]) -> bool:
    has_ip, has_user_agent = match.client_ip is not None, match.client_user_agent is not None
    return has_ip != has_user_agent and (_USER_AGENT if has_ip else _IP) not in dropped


_KNOWN: Final = frozenset(UserMatch.model_fields)
