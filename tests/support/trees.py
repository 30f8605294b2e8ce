"""Sound documents as trees, and how one is changed in one place and written on one line.

A tree is a dict, a list, `Pairs` (an object with repeated keys), JSON text as bytes, or a string.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Tree: TypeAlias = Any
Place: TypeAlias = tuple[str | int, ...]

SOUND_HASH: Final = "0f" * 32


class Pairs(list[tuple[str, Tree]]):
    """The members of an object, repeated keys included."""


def text(given: object) -> bytes:
    """Write a value as JSON."""
    return json.dumps(given, ensure_ascii=False).encode()


def write(tree: Tree, *, comma: bytes = b",", colon: bytes = b":") -> bytes:
    """Write a tree on one line; the separators may hold white space."""
    if isinstance(tree, bytes):
        return tree
    if isinstance(tree, dict | Pairs):
        pairs = tree if isinstance(tree, Pairs) else tree.items()
        members = [_key(key) + colon + write(item, comma=comma, colon=colon) for key, item in pairs]
        return b"{" + comma.join(members) + b"}"
    if isinstance(tree, list):
        return b"[" + comma.join(write(item, comma=comma, colon=colon) for item in tree) + b"]"
    return text(tree)


def _key(key: str) -> bytes:
    return text(key).replace(b"\\\\u", b"\\u")  # a key may be spelt with escapes


def put(tree: Tree, path: Place, value: Tree) -> Tree:
    """Return a copy with another value at a path; what is missing on the way is made."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(tree) if isinstance(tree, list) else []
        items += [b"null"] * (step + 1 - len(items))
        items[step] = put(items[step], rest, value)
        return items
    members = dict(tree) if isinstance(tree, dict) else {}
    members[step] = put(members.get(step), rest, value)
    return members


def repeat(tree: Tree, path: Place, value: Tree, *, first: bool) -> Tree:
    """Return a copy whose object at `path[:-1]` has the key `path[-1]` once more."""
    holder, key = _at(tree, path[:-1]), str(path[-1])
    members = list(holder.items()) if isinstance(holder, dict) else []
    pairs = Pairs([(key, value), *members] if first else [*members, (key, value)])
    return put(tree, path[:-1], pairs)


def rename(tree: Tree, path: Place, name: str) -> Tree:
    """Return a copy in which the key at a path is spelt otherwise."""
    holder = _at(tree, path[:-1])
    members = holder if isinstance(holder, dict) else {}
    return put(tree, path[:-1], {name if key == path[-1] else key: v for key, v in members.items()})


def _at(tree: Tree, path: Place) -> Tree:
    for step in path:
        inside = isinstance(tree, dict) and step in tree
        inside = inside or (isinstance(tree, list) and isinstance(step, int) and step < len(tree))
        tree = tree[step] if inside else {}
    return tree


USER_MATCH: Final[Tree] = {
    "uids": [{"type": "uid2", "value": "u1"}, {"type": "maid", "value": "AB-12"}],
    "hashed_email": SOUND_HASH,
    "hashed_phone": "a1" * 32,
    "click_id": "fb.1.1700000000.abc",
    "click_id_type": "fbclid",
    "client_ip": "192.0.2.7",
    "client_user_agent": "Browser/1 (X; y)",
}
CUSTOM_DATA: Final[Tree] = {
    "value": b"89.99",
    "currency": "EUR",
    "order_id": "o-1",
    "content_ids": ["sku 1", "sku2"],
    "content_type": "product",
    "content_name": "Shoe",
    "content_category": "Shoes",
    "search_string": "red shoe",
    "num_items": b"2",
    "contents": [{"id": "sku1", "quantity": b"1", "price": b"9.99", "brand": "B"}],
    "note": {"n": [b"1.50", b"1e3", b"true", b"null", "\u00e9"]},
}
EVENT: Final[Tree] = {
    "event_id": "e-1",
    "event_type": "purchase",
    "event_time": "2026-05-01T08:00:00Z",
    "custom_event_name": "name",
    "action_source": "website",
    "event_source_url": "https://shop.example:8080/done?x=1#y",
    "user_match": USER_MATCH,
    "custom_data": CUSTOM_DATA,
}
ENVELOPE: Final[Tree] = {
    "advertiser_id": "adv",
    "event_source_id": "src",
    "received_at": "2026-05-01T08:00:05.250Z",
    "idempotency_key": "0123456789abcdef",
    "events": [EVENT],
}
IMPRESSION: Final[Tree] = {
    "advertiser_id": "adv",
    "impression_id": "i-1",
    "type": "impression",
    "time": "2026-05-01T07:00:00Z",
    "received_at": "2026-05-01T07:00:01.000001Z",
    "campaign_id": "c",
    "media_buy_id": "m",
    "package_id": "p",
    "creative_id": "r",
    "price": b"0.25",
    "currency": "EUR",
    "user_match": USER_MATCH,
}
DOCUMENTS: Final = {"events": ENVELOPE, "impressions": IMPRESSION}


def _paths(tree: Tree, path: Place = ()) -> Iterator[Place]:
    if path:
        yield path
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree)
    if isinstance(tree, dict | list):
        for step, inner in steps:
            yield from _paths(inner, (*path, step))


def _times_last(path: Place) -> tuple[bool, bool]:
    # A late arrival late_records all that follow: what decides arrival is spoilt last.
    return path == ("received_at",), "time" in path


_ABSENT: Final[dict[str, list[Place]]] = {
    "events": [
        ("test_event_code",),
        ("adcp_version",),
        ("adcp_major_version",),
        ("unknown",),
        ("events", 1),
        ("events", 0, "value"),
        ("events", 0, "currency"),
        ("events", 0, "content_ids"),
        ("events", 0, "surface"),
        ("events", 0, "user_match", "email"),
        ("events", 0, "user_match", "First_Name"),
        ("events", 0, "user_match", "unknown"),
        ("events", 0, "user_match", "uids", 2),
        ("events", 0, "custom_data", "contents", 1),
        ("events", 0, "custom_data", "unknown"),
    ],
    "impressions": [
        ("unknown",),
        ("user_match", "PHONE"),
        ("user_match", "unknown"),
        ("user_match", "uids", 2),
    ],
}
PATHS: Final[dict[str, list[Place]]] = {
    stream: sorted([*_paths(document), *_ABSENT[stream]], key=_times_last)
    for stream, document in DOCUMENTS.items()
}
"""Every place of the sound documents, and places that are empty in them."""
