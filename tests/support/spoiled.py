"""Everything that may stand in a document where something else belongs: values, faults, lines.

Written as JSON text; which of it is good where is for the contract to say.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from tests.support.trees import SOUND_HASH, Place, text

NOTHING_HASH: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ZERO_MAID: Final = "00000000-0000-0000-0000-000000000000"

_STRINGS: Final = [
    *("", " ", "a", "null", "true", "false", "none", "NaN", "Infinity"),
    *("0", "1", "-1", "12345", "1e5", "1.5", "-0", "+1", "0x10", "1_000", "[]", "{}", "[1]"),
    *('{"a":1}', '"', '"a"', "a,b", 'a","b', "\\", "/", "\n", "\x00", "\x7f", "\u00e9", "\u0301"),
    *("\u2028", "\u00a0", "\ufeff", "\U0001f600", "\u0130", "\u1e9e", "%", ":", "a:b%c", "$.a"),
    *("tru", "falsey", "trueish", "-a", "1a", "1" * 31, "1" * 32, "1" * 40, "1" * 40 + "a"),
    *("a" * size for size in (64, 65, 128, 129, 256, 257, 512, 513, 1024, 1025)),
    *("\u00e9" * size for size in (64, 128, 256, 257)),
    *("\U0001f600" * size for size in (128, 256, 512)),
]
_PLACEHOLDERS: Final = [
    *(
        "NULL",
        "Null",
        " null ",
        "\u00a0nUlL\u3000",
        "undefined",
        "Unknown",
        "nil",
        "N/A",
        "na",
        "-",
    ),
    *("nu\u212al", "un\u212anown", "undefined\n", "null\x00", "nullx", "n/", "--", "0-0"),
    *("{{click_id}}", "{id}", "${ID}", "%%ID%%", "__ID__", "[ID]", "<ID>", "{\n}", "{id} "),
    *(
        "{id",
        "id}",
        "${ID",
        "%%ID%",
        "__ID_",
        "____",
        "___",
        "%%%",
        "{}x",
        "$0",
        "0x0",
        "00",
        "0 0",
    ),
    *(
        "0000-0000",
        ".0.",
        "1.0",
        "127.0.0.1",
        "127.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:0:0",
    ),
    *("127.0.0.01", "::ffff:127.0.0.1", "::ffff:102:304", "::FFFF:1.2.3.4", "0::ffff:0102:0304"),
    *("::1.2.3.4", "64:ff9b::1.2.3.4", "::ffff:1.2.3.4%1", "::ffff:1.2.3", "::", "0:0:0:0:0:0:0:0"),
    *(sha256(word).hexdigest() for word in (b"null", b"NULL", b"Null", b"nULL", b"N/A", b"-")),
    *(sha256(b"none").hexdigest().upper(), sha256(b"0").hexdigest() + " ", "0" * 64, "0" * 600),
]
_TIMES: Final = [
    "2026-05-01T08:00:00Z",
    "2026-05-01T08:00Z",
    "2026-05-01T08:00:00.1Z",
    "2026-05-01T08:00:00.123Z",
    "2026-05-01T08:00:00.123456Z",
    "2026-05-01T08:00:00.999999999Z",
    "2026-05-01T08:00:00+05:00",
    "2026-05-01T08:00:00-23:59",
    "2026-05-01T08:00:00+24:00",
    "2026-05-01T08:00:00+05:60",
    "2026-05-01T08:00:00+0500",
    "2026-05-01T08:00:00+05",
    "2026-05-01T08:00:00*05:00",
    "2026-05-01T08:00:00.123+05:00",
    "2026-05-01T08:00:00.123456-05:30",
    "2026-05-01T08:00:00,123-05:30",
    "2026-05-01T08:00:00",
    "2026-05-01 08:00:00Z",
    *("2026-05-01t08:00:00z", "2026-05-01T08:00:00z", "2026-05-01t08:00:00.123Z"),
    *("2026-05-01t08:00:00.123456z", "2026-05-01t08:00:00-05:30", "2026-05-01t08:00z"),
    *("2026-05-01\x1408:00:00Z", "2026-05-01T08:00:00\x1a", "2026-05-01t08:00:00.123zz"),
    "2026-05-01",
    "2026-05-01T24:00:00Z",
    "2026-05-01T23:59:60Z",
    "2026-05-01T08:60:00Z",
    "2026-05-01T08:00:61Z",
    "2026-02-29T08:00:00Z",
    "2024-02-29T08:00:00Z",
    "1900-02-29T08:00:00Z",
    "2000-02-29T08:00:00Z",
    "2026-13-01T08:00:00Z",
    "2026-00-01T08:00:00Z",
    "2026-05-00T08:00:00Z",
    "2026-05-31T08:00:00Z",
    "2026-04-31T08:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00Z",
    "2026-05-02T08:00:05.250Z",
    "2026-05-02T08:00:05.250001Z",
    "2099-01-01T00:00:00Z",
    "9998-12-31T23:59:59Z",
    "9999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:59.999999Z",
    "2026-05-01T08:00:00Z ",
    " 2026-05-01T08:00:00Z",
    "20260501T080000Z",
    "+2026-05-01T08:00:00Z",
    "\u0662026-05-01T08:00:00Z",
    "1777622400",
]
_WORDS: Final = [
    *_PLACEHOLDERS,
    *("purchase", "Purchase", "refund", "custom", "subscription", "watch_milestone", "lead"),
    *("impression", "click", "CLICK", "website", "app", "owned_property", "EUR", "eur", "EURO"),
    *("uid2", "UID2", "maid", "MAID", "rampid", "hashed_email", "Hashed_Email", "other", "id6"),
    *("world_id_nullifier", "sc3clid", "FBCLID", "fbclid", "gclid", "3.1", "2.0", "3", "3.1.0"),
    *("adv", "src", "strict", "trial", "nobody", "0123456789abcde", "a b c d e f g h i j"),
    *("fb.1.1700.x", "fb.1.1700.", "fb.1.a.x", "fb.1.1.a.b", "fb.1.1.a\nb", "FB.1.1.a"),
    *("fb.1.1.a.", "fb.1.1..b", "fb.1.1.a.b\n", "fb.1.1.null", "fb.1.1.0.b", "fb..1.a", "fb.1.1"),
    *("fbc", "_fbc", "_FBC", "FBC", "fbclid ", "__fbc__", "deposit", "subscribe"),
    *(SOUND_HASH, SOUND_HASH.upper(), SOUND_HASH[:-1], SOUND_HASH[:-1] + "g", "9" * 64),
    *(NOTHING_HASH, ZERO_MAID, ZERO_MAID.upper(), "me@x.example", "+1 555 0100", "a" * 63 + "\n"),
    *("192.0.2.7", "192.0.2.07", "192.0.2.256", "0.0.0.0", "192.0.2", "::1", "2001:DB8::0:1"),  # noqa: S104  not bound to
    *("fe80::1%eth0", "::ffff:192.0.2.7", "192.0.2.7 ", "1.2.3.4\n", "[::1]", "3221225985"),
    *("https://shop.example", "http://SHOP.example/", "https://shop.example.", "https://"),
    *("https://sub.shop.example/a", "https://notshop.example/a", "ftp://x/y", "mailto:a@b"),
    *("https://u:p@shop.example:80/", "https://[::1]/", "https://a b/", "https://x:/", "//x/y"),
    *("https://shop.example/\u00e9", "https://shop.example/ a", "https://shop.example/a\n", "x"),
    *("https://-a.example/", "https://a..b/", "https://xn--a/", "https://x_y.example/", "https:/x"),
    *(
        "https://x.example/?a=b|c",
        "https://x.example/?a[]=1",
        "https://x.example/%",
        "https://x/#a#b",
    ),
    *(
        "https://x.example/%4",
        "https://x.example/%4g?%e9",
        "https://x.example/?a b",
        "https://x/\\",
    ),
    *(
        "https://x.example/\x7f",
        "https://x.example/{id}",
        "https://x.example? ",
        "https://x/a%20?/#?",
    ),
    *("https://shop.example:99999/", "https://shop.example:8a/", "HTTPS://shop.example/"),
]
_NUMBERS: Final = [
    *("0", "1", "2", "-1", "-0", "-0.0", "0.0", "1.0", "1.5", "1e0", "1E0", "2e5", "1e-7", "-1e-7"),
    *("0.30000000000000004", "89.995", "0.0000005", "0.0000004", "0.0000015", "1.0000005"),
    *("0.1234567", "100.00000001", "123456789.123456", "1234567890.12", "999999999.9999999"),
    *("999999999999.999999", "999999999999.9999995", "1000000000000", "99", "100", "3", "3.0"),
    *("100000000000000000000000", "1e11", "1e12", "1e15", "123456789012345", "1234567890123456"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616"),
    *("1e18", "9.223372036854775807e18", "1e400", "-1e400", "1e-400", "1e999999999999999999999"),
    *("1" * 700, "0." + "1" * 700, "1." + "0" * 700, "12.340", "0.50", "5e-324"),
]
_SHAPES: Final = [
    *("null", "true", "false", "[]", "{}", "[null]", "[[]]", "[{}]", "[1]", '["a"]', '["a","b"]'),
    *('["a",null]', '["a",1]', '["a\\u0041"]', '["a,b","c\\"d"]', '[ "a" , "b" ]', '["\u00e9"]'),
    *('{"a":1}', '"\\u0041"', '"\\ud83d\\ude00"', '"\\u0000"', '"a\\/b"', '"\\u00e9"', '"a\\\\"'),
    *('"a\\""', '"\\t"'),
]
_ESCAPED: Final = [
    *('"2026-05-01T08:00:00\\u005a"', '"\\u0070urchase"', '"pu\\u0072chase"', '"EU\\u0052"'),
    *(
        '"\\u0075id2"',
        '"192.0.2\\u002e7"',
        '"' + "0f" * 31 + '0\\u0066"',
        '"https:\\/\\/x.example"',
    ),
]
_BLOCKS: Final = [
    *('{"type":"uid2"}', '{"type":"uid2","value":1}', '{"value":"v"}', '{"id":1}', '{"":""}'),
    *('[{"type":"uid2","value":"x"},{"type":"uid2","value":"x"}]', '[{"type":true,"value":"x"}]'),
    *('{"type":"uid2","value":"z","type":"maid"}', '{"uids":[]}', '{"hashed_email":"x"}'),
    *('{"value":1,"currency":"EUR"}', '{"value":1}', '{"currency":"EUR"}', '{"value":-1}'),
    *('{"contents":[]}', '{"contents":[{}]}', '{"contents":[{"id":"a"},null]}'),
    *('{"client_ip":"1.2.3.4"}', '{"client_user_agent":"b"}', '{"click_id_type":"fbclid"}'),
    *('{"click_id":""}', '{"click_id":"c"}', '{"uids":"x"}', '{"uids":[1]}', '{"uids":{"a":1}}'),
    *('{"category":"website"}', '{"category":1}', '{"n":1.50,"n":-0,"m":1e3,"o":[ 1 , 2 ]}'),
    *('{"value":1,"value":2,"currency":"EUR"}', '{"n":1e400}', '{"n":"\\u00e9\\/"}'),
    *('{"click_id":"fb.1.1.x.y","click_id_type":"fbc"}', '{"click_id":"-","click_id_type":""}'),
    *(
        '{"client_ip":"::ffff:1.2.3.4","client_user_agent":"b"}',
        '{"uids":[{"type":"maid","value":"0"}]}',
    ),
    *('{"client_ip":"1.2.3.4","client_user_agent":" null"}', '{"uids":[{"type":"x","value":"0"}]}'),
    *('{"client_ip":[[[]]]}', '{"client_user_agent":{"a":1}}', '{"client_ip":true}'),
    '{"client_ip":' + "[" * 199 + "]" * 199 + "}",
]
_SOME_NUMBERS: Final = ("0", "-1", "1.5", "1e5", "-0", "1e400", "9223372036854775808")
_HUGE: Final = (
    b"[" * 198 + b"]" * 198,
    b"[" * 201 + b"]" * 201,
    b'{"a":' * 201 + b"1" + b"}" * 201,
    text(["[" * 300, "{" * 300]),
    text("a" * 40_000),
)
_AMOUNTS: Final = {"value", "price", "num_items", "quantity", "adcp_major_version"}
_COMMON: Final = [
    *map(text, _STRINGS),
    *(number.encode() for number in _SOME_NUMBERS),
    *(shape.encode() for shape in _SHAPES),
    *_HUGE,
]
VALUES: Final = [
    *_COMMON,
    *map(text, [*_TIMES, *_WORDS]),
    *(each.encode() for each in [*_NUMBERS, *_ESCAPED, *_BLOCKS]),
]
"""Valid JSON of all kinds."""


def values_at(place: Place) -> Iterator[bytes]:
    """Yield what is worth trying at a place: all kinds of JSON, and what its field looks at."""
    yield from _COMMON
    name = place[-1]
    if isinstance(name, int) or name in _CONTAINERS:
        yield from (block.encode() for block in _BLOCKS)
    elif name in _AMOUNTS:
        yield from (number.encode() for number in _NUMBERS)
    else:
        words = _TIMES if name in {"received_at", "event_time", "time"} else _WORDS
        yield from map(text, words)
        yield from (word.encode() for word in _ESCAPED)


_CONTAINERS: Final = {"user_match", "custom_data", "events", "uids", "contents", "surface", "note"}
FAULTS: Final[Sequence[bytes]] = (
    *(b"NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"+1", b"01", b"007.5", b"1.", b".5"),
    *(b"1e", b"--1", b"0x10", b"tru", b"True", b"None", b"", b",", b"]", b"}", b'"', b"'a'"),
    *(b'"a', b'"\t"', b'"\x00"', b'"\x1f"', b'"\\x41"', b'"\\u12"', b'"\\u12G4"', b'"\\"'),
    *(b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\ud800"', b'"\\udc00\\ud800"', b'"\\ud800a"'),
    *(b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"', b'"\xe2\x82"', b'"\x80"'),
    *(b"[1,]", b"[,1]", b"[1 2]", b'{"a":1,}', b'{"a"}', b'{"a":}', b"{a:1}", b'{1:"a"}', b"[1}"),
    *(
        b"/**/1",
        b"1 //",
        b'{"a":1}{"b":2}',
        b"1;2",
        b"\xef\xbb\xbf1",
        b"[" * 2000,
        b"\x0c1",
        b"\xa01",
    ),
    *(b'{"a\\ud800":1}', b'{"\xff":1}', b"1\xff"),
)
"""What is no JSON, where a value belongs."""

ODD_LINES: Final[Sequence[bytes]] = (
    *(b"", b" ", b"\t \r", b"\r", b"\x0b", b"\x0c", b"\xa0", b"\xc2\xa0", b"\x00", b"\x1f"),
    *(b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"1", b'"a"', b"{}{}", b"{} {}", b"{},"),
    *(b'{"a":1', b',"b":2}', b"\xff", b"\xef\xbb\xbf{}", b"{}\xff", b" {}", b"{} \r", b"//"),
    *(b'{"a":"', b'"}', b"[{}]", b"{}\x00", b"\x00{}", b'{"a":[' * 50, b"{" * 5000),
)
"""Lines that may disturb their neighbours."""
