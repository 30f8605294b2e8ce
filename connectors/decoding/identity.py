"""The identity blocks of many records at once: their match keys, kinds and warnings.

In a match key, an identifier is JSON text: a string has quotes, and differs from a number. So a key
of an invalid identifier equals no key of a valid one. The keys of impressions need no more than
their canonical spelling, because those of events are proven; what is not is left to the contract.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask, present
from attribution.contract.user_match import MAX_USER_AGENT
from attribution.decoded import Keys
from attribution.vocabulary import KIND_CODES, WARNING_BITS, Warn
from connectors.decoding.placeholder_columns import placeholders
from connectors.decoding.proofs import Text, is_bounded, is_hash, is_plain
from connectors.decoding.spellings import UNKNOWN_UID, spell_type, spelled_addresses, uid_code

_OTHER: Final = KIND_CODES["other_uid"]
_MAID: Final = KIND_CODES["maid"]
_MAX_ID: Final = 512
_MAX_TYPE: Final = 64
_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf'^"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}"$'
_FBC_COOKIE: Final = r'^"fb\.[0-9]+\.[0-9]+\.([^.]*)(?s:\..*)?"$'


class Identities:
    """The `user_match` structs of a batch, null where a record has none.

    `is_spelled` are the rows whose keys are certain. `carries` and `warnings` are bit masks of kind
    codes and of warnings, per row, valid where `prove` says so.
    """

    def __init__(self, block: pa.StructArray) -> None:
        """Read the keys."""
        self._block = block
        self._keys: list[Keys] = []
        self.carries = np.zeros(len(block), dtype=np.uint16)
        self.warnings = np.zeros(len(block), dtype=np.uint32)
        # A block that is not an object is read as one without leaves.
        filled = np.zeros(len(block), dtype=bool)
        for field in block.type:
            filled |= self._there(field.name)
        self.is_spelled = ~present(block) | filled
        self._read_click()
        self._read_uids()
        self._read_hash("hashed_email")
        self._read_hash("hashed_phone")
        self._read_ip_ua()

    @property
    def keys(self) -> Keys:
        """The keys of all rows, also of those that are not certain."""
        return Keys.concat(self._keys)

    def _leaf(self, name: str) -> pa.Array:
        return self._block.field(name)

    def _there(self, name: str) -> Mask:
        return present(self._leaf(name))

    def _warn(self, rows: Ints, warning: Warn) -> None:
        self.warnings[rows] |= np.uint32(WARNING_BITS[warning])

    def _add(self, kind: int, rows: Ints, value: pa.Array, is_nothing: Mask) -> None:
        """Add keys of a kind, except placeholders."""
        self.carries[rows] |= np.uint16(1 << kind)
        self._warn(rows[is_nothing], Warn.PLACEHOLDER_IDENTIFIER)
        keys = Keys(rows, np.full(len(rows), kind, dtype=np.uint8), value)
        self._keys.append(keys.at(~is_nothing))

    def _read_click(self) -> None:
        rows = np.flatnonzero(self._there("click_id"))
        taken = pa.array(rows)
        given, types = self._leaf("click_id").take(taken), self._leaf("click_id_type").take(taken)
        types = pc.fill_null(types, '""').dictionary_encode()
        spelling = pa.array(map(spell_type, types.dictionary.to_pylist()), pa.string())
        prefix = spelling.take(types.indices)
        self.is_spelled[rows] &= present(prefix)
        cookies = pc.equal(prefix, '"fbclid"').fill_null(False)  # noqa: FBT003
        if pc.any(cookies).as_py():
            cut = pc.replace_substring_regex(given, _FBC_COOKIE, r'"\1"', max_replacements=1)
            given = pc.if_else(cookies, cut, given)
        keys = pc.binary_join_element_wise(prefix, given, "")
        self._add(KIND_CODES["click"], rows, keys, placeholders(given))

    def _read_uids(self) -> None:
        lists = self._leaf("uids")
        offsets = lists.offsets.to_numpy()
        row = np.repeat(np.arange(len(lists)), np.diff(offsets))
        each = lists.values.slice(offsets[0], len(row))
        types, value = each.field("type").dictionary_encode(), each.field("value")
        codes = np.array([*map(uid_code, types.dictionary.to_pylist()), UNKNOWN_UID], np.uint8)
        kind = codes[types.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)]
        is_maid = np.flatnonzero(kind == _MAID)
        if len(is_maid):
            # Beyond ASCII, Arrow and Python disagree on what lower case is.
            maids = value.take(pa.array(is_maid))
            plain = pc.string_is_ascii(maids).fill_null(True)  # noqa: FBT003
            self.is_spelled[row[is_maid[~plain.to_numpy(zero_copy_only=False)]]] = False
            value = pc.replace_with_mask(value, pa.array(kind == _MAID), pc.utf8_lower(maids))
        is_nothing = placeholders(value)
        is_key = present(value) & ~is_nothing & (kind < _OTHER)
        self._keys.append(Keys(row, kind, value).at(is_key))
        self._uids = _Uids(row, kind, value, is_nothing)

    def _read_hash(self, name: str) -> None:
        rows = np.flatnonzero(self._there(name))
        value = self._leaf(name).take(pa.array(rows))
        self._add(KIND_CODES[name], rows, value, placeholders(value))

    def _read_ip_ua(self) -> None:
        rows = np.flatnonzero(self._there("client_ip") & self._there("client_user_agent"))
        taken = pa.array(rows)
        address, agent = (
            self._leaf(name).take(taken) for name in ("client_ip", "client_user_agent")
        )
        has_colon = pc.match_substring(address, ":").to_numpy(zero_copy_only=False)
        address = spelled_addresses(address, has_colon)
        is_short = Text.of(agent).length <= MAX_USER_AGENT
        self.is_spelled[rows] &= present(address) & is_short
        is_nothing = placeholders(address) | placeholders(agent)
        keys = pc.binary_join_element_wise(address, agent, "")
        self._add(KIND_CODES["ip_ua"], rows, keys, is_nothing)

    def prove(self) -> Mask:
        """Complete the bit masks; return where they are certain, and all identifiers are valid."""
        is_there = present(self._block)
        self._warn(np.flatnonzero(~is_there), Warn.MISSING_USER_MATCH)
        sound = self.is_spelled & self._prove_click() & self._prove_ip_ua()
        for name in ("hashed_email", "hashed_phone"):
            sound &= is_hash(self._leaf(name))
        sound[self._prove_uids()] = False
        # A block that carries nothing needs a warning from the contract.
        return sound & (~is_there | (self.carries != 0))

    def _prove_click(self) -> Mask:
        types, is_there = self._leaf("click_id_type"), self._there("click_id")
        named = pc.not_equal(types, '""').fill_null(False)  # noqa: FBT003
        self._warn(np.flatnonzero(is_there & ~_mask(named)), Warn.MISSING_CLICK_ID_TYPE)
        good = is_plain(self._leaf("click_id"), _MAX_ID) & is_bounded(types, _MAX_TYPE)
        # A type without an id carries nothing; the contract warns about it.
        return good & (is_there | ~present(types))

    def _prove_ip_ua(self) -> Mask:
        address, agent = self._leaf("client_ip"), self._leaf("client_user_agent")
        is_v4 = pc.match_substring_regex(address, _IPV4).fill_null(True)  # noqa: FBT003
        has_colon = pc.match_substring(address, ":").fill_null(True)  # noqa: FBT003
        good = (_mask(is_v4) | _mask(has_colon)) & is_plain(agent, MAX_USER_AGENT)
        return good & (present(address) == present(agent))

    def _prove_uids(self) -> Ints:
        """Return the rows of uids that are not certainly valid."""
        uids = self._uids
        good = is_plain(uids.value, _MAX_ID) & present(uids.value) & (uids.kind != UNKNOWN_UID)
        is_email = uids.kind == KIND_CODES["hashed_email"]
        if is_email.any():
            good &= ~is_email | is_hash(uids.value)
        kinds = (1 << uids.kind[good].astype(np.uint16)).astype(np.uint16)
        np.bitwise_or.at(self.carries, uids.row[good], kinds)
        self._warn(uids.row[uids.is_nothing], Warn.PLACEHOLDER_IDENTIFIER)
        return uids.row[~good]


class _Uids(NamedTuple):
    """All elements of `uids`: row of the record, code of the kind, and value."""

    row: Ints
    kind: Array
    value: pa.Array
    is_nothing: Mask


def _mask(column: pa.Array) -> Mask:
    mask: Mask = column.to_numpy(zero_copy_only=False)
    return mask


def string_bytes(block: pa.StructArray) -> Ints:
    """Count the bytes of the long strings of each block."""
    names = ("hashed_email", "hashed_phone", "client_user_agent")
    lengths: Ints = np.sum([Text.in_quotes(block.field(name)).length for name in names], axis=0)
    return lengths
