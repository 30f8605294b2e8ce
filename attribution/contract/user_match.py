"""The identity block of events, impressions and clicks: what it carries and what it can match on.

Knows identifiers only; nothing of an identifier's value ever reaches a message. A bad identifier is
taken out with a warning and never costs the record.
"""

import ipaddress
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from attribution.contract.check import Repair
from attribution.contract.shapes import Shape
from attribution.vocabulary import UID_KINDS, Warn

MAX_USER_AGENT: Final = 512
"""Code points of a user agent that count; what follows tells no two devices apart."""

DEFAULT_CLICK_ID_TYPE: Final = "sc3clid"
UNMATCHED_UID_TYPES: Final = frozenset({"publisher_first_party", "world_id_nullifier", "other"})
"""Uid types that AdCP knows and that never match: carried without a warning."""

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
"""Keys nobody may send, whatever their case; their values are dropped unread."""

PLACEHOLDERS: Final = frozenset(
    {("maid", "00000000-0000-0000-0000-000000000000")}
    | {
        (kind, sha256(text.encode()).hexdigest())
        for kind in ("hashed_email", "hashed_phone")
        for text in ("", "null", "none", "undefined", "unknown")
    }
)
"""What producers send for nobody: carried, but it would match everybody with everybody."""

_BLOCK: Final = "user_match"
_IP, _USER_AGENT = (_BLOCK, "client_ip"), (_BLOCK, "client_user_agent")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RAW_PII: Final = re.compile(r".*@|\s*\+\s*\(?[0-9]", re.DOTALL)
_FBC_COOKIE: Final = re.compile(r"fb\.[0-9]+\.[0-9]+\.(.+)", re.DOTALL)


def _to_hash(given: str) -> str:
    if _SHA256.fullmatch(given):
        return given
    kind = "raw_pii" if _RAW_PII.match(given) else "malformed_hash"
    raise PydanticCustomError(kind, "not 64 lower-case hexadecimal digits")


def spell_ip(given: str) -> str:
    """Spell an IPv4 or IPv6 address canonically; raises ValueError for anything else."""
    # A scope (fe80::1%eth0) names an interface of the sender's machine, which says nothing here.
    if "%" in given:
        msg = "an address with a scope"
        raise ValueError(msg)
    # `ip_address` would try both, and costs twice as much.
    read = ipaddress.IPv6Address if ":" in given else ipaddress.IPv4Address
    return read(given).compressed


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
    value: Annotated[str, Field(min_length=1, max_length=512)]

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


class Identity(NamedTuple):
    """The kinds a record carries, its match keys as (kind, value), and what to warn of."""

    carries: frozenset[str]
    match_keys: frozenset[tuple[str, str]]
    warnings: tuple[Warn, ...]


NOBODY: Final = Identity(frozenset(), frozenset(), ())


def find_raw_pii(given: object) -> tuple[Repair, ...]:
    """Find what must never have been sent in an object's unread `user_match`."""
    if not isinstance(given, dict) or _KNOWN.issuperset(given):
        return ()
    return tuple(
        Repair((_BLOCK, key), Warn.RAW_PII_DROPPED)
        for key, value in given.items()
        if key.lower() in RAW_PII_KEYS and value is not None
    )


def identify(match: UserMatch | None, repairs: Iterable[Repair]) -> Identity:
    """Say what a sound block carries; `repairs` are those its record needed.

    Where the block is there and carries nothing, one warning says why: the one that came with the
    repair, or `insufficient_probabilistic_pair`, or, when neither did, `missing_user_match`.
    """
    if match is None:
        return NOBODY
    identifiers = _identifiers(match)
    carries = frozenset([kind for kind, _ in identifiers])
    keys = frozenset([key for key in identifiers if key[1] and key not in PLACEHOLDERS])
    dropped = {repair.path for repair in repairs if repair.path[0] == _BLOCK}
    warnings = []
    if match.uids and any(_is_unknown(uid) for uid in match.uids):
        warnings.append(Warn.UNKNOWN_UID_TYPE)
    if _is_half_a_pair(match, dropped):
        warnings.append(Warn.INSUFFICIENT_PROBABILISTIC_PAIR)
    if not (carries or dropped or warnings):
        warnings.append(Warn.MISSING_USER_MATCH)
    return Identity(carries, keys, tuple(warnings))


def _identifiers(match: UserMatch) -> list[tuple[str, str]]:
    found = [_uid_identifier(uid) for uid in match.uids or ()]
    if match.click_id is not None:
        found.append(("click", _click_value(match.click_id, match.click_id_type)))
    if match.hashed_email is not None:
        found.append(("hashed_email", match.hashed_email))
    if match.hashed_phone is not None:
        found.append(("hashed_phone", match.hashed_phone))
    if match.client_ip is not None and match.client_user_agent is not None:
        found.append(("ip_ua", f"{match.client_ip} {match.client_user_agent[:MAX_USER_AGENT]}"))
    return found


def _uid_identifier(uid: Uid) -> tuple[str, str]:
    kind = uid.type.lower()
    if kind not in UID_KINDS:
        return "other_uid", ""
    return kind, uid.value.lower() if kind == "maid" else uid.value


def _click_value(click_id: str, click_id_type: str | None) -> str:
    kind = (click_id_type or DEFAULT_CLICK_ID_TYPE).lower()
    cookie = _FBC_COOKIE.fullmatch(click_id) if kind == "fbclid" else None
    # A type may hold a colon itself; escaped, the first colon always ends the type.
    escaped = kind.replace("%", "%25").replace(":", "%3A")
    return f"{escaped}:{cookie[1] if cookie else click_id}"


def _is_unknown(uid: Uid) -> bool:
    kind = uid.type.lower()
    return kind not in UID_KINDS and kind not in UNMATCHED_UID_TYPES


def _is_half_a_pair(match: UserMatch, dropped: set[tuple[Any, ...]]) -> bool:
    has_ip, has_user_agent = match.client_ip is not None, match.client_user_agent is not None
    return has_ip != has_user_agent and (_USER_AGENT if has_ip else _IP) not in dropped


_KNOWN: Final = frozenset(UserMatch.model_fields)
