"""Recognises placeholders: values that producers send for an identifier they do not have.

A placeholder would match unrelated people with each other. It matches a pattern, or is the hash of
a word; both are built from the lists in the vocabulary. Python and Arrow interpret the pattern
alike: the contract checks single values, `placeholder_columns` whole columns.
"""

import re
from hashlib import sha256
from typing import Final

from attribution.vocabulary import PLACEHOLDER_MACROS, PLACEHOLDER_WORDS

BLANKS: Final = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
"""All white space of Unicode."""
HASHES: Final = frozenset(
    sha256(spelt.encode()).hexdigest()
    for word in PLACEHOLDER_WORDS
    for spelt in (word, word.upper(), word.capitalize())
)
"""Hashes of placeholders, in lower case. Not in the pattern, which they would make slow to compile:
Arrow compiles it for every column."""
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_ZEROS: Final = f"[{_PUNCTUATION}]*0[0{_PUNCTUATION}]*"
_ADDRESSES: Final = (r"127(?:\.[0-9]{1,3}){3}", r"255\.255\.255\.255", "::1?")
"""Loopback, broadcast and unspecified addresses in canonical form; `_ZEROS` covers 0.0.0.0."""


def _any_case(text: str) -> str:
    # Not a flag: libraries fold case differently (one treats the Kelvin sign as a k).
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


PATTERN: Final = (
    f"[{BLANKS}]*(?:"
    + "|".join(
        [
            *map(_any_case, PLACEHOLDER_WORDS),
            *(f"{re.escape(left)}(?s:.*){re.escape(right)}" for left, right in PLACEHOLDER_MACROS),
            _ZEROS,
            *_ADDRESSES,
        ]
    )
    + f")[{BLANKS}]*"
)
"""The regular expression that a whole placeholder matches, unless it is a hash."""

_WHOLE: Final = re.compile(PATTERN)


def is_placeholder(value: str) -> bool:
    """Return whether a value is a placeholder."""
    return _WHOLE.fullmatch(value) is not None or value.strip(BLANKS).lower() in HASHES
