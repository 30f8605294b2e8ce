"""Parses the URL of an event; its host is checked against the allowed domains of the source.

Lenient on purpose: an odd URL should not cost a conversion. A URL must be absolute, free of control
characters, and, for http and https, name a host. It is odd if it lacks escapes of RFC 3986.
"""

import ipaddress
import re
from typing import Final, NamedTuple

_ABSOLUTE: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#\x00-\x1f\x7f]*))?([^\x00-\x1f\x7f]*)", re.DOTALL
)
_PORT: Final = re.compile(r":[0-9]*$")
_HOST: Final = re.compile(r"[^\s\x00-\x1f\x7f:@\[\]\\<>^`{|}\"%]*")
_WEB: Final = frozenset({"http", "https"})
_PLAIN: Final = r"[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}"
URI: Final = (
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:{_PLAIN}|\[|\])*)?(?:{_PLAIN}|/)*(?:\?(?:{_PLAIN}|[/?])*)?(?:#(?:{_PLAIN}|[/?])*)?"
)
"""A URL with every escape that RFC 3986 requires; brackets enclose an IPv6 address."""

_URI: Final = re.compile(URI)


class ParsedUrl(NamedTuple):
    """The URL as sent, and its host, if any, in lower case without a trailing dot."""

    text: str
    host: str | None

    @property
    def is_odd(self) -> bool:
        """Whether it contains a blank or another character that should have been escaped."""
        return _URI.fullmatch(self.text) is None


def parse_url(text: object) -> ParsedUrl | None:
    """Read an absolute URL of any scheme; None for anything else."""
    match = _ABSOLUTE.fullmatch(text) if isinstance(text, str) else None
    if match is None or not (match[2] or match[3]):
        return None
    host = _find_host(match[2] or "")
    if host is None or (not host and match[1].lower() in _WEB):
        return None
    return ParsedUrl(match[0], host or None)


def _find_host(authority: str) -> str | None:
    """Return the host of `user@host:port`: empty if there is none, None if malformed."""
    name = _PORT.sub("", authority.rpartition("@")[2])
    if name.startswith("[") and name.endswith("]"):
        return name.lower() if _is_ipv6(name[1:-1]) else None
    return name.lower().removesuffix(".") if _HOST.fullmatch(name) else None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
