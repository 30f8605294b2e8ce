"""The identity blocks of many records at once: their match keys and the kinds they carry.

For proven rows, the result is the same as that of `attribution.contract.user_match`; all others are
left to the contract. Knows only columns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask, present
from attribution.contract.user_match import MAX_USER_AGENT
from attribution.decoded import Keys
from attribution.vocabulary import KIND_CODES, WARNING_BITS, Warn
from connectors.decoding.placeholder_columns import placeholders
from connectors.decoding.proofs import Text, is_hash, is_short_string, surely_string
from connectors.decoding.spellings import (
    MAX_TYPE,
    UNKNOWN_UID,
    spell_type,
    spelled_addresses,
    uid_code,
)

_OTHER: Final = KIND_CODES["other_uid"]
_MAX_ID: Final = 512
_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"^{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}$"
_FBC_COOKIE: Final = r"^fb\.[0-9]+\.[0-9]+\.([^.]*)(?s:\..*)?$"


@dataclass(frozen=True, slots=True)
class Identities:
    """The contents of the blocks of a batch.

    `proven` are the rows whose keys and carried kinds are certain; `clean` are those of them whose
    `warnings` are complete. `carries` and `warnings` are bit masks per row, of kind codes and of
    warnings.
    """

    keys: Keys
    carries: Array
    proven: Mask
    clean: Mask
    warnings: Array


def identify(block: pa.StructArray) -> Identities:
    """Read `user_match` structs of text leaves (null where a record has none)."""
    reader = _Reader(block)
    reader.click()
    reader.uids()
    reader.hashes("hashed_email")
    reader.hashes("hashed_phone")
    reader.ip_ua()
    return reader.identities()


def bytes_of(block: pa.StructArray) -> Ints:
    """Count the bytes of all leaves of each block."""
    names = [field.name for field in block.type if field.type == pa.string()]
    lists = block.field("uids")
    value = Text.of(lists.values.field("value"))
    before = np.r_[value.start, value.start[-1:] + value.length[-1:], 0]
    ends = before[lists.offsets.to_numpy()]
    return sum((Text.of(block.field(name)).length for name in names), np.diff(ends))


class _Reader:
    def __init__(self, block: pa.StructArray) -> None:
        self._block = block
        self._keys: list[Keys] = []
        self._carries = np.zeros(len(block), dtype=np.uint16)
        self._warnings = np.zeros(len(block), dtype=np.uint32)
        # A block that is not an object is read as one without leaves.
        there = present(block)
        filled = np.zeros(len(block), dtype=bool)
        for field in block.type:
            filled |= self._there(field.name)
        self._is_there = there
        self._warn(np.flatnonzero(~there), Warn.MISSING_USER_MATCH)
        self._proven = ~there | filled
        self._clean = self._proven.copy()

    def _leaf(self, name: str) -> pa.Array:
        return self._block.field(name)

    def _there(self, name: str) -> Mask:
        return present(self._leaf(name))

    def _warn(self, rows: Ints, warning: Warn) -> None:
        self._warnings[rows] |= np.uint32(WARNING_BITS[warning])

    def _add(self, kind: int, rows: Ints, value: pa.Array, is_nothing: Mask) -> None:
        """Add keys of a kind, except placeholders."""
        self._carries[rows] |= np.uint16(1 << kind)
        self._warn(rows[is_nothing], Warn.PLACEHOLDER_IDENTIFIER)
        keys = Keys(rows, np.full(len(rows), kind, dtype=np.uint8), value)
        self._keys.append(keys.at(~is_nothing))

    def click(self) -> None:
        given, types = self._leaf("click_id"), self._leaf("click_id_type")
        self._proven &= is_short_string(given, _MAX_ID)
        self._proven &= (Text.of(types).length <= MAX_TYPE) & surely_string(types)
        rows = np.flatnonzero(self._there("click_id"))
        # A type without an id carries nothing; the contract warns about it.
        self._clean &= self._there("click_id") | ~self._there("click_id_type")
        types = pc.fill_null(types.take(pa.array(rows)), "")
        self._warn(rows[Text.of(types).length == 0], Warn.MISSING_CLICK_ID_TYPE)
        types = types.dictionary_encode()
        spelling = [spell_type(text) for text in types.dictionary.to_pylist()]
        spelled = pa.array(spelling, pa.string())
        value = given.take(pa.array(rows))
        prefix = spelled.take(types.indices)
        if "fbclid" in spelled.to_pylist():
            cut = pc.replace_substring_regex(value, _FBC_COOKIE, r"\1", max_replacements=1)
            value = pc.if_else(pc.equal(prefix, "fbclid"), cut, value)
        keys = pc.binary_join_element_wise(prefix, value, ":")
        self._add(KIND_CODES["click"], rows, keys, placeholders(value))

    def uids(self) -> None:
        lists = self._leaf("uids")
        offsets = lists.offsets.to_numpy()
        row = np.repeat(np.arange(len(lists)), np.diff(offsets))
        each = lists.values.slice(offsets[0], len(row))
        types, value = each.field("type"), each.field("value")
        encoded = types.dictionary_encode()
        codes = np.array([uid_code(text) for text in encoded.dictionary.to_pylist()] + [-1])
        code = codes[encoded.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)]
        sound = (code >= 0) & is_short_string(value, _MAX_ID)
        sound &= present(value)
        is_maid = np.flatnonzero(code == KIND_CODES["maid"])
        # Beyond ASCII, Arrow and Python disagree on what lower case is.
        plain = pc.string_is_ascii(value.take(pa.array(is_maid))).fill_null(False)  # noqa: FBT003
        sound[is_maid] &= plain.to_numpy(zero_copy_only=False)
        is_email = code == KIND_CODES["hashed_email"]
        if is_email.any():
            sound &= ~is_email | is_hash(value)
        self._proven[row[~sound]] = False
        self._clean[row[code == UNKNOWN_UID]] = False
        other = code >= _OTHER
        self._carries[row[other]] |= np.uint16(1 << _OTHER)
        self._take_uids(row, code, value, sound & ~other)

    def _take_uids(self, row: Ints, code: Array, value: pa.Array, taken: Mask) -> None:
        np.bitwise_or.at(self._carries, row[taken], (1 << code[taken]).astype(np.uint16))
        is_maid = taken & (code == KIND_CODES["maid"])
        keys = Keys(row, code.astype(np.uint8), value)
        is_nothing = placeholders(value)
        self._warn(row[is_nothing], Warn.PLACEHOLDER_IDENTIFIER)
        taken, is_maid = taken & ~is_nothing, is_maid & ~is_nothing
        self._keys.append(keys.at(taken & ~is_maid))
        maids = keys.at(is_maid)
        self._keys.append(Keys(maids.row, maids.kind, pc.utf8_lower(maids.value)))

    def hashes(self, name: str) -> None:
        given = self._leaf(name)
        rows = np.flatnonzero(self._there(name))
        self._proven &= is_hash(given) & surely_string(given)
        value = given.take(pa.array(rows))
        self._add(KIND_CODES[name], rows, value, placeholders(value))

    def ip_ua(self) -> None:
        address, agent = self._leaf("client_ip"), self._leaf("client_user_agent")
        has_address, has_agent = self._there("client_ip"), self._there("client_user_agent")
        rows = np.flatnonzero(has_address & has_agent)
        self._clean &= has_address == has_agent
        half = np.flatnonzero(has_address != has_agent)
        # Half a pair carries nothing, but its text must still be checked for nested values.
        for column in (address, agent):
            self._proven[half] &= surely_string(column.take(pa.array(half)))
        taken = pa.array(rows)
        address, agent = address.take(taken), agent.take(taken)
        is_v4 = pc.match_substring_regex(address, _IPV4).to_numpy(zero_copy_only=False)
        address = spelled_addresses(address, ~is_v4)
        good = present(address)
        good &= is_short_string(agent, MAX_USER_AGENT)
        self._proven[rows[~good]] = False
        is_nothing = placeholders(address) | placeholders(agent)
        keys = pc.binary_join_element_wise(address, agent, " ")
        self._add(KIND_CODES["ip_ua"], rows, keys, is_nothing)

    def identities(self) -> Identities:
        keys = Keys.concat(self._keys)
        keys = keys.at(self._proven[keys.row])
        # A block that carries nothing needs a warning from the contract.
        self._clean &= ~self._is_there | (self._carries != 0)
        return Identities(
            keys=keys,
            carries=self._carries,
            proven=self._proven,
            clean=self._clean & self._proven,
            warnings=self._warnings,
        )
