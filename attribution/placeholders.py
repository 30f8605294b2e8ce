"""Recognises placeholders: values that producers send for an identifier they do not have.

A placeholder would match unrelated people with each other. One pattern is built from the lists in
the vocabulary.
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
"""Loopback, broadcast and unspecified addresses in canonical form; `_ZEROS` covers 0.0.0.0."""


def _any_case(text: str) -> str:
    # Not a flag, which would treat the Kelvin sign as a k.
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


_WHOLE: Final = re.compile(
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
"""What a whole placeholder matches."""


def is_placeholder(value: str) -> bool:
    """Return whether a value is a placeholder."""
    return _WHOLE.fullmatch(value) is not None
