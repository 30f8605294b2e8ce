"""Identifiers: what is carried, what it matches on, what is dropped and why."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from attribution.contract.user_match import RAW_PII_KEYS
from tests.attribution.contract.builders import EMAIL, PHONE, accept, repaired

Keys = set[tuple[str, str]]
LONG_AGENT = "ü" * 600
PAIR = {"client_ip": "198.51.100.4", "client_user_agent": "Browser/1"}


def uid(kind: object, value: object) -> dict[str, Any]:
    return {"uids": [{"type": kind, "value": value}]}


MATCHED: list[tuple[dict[str, Any], Keys]] = [
    (
        {"hashed_email": EMAIL, "hashed_phone": PHONE},
        {("hashed_email", EMAIL), ("hashed_phone", PHONE)},
    ),
    ({"click_id": "Abc", "click_id_type": "GCLID"}, {("click", "gclid:Abc")}),
    ({"click_id": "a:b", "click_id_type": "x:50%"}, {("click", "x%3A50%25:a:b")}),
    ({"click_id": "fb.2.99.x", "click_id_type": "FbClid"}, {("click", "fbclid:x")}),
    ({"click_id": "fb.2.99.x.AQIC", "click_id_type": "fbclid"}, {("click", "fbclid:x")}),
    ({"click_id": "fb.2.99.x.", "click_id_type": "fbclid"}, {("click", "fbclid:x")}),
    ({"click_id": "fb.2.99.x.y.z\n", "click_id_type": "fbc"}, {("click", "fbclid:x")}),
    ({"click_id": "fb.2.99.x", "click_id_type": "_FBC"}, {("click", "fbclid:x")}),
    ({"click_id": "x", "click_id_type": "fbc"}, {("click", "fbclid:x")}),
    ({"click_id": "fb.2.x", "click_id_type": "fbc"}, {("click", "fbclid:fb.2.x")}),
    ({"click_id": "fb.a.99.x", "click_id_type": "fbc"}, {("click", "fbclid:fb.a.99.x")}),
    ({"click_id": "fb.2.99.x", "click_id_type": "gclid"}, {("click", "gclid:fb.2.99.x")}),
    (uid("RampID", "Xy=="), {("rampid", "Xy==")}),
    (uid("maid", "ABCD-ef"), {("maid", "abcd-ef")}),
    (uid("Hashed_Email", EMAIL), {("hashed_email", EMAIL)}),
    ({"hashed_email": EMAIL, **uid("hashed_email", EMAIL)}, {("hashed_email", EMAIL)}),
    (PAIR, {("ip_ua", "198.51.100.4 Browser/1")}),
    (
        {"client_ip": "2001:DB8:0::0:1", "client_user_agent": LONG_AGENT[:512]},
        {("ip_ua", f"2001:db8::1 {LONG_AGENT[:512]}")},
    ),
    *(
        ({**PAIR, "client_ip": spelt}, {("ip_ua", "198.51.100.4 Browser/1")})
        for spelt in ("::ffff:198.51.100.4", "::FFFF:c633:6404", "0:0:0:0:0:ffff:c633:6404")
    ),
    ({**PAIR, "client_ip": "::198.51.100.4"}, {("ip_ua", "::c633:6404 Browser/1")}),
]


@pytest.mark.parametrize(("match", "keys"), MATCHED)
def test_identifiers_are_normalised_to_match_keys(match: dict[str, Any], keys: Keys) -> None:
    record = accept(user_match=match)
    assert record.match_keys == keys
    assert record.carries == {kind for kind, _ in keys}
    assert repaired(record) == ((), ())


@pytest.mark.parametrize("kind", ["rampid", "rampid_derived", "uid2", "euid", "id5", "pairid"])
def test_every_kind_of_universal_id_matches_as_it_is(kind: str) -> None:
    assert accept(user_match=uid(kind, "V-1")).match_keys == {(kind, "V-1")}


@pytest.mark.parametrize(
    ("kind", "warnings"),
    [
        ("publisher_first_party", ()),
        ("world_id_nullifier", ()),
        ("OTHER", ()),
        ("loyalty_card", ("unknown_uid_type",)),
    ],
)
def test_other_ids_are_carried_and_never_match(kind: str, warnings: tuple[str, ...]) -> None:
    record = accept(user_match=uid(kind, "V-1"))
    assert record.carries == {"other_uid"}
    assert record.match_keys == set()
    assert repaired(record) == (warnings, ())


NOTHINGS = [
    *(" ", "\t\n", "\u00a0", "null", "NULL", "None", "uNdEfInEd", "unknown", "NaN", "nil"),
    *("n/a", "N/A", "na", "-", "0", " null ", "\u2003none", "null\n"),
    *("{{click_id}}", "{click_id}", "${CLICK_ID}", "%%CLICK_ID%%", "__CLICKID__", "[click_id]"),
    *("<click_id>", "{}", "{a\nb}", "0000", "00000000-0000-0000-0000-000000000000", "{0}"),
    *(".0.0", "0-", "::0", "127.0.0.1", "255.255.255.255", "::", "::1"),
    *(
        sha256(word.encode()).hexdigest()
        for word in ("", "null", "NULL", "Null", "N/A", "unknown", "Undefined", "-", "0", "Nan")
    ),
    sha256(b"none").hexdigest().upper(),
]
SOMETHINGS = [
    *("nul", "nulls", "null null", "none@", "x0", "00a0", "1", "01", "{a", "a}", "$a}", "%%a%"),
    *("__a_", "--", "n", "127.0.0.1.5", "255.255.255.254", "::2", "nu\u212an", "un\u212anown"),
    *("\u200bnull", "\x00null", sha256(b"nULL").hexdigest(), sha256(b"a").hexdigest(), "f" * 64),
]


@pytest.mark.parametrize("value", NOTHINGS)
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("click", lambda value: {"click_id": value, "click_id_type": "gclid"}),
        ("uid2", lambda value: uid("uid2", value)),
        ("maid", lambda value: uid("MAID", value)),
        ("other_uid", lambda value: uid("other", value)),
        ("ip_ua", lambda value: {"client_ip": "198.51.100.4", "client_user_agent": value}),
    ],
)
def test_a_placeholder_is_carried_with_a_warning_and_gives_no_match_key(
    kind: str, shape: Callable[[str], dict[str, Any]], value: str
) -> None:
    record = accept(user_match=shape(value))
    assert record.carries == {kind}
    assert record.match_keys == set()
    assert repaired(record) == (("placeholder_identifier",), ())


@pytest.mark.parametrize("value", SOMETHINGS)
def test_what_only_looks_like_a_placeholder_matches(value: str) -> None:
    assert accept(user_match=uid("uid2", value)).match_keys == {("uid2", value)}


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        *(
            (kind, {kind: value})
            for kind in ("hashed_email", "hashed_phone")
            for value in NOTHINGS
            if re.fullmatch("[0-9a-f]{64}", value)
        ),
        ("hashed_email", {"hashed_email": "0" * 64}),
        ("hashed_email", uid("hashed_email", sha256(b"").hexdigest())),
        ("click", {"click_id": "fb.1.1.", "click_id_type": "fbclid"}),
        ("click", {"click_id": "fb.1.1..AQIC", "click_id_type": "fbc"}),
        ("click", {"click_id": "fb.1.1.null", "click_id_type": "fbc"}),
        *(
            ("ip_ua", {**PAIR, "client_ip": address})
            for address in (
                *("0.0.0.0", "::", "127.0.0.1", "127.9.9.9", "::1", "255.255.255.255"),  # noqa: S104
                *("::ffff:127.0.0.1", "0:0::0:1", "::ffff:0:0"),
            )
        ),
    ],
)
def test_every_kind_has_the_same_placeholders(kind: str, match: dict[str, Any]) -> None:
    record = accept(user_match=match)
    assert record.carries == {kind}
    assert record.match_keys == set()
    assert repaired(record) == (("placeholder_identifier",), ())


def test_a_placeholder_leaves_its_neighbours() -> None:
    record = accept(user_match={"hashed_email": EMAIL, **uid("maid", "0"), **PAIR})
    assert record.match_keys == {
        ("hashed_email", EMAIL),
        ("ip_ua", "198.51.100.4 Browser/1"),
    }
    assert record.carries == {"hashed_email", "maid", "ip_ua"}


@pytest.mark.parametrize("kind", [{}, {"click_id_type": None}, {"click_id_type": ""}])
def test_a_click_id_without_a_type_is_of_scope3(kind: dict[str, object]) -> None:
    record = accept(user_match={"click_id": "Abc", **kind})
    assert record.match_keys == {("click", "sc3clid:Abc")}
    assert repaired(record) == (("missing_click_id_type",), ())


def test_a_long_user_agent_is_cut_with_a_warning() -> None:
    record = accept(user_match={**PAIR, "client_user_agent": LONG_AGENT})
    assert record.match_keys == {("ip_ua", f"198.51.100.4 {LONG_AGENT[:512]}")}
    assert repaired(record) == (("user_agent_truncated",), ())


DROPPED: list[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    ({"hashed_email": EMAIL.upper()}, ("malformed_hash",), ("hashed_email",)),
    ({"hashed_email": EMAIL[:-1]}, ("malformed_hash",), ("hashed_email",)),
    ({"hashed_email": EMAIL + "\n"}, ("malformed_hash",), ("hashed_email",)),
    ({"hashed_email": ""}, ("malformed_hash",), ("hashed_email",)),
    ({"hashed_email": 5}, ("malformed_hash",), ("hashed_email",)),
    ({"hashed_email": "me@home.example"}, ("raw_pii_dropped",), ("hashed_email",)),
    ({"hashed_phone": "+44 20 7946 0000"}, ("raw_pii_dropped",), ("hashed_phone",)),
    ({"hashed_phone": "442079460000"}, ("malformed_hash",), ("hashed_phone",)),
    ({"click_id": ""}, ("empty_identifier",), ("click_id",)),
    ({"click_id": "c" * 513}, ("invalid_click_id",), ("click_id",)),
    ({"click_id": 9, "click_id_type": "gclid"}, ("invalid_click_id",), ("click_id",)),
    (
        {"click_id": "c", "click_id_type": "t" * 65},
        ("invalid_click_id",),
        ("click_id_type", "click_id"),
    ),
    ({"click_id_type": []}, ("invalid_click_id",), ("click_id_type",)),
    (
        {"click_id": "", "click_id_type": 1},
        ("empty_identifier", "invalid_click_id"),
        ("click_id", "click_id_type"),
    ),
    ({"uids": "uid2"}, ("invalid_uid",), ("uids",)),
    ({"uids": [None]}, ("invalid_uid",), ("uids[0]",)),
    ({"uids": ["x"]}, ("invalid_uid",), ("uids[0]",)),
    (uid("", "v"), ("invalid_uid",), ("uids[0]",)),
    (uid("t" * 65, "v"), ("invalid_uid",), ("uids[0]",)),
    (uid("uid2", ""), ("invalid_uid",), ("uids[0]",)),
    (uid("uid2", None), ("invalid_uid",), ("uids[0]",)),
    (uid("uid2", "v" * 513), ("invalid_uid",), ("uids[0]",)),
    (uid("hashed_email", "plain"), ("malformed_hash",), ("uids[0]",)),
    (uid("hashed_email", "me@home.example"), ("raw_pii_dropped",), ("uids[0]",)),
    ({"client_ip": "300.1.1.1", "client_user_agent": "B"}, ("invalid_client_ip",), ("client_ip",)),
    ({"client_ip": 16_909_060}, ("invalid_client_ip",), ("client_ip",)),
    ({"client_ip": "fe80::1%eth0"}, ("invalid_client_ip",), ("client_ip",)),
    (
        {"client_ip": "198.51.100.4", "client_user_agent": 5},
        ("insufficient_probabilistic_pair",),
        ("client_user_agent",),
    ),
    (
        {"client_ip": "198.51.100.4", "client_user_agent": ""},
        ("empty_identifier",),
        ("client_user_agent",),
    ),
]


@pytest.mark.parametrize(("match", "warnings", "dropped"), DROPPED)
def test_a_bad_identifier_is_dropped_and_the_event_kept(
    match: dict[str, Any], warnings: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    record = accept(user_match=match)
    assert repaired(record) == (warnings, tuple(f"user_match.{field}" for field in dropped))
    assert record.carries == set()
    assert record.match_keys == set()


def test_what_is_dropped_leaves_its_neighbours() -> None:
    record = accept(
        user_match={
            "hashed_phone": PHONE,
            "hashed_email": "?",
            "uids": [
                {"type": "uid2"},
                {"type": "uid2", "value": "kept"},
                "?",
                {"type": "euid", "value": "kept too"},
            ],
        }
    )
    assert record.match_keys == {("hashed_phone", PHONE), ("uid2", "kept"), ("euid", "kept too")}
    assert repaired(record) == (
        ("malformed_hash", "invalid_uid"),
        ("user_match.uids[0]", "user_match.uids[2]", "user_match.hashed_email"),
    )


@pytest.mark.parametrize("key", [*sorted(RAW_PII_KEYS), "Email", "PHONE"])
def test_plain_personal_data_is_dropped_unread(key: str) -> None:
    record = accept(user_match={"hashed_email": EMAIL, key: "Jo", "ext": {"kept": 1}})
    assert repaired(record) == (("raw_pii_dropped",), (f"user_match.{key}",))
    assert record.match_keys == {("hashed_email", EMAIL)}


@pytest.mark.parametrize(
    ("match", "warnings"),
    [
        ({}, ("missing_user_match",)),
        ({"uids": []}, ("missing_user_match",)),
        ({"click_id_type": "gclid"}, ("missing_user_match",)),
        ({"email": None, "something": "else"}, ("missing_user_match",)),
        ({"client_ip": "198.51.100.4"}, ("insufficient_probabilistic_pair",)),
        ({"client_user_agent": "B"}, ("insufficient_probabilistic_pair",)),
        (
            {"hashed_email": EMAIL, "client_ip": "198.51.100.4"},
            ("insufficient_probabilistic_pair",),
        ),
        (None, ("missing_user_match",)),
    ],
)
def test_what_is_not_enough_is_said_once(match: object, warnings: tuple[str, ...]) -> None:
    assert repaired(accept(user_match=match)) == (warnings, ())
