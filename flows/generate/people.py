"""The identifiers of users and their devices, and those that a record carries, as JSON text.

A person has some or all of uid2, rampid, email and phone; a device has an id5 or a maid, an IP
address and a browser. The devices of a person share only the personal identifiers.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Final

import numpy as np

from flows.generate.draws import Draws, Flags, Ints

USER_AGENTS: Final = tuple(
    f"Mozilla/5.0 ({system}) {engine}"
    for system in (
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 14_4",
        "X11; Linux x86_64",
        "iPhone; CPU iPhone OS 18_2 like Mac OS X",
        "Linux; Android 15; Pixel 9",
    )
    for engine in (
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Safari/605.1.15",
        "Gecko/20100101 Firefox/133.0",
    )
)
CLICK_ID_TYPES: Final = ("sc3clid", "gclid", "fbclid")
_CLICK_ID_WEIGHTS: Final = (80, 10, 10)
_NO_MAID: Final = "00000000-0000-0000-0000-000000000000"
_UID2_BYTES: Final = 33  # whole groups of three, so that tokens end without padding
_DEVICES_MAX: Final = 8  # devices of one user are numbered below this


@dataclass(frozen=True, slots=True)
class Shown:
    """How often the records of a stream carry an identifier that their user has (0 to 1)."""

    stream: str
    uid2: float
    rampid: float
    id5: float
    maid: float
    hashed_email: float
    hashed_phone: float
    ip_ua: float


IN_TOUCHES: Final = Shown("touch", 0.6, 0.5, 0.75, 0.85, 0.25, 0.03, 0.35)
IN_EVENTS: Final = Shown("event", 0.55, 0.45, 0.6, 0.5, 0.75, 0.3, 0.4)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Users and devices behind records: parallel arrays, one entry per record.

    `number` determines the identifiers carried, so a click carries those of its impression. Records
    of a `bot` carry all identifiers, and so do records that must be recognised.
    """

    number: Ints
    user: Ints
    device: Ints
    bot: Flags


def user_match_members(
    draws: Draws, carriers: Carriers, shown: Shown, clicks: Sequence[str]
) -> list[str]:
    """Write the members of each record's user_match, each member with a comma behind it."""
    person, device = carriers.user, carriers.user * _DEVICES_MAX + carriers.device
    columns = (
        _uids(draws, carriers, shown, device),
        _hashed("email", person, _shows(draws, carriers, shown, "hashed_email", 0.6)),
        _hashed("phone", person, _shows(draws, carriers, shown, "hashed_phone", 0.3)),
        clicks,
        _ip_ua(draws, device, _shows(draws, carriers, shown, "ip_ua", 1.0)),
    )
    return list(map("".join, zip(*columns, strict=True)))


def click_members(draws: Draws, number: Ints, landed: Flags, *, cookie: bool) -> list[str]:
    """Write the click id of each record that `landed` from a click, with a comma behind it.

    With `cookie`, an fbclid is written as a landing page stores it: in an `_fbc` cookie value.
    """
    types = draws.pick("click id type", number, _CLICK_ID_WEIGHTS)
    prefix = ["", "", "fb.1.1774000000000." if cookie else ""]
    tail = [f'","click_id_type":"{kind}",' for kind in CLICK_ID_TYPES]
    return [
        f'"click_id":"{prefix[kind]}{token.upper()}{tail[kind]}' if yes else ""
        for token, kind, yes in zip(
            draws.hexes("click id", number), types.tolist(), landed.tolist(), strict=True
        )
    ]


def _shows(draws: Draws, carriers: Carriers, shown: Shown, kind: str, owners: float) -> Flags:
    """Return a mask of records that carry this kind, which their user must also have."""
    owns = draws.chance(f"has {kind}", carriers.user, owners)
    tells = draws.chance(f"{shown.stream} {kind}", carriers.number, getattr(shown, kind))
    return (owns & tells) | carriers.bot


def _uids(draws: Draws, carriers: Carriers, shown: Shown, device: Ints) -> list[str]:
    person = carriers.user
    phones = draws.chance("is phone", device, 0.5)
    columns = (
        _uid("uid2", _tokens(draws, person), _shows(draws, carriers, shown, "uid2", 0.6)),
        _uid(
            "rampid",
            ["XY1005" + token for token in draws.hexes("rampid", person)],
            _shows(draws, carriers, shown, "rampid", 0.5),
        ),
        _uid(
            "id5",
            ["ID5*" + token for token in draws.hexes("id5", device)],
            _shows(draws, carriers, shown, "id5", 0.8) & ~phones,
        ),
        _uid("maid", _maids(draws, device), _shows(draws, carriers, shown, "maid", 0.9) & phones),
    )
    joined = map("".join, zip(*columns, strict=True))
    return [f'"uids":[{uids[:-1]}],' if uids else "" for uids in joined]


def _uid(kind: str, values: list[str], shows: Flags) -> list[str]:
    return [
        f'{{"type":"{kind}","value":"{value}"}},' if yes else ""
        for value, yes in zip(values, shows.tolist(), strict=True)
    ]


def _tokens(draws: Draws, person: Ints) -> list[str]:
    words = [draws.bits(f"uid2 {part}", person) for part in range(5)]
    octets = np.stack(words, axis=1).astype(">u8").view(np.uint8)[:, :_UID2_BYTES]
    text, length = b64encode(octets.tobytes()).decode(), _UID2_BYTES * 4 // 3
    return [text[at : at + length] for at in range(0, len(text), length)]


def _maids(draws: Draws, device: Ints) -> list[str]:
    """Write advertising ids; one phone in a hundred has it disabled (all zeros)."""
    off = draws.chance("no maid", device, 0.01).tolist()
    first, second = draws.hexes("maid", device), draws.hexes("maid rest", device)
    return [
        _NO_MAID if none else f"{a[:8]}-{a[8:12]}-4{a[13:]}-8{b[:3]}-{b[4:]}"
        for a, b, none in zip(first, second, off, strict=True)
    ]


def _hashed(kind: str, person: Ints, shows: Flags) -> list[str]:
    """Write the SHA-256 of a made-up address or number for the records that carry it."""
    raw = {"email": "user%d@example.com", "phone": "+1202555%07d"}[kind]
    return [
        f'"hashed_{kind}":"{sha256((raw % user).encode()).hexdigest()}",' if yes else ""
        for user, yes in zip(person.tolist(), shows.tolist(), strict=True)
    ]


def _ip_ua(draws: Draws, device: Ints, shows: Flags) -> list[str]:
    octets = draws.hexes("ip", device)
    agents = draws.below("user agent", device, len(USER_AGENTS)).tolist()
    return [
        f'"client_ip":"{_address(digits)}","client_user_agent":"{USER_AGENTS[agent]}",'
        if yes
        else ""
        for digits, agent, yes in zip(octets, agents, shows.tolist(), strict=True)
    ]


def _address(digits: str) -> str:
    """Make an IPv4 address of 16 hex digits, or (one in sixteen) an IPv6 documentation address."""
    if digits[0] == "0":
        return f"2001:db8:{digits[4:8]}:{digits[8:12]}::{digits[12:]}"
    return ".".join(str(octet) for octet in chain((10,), bytes.fromhex(digits[2:8])))
