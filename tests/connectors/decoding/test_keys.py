"""Hashes of match keys: what makes two of them the same."""

import numpy as np
import pyarrow as pa

from attribution.decoded import Keys
from attribution.vocabulary import KIND_CODES
from connectors.decoding.keys import hash_keys
from connectors.hashing import Salts

ALIKE = [("adv", "uid2", "u1"), ("adv", "uid2", "u1")]
UNLIKE = [("other", "uid2", "u1"), ("adv", "maid", "u1"), ("adv", "uid2", "U1")]


def test_advertiser_kind_and_value_make_the_key() -> None:
    spelled = [*ALIKE, *UNLIKE]
    keys = Keys(
        np.arange(len(spelled)),
        np.array([KIND_CODES[kind] for _, kind, _ in spelled], dtype=np.uint8),
        pa.array([value for _, _, value in spelled]),
    )
    advertisers = pa.array([advertiser for advertiser, _, _ in spelled]).dictionary_encode()
    hashed = hash_keys(keys, advertisers, Salts())
    for half in (hashed.high.tolist(), hashed.low.tolist()):
        assert half[0] == half[1]
        assert len(set(half)) == 1 + len(UNLIKE)
    other = hash_keys(keys, advertisers, Salts("a", "b"))
    assert set(other.high.tolist()).isdisjoint(hashed.high.tolist())
