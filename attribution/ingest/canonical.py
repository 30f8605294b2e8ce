"""When two requests with one idempotency key are the same: the hash of their canonical form.

The form is that of RFC 8785: keys in the order of their UTF-16 code units, numbers as ECMAScript
writes a double (except that integers keep all of their digits). Absent and null differ, as do
arrays in another order.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from attribution.contract.document import Number

UNHASHED: Final = frozenset({"idempotency_key", "context", "governance_context"})
"""Fields that may change when a request is sent again; AdCP has the same list."""

_PLAIN_DIGITS_MAX: Final = 21
_PLAIN_ZEROS_MAX: Final = 6
"""Beyond these, ECMAScript writes a number with an exponent."""


def request_hash(request: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a request as `read_document` read it, without what may change."""
    return hashlib.sha256(canonical(_hashed(request)).encode("utf-8", "surrogatepass")).digest()


def quick_hash(body: bytes) -> tuple[object, bytes] | None:
    """Return the idempotency key and the hash of a request that is valid JSON, read in C.

    The hash is that of `request_hash`. None where the body has to be read for that: it may hold
    repeated keys, or keys that are ordered or escaped otherwise.
    """
    if any(sign in body for sign in _UNSURE):
        return None
    try:
        request = _DECODER.decode(body)
        if not isinstance(request, dict):
            return None
        # Of repeated keys the decoder keeps one, so that fewer are written than were read.
        if body.count(_KEY_END) != _ENCODER.encode(request).count(_KEY_END):
            return None
        text = _ENCODER.encode(_hashed(request))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return request.get("idempotency_key"), hashlib.sha256(text).digest()


def _hashed(request: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in request.items() if key not in UNHASHED}
    push = kept.get("push_notification_config")
    if isinstance(push, dict) and isinstance(given := push.get("authentication"), dict):
        secretless = {key: value for key, value in given.items() if key != "credentials"}
        kept["push_notification_config"] = {**push, "authentication": secretless}
    return kept


def canonical(value: object) -> str:
    """Write a JSON value in its canonical form; of equal keys the first counts."""
    match value:
        case dict():
            keys = sorted(value, key=_utf_16)
            return "{" + ",".join([f"{_text(key)}:{canonical(value[key])}" for key in keys]) + "}"
        case list():
            return "[" + ",".join([canonical(item) for item in value]) + "]"
        case str():
            return _text(value)
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float() | Decimal():
            return _number(value)
        case _:
            raise TypeError(type(value))


def _utf_16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


_text: Final = encode_basestring


def _number(value: float | Decimal) -> str:
    """Write a number as the nearest double; an integer, and what no double holds, keep digits."""
    if type(value) is int:
        return str(value)
    double = float(value)
    if not math.isfinite(double):
        return str(getattr(value, "token", value))
    sign, digits, exponent = Decimal(repr(double)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + exponent
    return ("-" * sign) + _placed(text, point) if text else "0"


def _placed(digits: str, point: int) -> str:
    """Write `0.digits` times ten to the power of `point`."""
    count = len(digits)
    if count <= point <= _PLAIN_DIGITS_MAX:
        return digits + "0" * (point - count)
    if 0 < point <= _PLAIN_DIGITS_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if -_PLAIN_ZEROS_MAX < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + (f".{digits[1:]}" if count > 1 else "")
    return f"{mantissa}e{point - 1:+d}"


_SHORT_NUMBER: Final = re.compile(r"-?(?!0\.000000)[0-9]+\.[0-9]*[1-9]")
_SHORT_CHARACTERS_MAX: Final = 16
"""Of a number with so few digits, and none too many, the text is that of its double."""


def _read_number(token: str) -> msgspec.Raw:
    is_short = len(token) <= _SHORT_CHARACTERS_MAX and _SHORT_NUMBER.fullmatch(token)
    return msgspec.Raw((token if is_short else _number(Number.read(token))).encode())


_DECODER: Final = msgspec.json.Decoder(float_hook=_read_number)
_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_KEY_END: Final = b'":'
_UNSURE: Final = (
    *(bytes([lead]) for lead in range(0xF0, 0xF5)),  # UTF-16 orders these keys otherwise
    *(b"\\ud", b"\\uD"),
    *(b'" :', b'"\t:', b'"\n:', b'"\r:'),
)
"""What a body must not hold for its keys to be counted and ordered as bytes."""
