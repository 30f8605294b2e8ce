"""Addresses are spelled as the contract spells them, or left to it."""

import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.user_match import spell_ip
from connectors.decoding.spellings import spelled_addresses

groups = st.sampled_from(["0", "0", "00", "0000", "1", "ab", "0AB", "ffff", "a0", "12345", "g", ""])
addresses = st.one_of(
    st.lists(groups, min_size=1, max_size=9).map(":".join),
    st.tuples(st.lists(groups, max_size=4), st.lists(groups, max_size=4)).map(
        lambda parts: ":".join(parts[0]) + "::" + ":".join(parts[1])
    ),
    st.ip_addresses(v=6).map(str),
    st.sampled_from(
        ["::1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "fe80::1%eth0", "::\x00", ""]
    ),
)


@given(addresses)
def test_an_odd_address(address: str) -> None:
    column = pa.array([json.dumps(address)])
    [spelled] = spelled_addresses(column, np.array([True])).to_pylist()
    if spelled is not None:
        assert json.loads(spelled) == spell_ip(address)


@given(st.ip_addresses(v=6).map(str))
def test_a_common_address_is_not_left_to_the_contract(address: str) -> None:
    column = pa.array([json.dumps(address.upper())])
    assert spelled_addresses(column, np.array([True]))[0].is_valid == ("." not in spell_ip(address))
