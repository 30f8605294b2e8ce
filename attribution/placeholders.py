"""Tells values that producers send for an identifier they do not have.

Such a value would match everybody with everybody. One pattern, made of the lists in the vocabulary
and written so that Python and Arrow read it alike: the contract asks it of one value, and
`placeholder_columns` of whole columns.
"""

import re
from hashlib import sha256
from typing import Final

from attribution.vocabulary import PLACEHOLDER_MACROS, PLACEHOLDER_WORDS

BLANKS: Final = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
"""All that Unicode calls white space."""
HASHES: Final = sorted(
    {
        sha256(spelt.encode()).hexdigest()
        for word in PLACEHOLDER_WORDS
        for spelt in (word, word.upper(), word.capitalize())
    }
)
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_ZEROS: Final = f"[{_PUNCTUATION}]*0[0{_PUNCTUATION}]*"
_ADDRESSES: Final = (r"127(?:\.[0-9]{1,3}){3}", r"255\.255\.255\.255", "::1?")
"""Loopback, broadcast and unspecified, as they are spelled canonically; 0.0.0.0 is zeros only."""


def _any_case(text: str) -> str:
    # Flags for this mean other letters in each library (the sign of Kelvin is a k in one of them).
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


PATTERN: Final = (
    f"[{BLANKS}]*(?:"
    + "|".join(
        [
            *map(_any_case, PLACEHOLDER_WORDS),
            *(f"{re.escape(left)}(?s:.*){re.escape(right)}" for left, right in PLACEHOLDER_MACROS),
            _ZEROS,
            *_ADDRESSES,
            *map(_any_case, HASHES),
        ]
    )
    + f")[{BLANKS}]*"
)
"""What a placeholder looks like from its first character to its last."""

_WHOLE: Final = re.compile(PATTERN)


def is_placeholder(value: str) -> bool:
    """Return whether a value stands for no identifier at all."""
    return _WHOLE.fullmatch(value) is not None
