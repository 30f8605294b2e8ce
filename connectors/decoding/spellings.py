"""How types and odd addresses among identifiers are spelled: each distinct text is looked at once.

As in `identity`, what only the contract can tell is left to it.
"""

from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Mask
from attribution.contract.user_match import UNMATCHED_UID_TYPES, click_kind, spell_ip
from attribution.vocabulary import KIND_CODES, UID_KINDS

UNKNOWN_UID: Final = len(KIND_CODES)
"""Stands for a uid type that is in no vocabulary, which the contract warns of."""

MAX_TYPE: Final = 64
"""Characters of a type; the contract refuses longer ones."""

KEPT_TYPES: Final = 4096
"""Spellings of types that are remembered; producers choose them, so there is a limit."""


def spelled_addresses(address: pa.Array, odd: Mask) -> pa.Array:
    """Spell the odd addresses canonically, each once; null where one is none."""
    if not odd.any():
        return address
    mask = pa.array(odd)
    encoded = address.filter(mask).dictionary_encode()
    texts = [_spell_address(text) for text in encoded.dictionary.to_pylist()]
    spelled = pa.array(texts, pa.string()).take(encoded.indices)
    return pc.replace_with_mask(address, mask, spelled)


def _spell_address(text: str) -> str | None:
    """Spell an address of colons; what else there may be is left to the contract."""
    try:
        return spell_ip(text) if ":" in text else None
    except ValueError:
        return None


@lru_cache(maxsize=KEPT_TYPES)
def uid_code(given: str | None) -> int:
    """Kind code of a uid type; -1 where only the contract can tell."""
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
    """Spell a click id type as it stands in a match key."""
    return click_kind(given).replace("%", "%25").replace(":", "%3A")
