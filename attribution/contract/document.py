"""Parses one line of a stream as strict JSON, keeping repeated keys and the spelling of numbers.

A key that is repeated has its first value, and a number keeps the token it was written with, so an
object can be written out as it was read. Nothing here depends on the contents.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from types import NoneType
from typing import Any, Final, NoReturn, Self

MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024
"""The largest line a producer may send; room for 10,000 events of 6 kB."""

MAX_DEPTH: Final = 200
"""Levels of nested objects and arrays. Python's own limit depends on the caller's stack; a fixed
one far below it makes the result the same everywhere. Real events need fewer than ten."""

_MAX_INT_DIGITS: Final = 600
"""Below every limit that Python can be configured to put on parsing integers (640 or more)."""

_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF: Final = re.compile("[\ud800-\udfff]")


class JsonObject(dict[str, object]):
    """An object as it was read: the first value of each key, and all values in `pairs`.

    `has_halves` is true if a string anywhere inside it contains half of a surrogate pair.
    """

    __slots__ = ("_repeats", "has_halves")

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        """Build an object from its pairs in the order they were written."""
        super().__init__(pairs)
        self.has_halves = False
        self._repeats = pairs if len(self) != len(pairs) else None
        if self._repeats is not None:
            self.clear()
            for key, value in pairs:
                self.setdefault(key, value)

    @property
    def pairs(self) -> list[tuple[str, object]]:
        """All pairs in the order they were written; stored separately only if a key repeats."""
        return list(self.items()) if self._repeats is None else self._repeats


class Number(Decimal):
    """A JSON number that is not a plain integer: its exact value, and the token it was read from.

    If the exponent is out of Decimal's range, the value is 0 or Infinity.
    """

    token: str

    @classmethod
    def read(cls, token: str) -> Self:
        """Parse a token that is valid JSON."""
        try:
            number = cls(token)
        except InvalidOperation:
            mantissa, _, exponent = token.lower().partition("e")
            is_zero = exponent.startswith("-") or not mantissa.strip("-0.")
            number = cls("0" if is_zero else "-Infinity" if token.startswith("-") else "Infinity")
        number.token = token
        return number


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is not a JSON object; the message says why without quoting it."""

    message: str


def read_document(line: bytes) -> JsonObject | Unreadable:
    """Parse one line (without its line feed) as a JSON object, or return why it is not one."""
    if len(line) > MAX_DOCUMENT_BYTES:
        return Unreadable(f"a document is at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = _DECODER.decode(line.decode())
        if _SURROGATE_ESCAPE.search(line):
            _mark_halves(document)
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return Unreadable(_explain(error))
    return _as_document(document, may_be_deep=_may_be_deep(line))


def read_array(text: bytes) -> list[JsonObject | Unreadable] | Unreadable:
    """Parse a JSON array, each element as `read_document` would, or return why it is not one."""
    try:
        elements = _DECODER.decode(text.decode())
        if _SURROGATE_ESCAPE.search(text):
            _mark_halves(elements)
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return Unreadable(_explain(error))
    if not isinstance(elements, list):
        return Unreadable("an array is expected")
    may_be_deep = _may_be_deep(text)
    return [_as_document(each, may_be_deep=may_be_deep) for each in elements]


def dump_json(value: object) -> str:
    """Write an object of `read_document`: every pair, every number as its token, no spaces."""
    return _WRITERS[type(value)](value)


def write_document(value: object) -> bytes:
    """Write an object of `read_document` as UTF-8; half of a surrogate pair as its escape."""
    return dump_json(value).encode(errors="backslashreplace")


def pairs_of(given: dict[str, object]) -> list[tuple[str, object]]:
    """Return all pairs of an object in order, whether or not it is a `JsonObject`."""
    return given.pairs if isinstance(given, JsonObject) else list(given.items())


def _as_document(document: object, *, may_be_deep: bool) -> JsonObject | Unreadable:
    if not isinstance(document, JsonObject):
        return Unreadable("a document must be a JSON object")
    return _TOO_DEEP if may_be_deep and _is_too_deep(document) else document


def _explain(error: ValueError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"not valid JSON at character {error.pos}"
        case UnicodeDecodeError():
            return f"not valid UTF-8 at byte {error.start}"
        case _:
            return "not valid JSON: NaN and Infinity are not numbers"


def _refuse_special(token: str) -> NoReturn:
    raise ValueError(token)


def _read_int(token: str) -> int | Number:
    # -0 is the one short integer whose token does not follow from its value.
    if len(token) > _MAX_INT_DIGITS or token == "-0":
        return Number.read(token)
    return int(token)


def _write_object(given: dict[str, object]) -> str:
    items = [
        f"{encode_basestring(key)}:{_WRITERS[type(item)](item)}" for key, item in pairs_of(given)
    ]
    return "{" + ",".join(items) + "}"


def _mark_halves(value: object) -> bool:
    """Mark the objects that contain half of a surrogate pair; return whether there is one."""
    # Lists, not generators: `any` must not stop before every nested object is marked.
    if isinstance(value, JsonObject):
        inside = [_mark_halves(part) for pair in value.pairs for part in pair]
        value.has_halves = any(inside)
        return value.has_halves
    if isinstance(value, list):
        items = [_mark_halves(item) for item in value]
        return any(items)
    return isinstance(value, str) and _HALF.search(value) is not None


def _may_be_deep(text: bytes) -> bool:
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH


def _is_too_deep(document: JsonObject) -> bool:
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)  # type: ignore[attr-defined]
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_int=_read_int,
    parse_float=Number.read,
    parse_constant=_refuse_special,
)
_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: encode_basestring,
    int: str,
    Number: lambda number: number.token,
    bool: lambda truth: "true" if truth else "false",
    NoneType: lambda _: "null",
    list: lambda items: "[" + ",".join([_WRITERS[type(item)](item) for item in items]) + "]",
    dict: _write_object,
    JsonObject: _write_object,
}
_TOO_DEEP: Final = Unreadable(f"objects and arrays nest at most {MAX_DEPTH} deep")
