"""Canonical spellings of types and odd addresses among identifiers, once per distinct text.

As in `identity`, values that only the contract can judge are left to it.
"""

from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Mask
from attribution.contract.user_match import UNMATCHED_UID_TYPES, click_kind, spell_ip
from attribution.vocabulary import KIND_CODES, UID_KINDS

UNKNOWN_UID: Final = len(KIND_CODES)
"""Code of a uid type that is in no vocabulary, about which the contract warns."""

MAX_TYPE: Final = 64
"""Characters of a type; the contract refuses longer ones."""

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
    """Return an address with colons in canonical spelling; others are left to the contract."""
    try:
        return spell_ip(text) if ":" in text else None
    except ValueError:
        return None


@lru_cache(maxsize=KEPT_TYPES)
def uid_code(given: str | None) -> int:
    """Return the kind code of a uid type; -1 if only the contract can determine it."""
    if given is None or not 1 <= len(given) <= MAX_TYPE or not given[0].isalpha():
        return -1
    if given in ("true", "false"):
        return -1
    kind = given.lower()
    if kind in UID_KINDS:
        return KIND_CODES[kind]
    return KIND_CODES["other_uid"] if kind in UNMATCHED_UID_TYPES else UNKNOWN_UID


@lru_cache(maxsize=KEPT_TYPES)
def spell_type(given: str) -> str:
    """Return a click id type as it is spelled in a match key."""
    return click_kind(given).replace("%", "%25").replace(":", "%3A")
