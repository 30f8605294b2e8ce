"""Lone surrogates: half of a surrogate pair, left by a program that cut a text inside an emoji.

Such text cannot be written as UTF-8, so each half is replaced by U+FFFD. Ids and identifiers are
not mended, because two different ones could become equal; the models refuse them.
"""

import re
from collections.abc import Collection
from typing import Any, Final

from attribution.contract.document import JsonObject

_HALF: Final = re.compile("[\ud800-\udfff]")


def mend_halves(given: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """Replace halves except in the fields `kept`; return the same object if it has none."""
    if not (isinstance(given, JsonObject) and given.has_halves):
        return given
    return JsonObject(
        [(_mend_text(key), value if key in kept else _mend(value)) for key, value in given.pairs]
    )


def _mend(value: object) -> object:
    if isinstance(value, str):
        return _mend_text(value)
    if isinstance(value, list):
        return [_mend(item) for item in value]
    return mend_halves(value, ()) if isinstance(value, dict) else value


def _mend_text(text: str) -> str:
    return _HALF.sub("\ufffd", text)
