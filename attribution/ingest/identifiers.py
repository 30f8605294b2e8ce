"""Emails and phone numbers as senders must hash them: normalised, then SHA-256, without a salt.

The rules of the log-event guide, AdCP and ECAPI, which agree. Messages never quote what was given.
"""

import re
from hashlib import sha256
from typing import Final

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_TRUNK_ZERO: Final = re.compile(r"\(\s*0\s*\)")
_SYMBOLS: Final = re.compile(r"[\s()./\u2010-\u2015-]")
_INTERNATIONAL: Final = re.compile(r"\+0*([1-9][0-9]{6,14})")


class IdentifierError(ValueError):
    """The text is no email or phone number; the message says what is expected."""


def hash_email(text: str) -> str:
    """Return the hash of an email, trimmed and in lower case; raises IdentifierError."""
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email):
        msg = "an email is expected, such as user@example.com"
        raise IdentifierError(msg)
    return _sha256(email)


def hash_phone(text: str) -> str:
    """Return the hash of a phone number as E.164 (`+12125550000`); raises IdentifierError.

    Blanks, brackets, dots, slashes, dashes and leading zeros are left out, and so is `(0)`. The
    country code must be there: without it, the number is ambiguous.
    """
    number = _INTERNATIONAL.fullmatch(_SYMBOLS.sub("", _TRUNK_ZERO.sub("", text)))
    if not number:
        msg = "a phone number is expected, with + and country code, such as +1 212 555 0000"
        raise IdentifierError(msg)
    return _sha256(f"+{number[1]}")


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()
