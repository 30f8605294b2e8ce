"""Canonical spellings of types and addresses among identifiers, once per distinct text.

Texts are JSON. What only the contract can judge is left to it.
"""

from functools import lru_cache
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Mask
from attribution.contract.user_match import UNMATCHED_UID_TYPES, click_kind
from attribution.vocabulary import KIND_CODES, UID_KINDS

UNKNOWN_UID: Final = len(KIND_CODES)
"""Code of a uid type that is in no vocabulary, about which the contract warns."""

KEPT_TYPES: Final = 4096
"""Cached spellings of types; producers choose them, so the number is limited."""


def spelled_addresses(address: pa.Array, odd: Mask) -> pa.Array:
    """Return the addresses, the odd ones in canonical spelling; null for those that are none."""
    if not odd.any():
        return address
    mask = pa.array(odd)
    encoded = address.filter(mask).dictionary_encode()
    texts = [_spell_address(text) for text in encoded.dictionary.to_pylist()]
    spelled = pa.array(texts, pa.string()).take(encoded.indices)
    return pc.replace_with_mask(address, mask, spelled)


def _spell_address(text: str) -> str | None:
    """Return an IPv6 address in canonical spelling; others are left to the contract.

    The C library knows the same form, and is ten times as fast as the contract. It writes some
    addresses with dots.
    """
    try:
        spelled = inet_ntop(AF_INET6, inet_pton(AF_INET6, text[1:-1]))
    except (OSError, ValueError):
        return None
    return None if "." in spelled else f'"{spelled}"'


@lru_cache(maxsize=KEPT_TYPES)
def uid_code(given: str | None) -> int:
    """Return the kind code of a uid type, which is plain text."""
    kind = (given or "").lower()
    if kind in UID_KINDS:
        return KIND_CODES[kind]
    return KIND_CODES["other_uid"] if kind in UNMATCHED_UID_TYPES else UNKNOWN_UID


@lru_cache(maxsize=KEPT_TYPES)
def spell_type(given: str) -> str | None:
    """Return a click id type as it is spelled in a match key; None if only the contract can."""
    if "\\" in given:
        return None
    return f'"{click_kind(given[1:-1])}"' if given.startswith('"') else given
