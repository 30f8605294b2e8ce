"""Halves of surrogate pairs: what a program leaves that cuts a text in the middle of an emoji.

Text with one cannot be written as UTF-8. It is read as U+FFFD, but for ids and identifiers: two
that were cut would be taken for one, so these stay as they are, for the models to find unsound.
"""

import re
from collections.abc import Collection
from typing import Any, Final

from attribution.contract.document import JsonObject

_HALF: Final = re.compile("[\ud800-\udfff]")


def mend_halves(given: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """Return an object without halves but in the fields `kept`; the same one if it has none."""
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
