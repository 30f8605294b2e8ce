"""Who may see the pages: whoever has opened the address that was printed at the start.

The address has a secret; the answer to it is a redirect with a cookie, so that the secret stays out
of the history of pages that were looked at, and of what is copied from the address bar.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

PURPOSE: Final = "pages"
"""The purpose of the secret, in the file of API keys."""

PARAMETER: Final = "key"

COOKIE_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Access:
    """Tells who may see the pages, from the server's secret for them."""

    secret: bytes
    key: str = field(init=False)
    cookie_name: str = field(init=False)
    cookie_value: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the key of the address and the cookie; neither leads to the other."""
        object.__setattr__(self, "key", urlsafe_b64encode(self._derived("key")).decode().strip("="))
        # Cookies do not tell ports of a machine apart, so each installation has a name of its own.
        name = f"tributary_{self._derived('name').hex()[:8]}"
        object.__setattr__(self, "cookie_name", name)
        object.__setattr__(self, "cookie_value", self._derived("cookie").hex())

    def _derived(self, what: str) -> bytes:
        return hmac.digest(self.secret, what.encode(), sha256)

    def address(self, host: str, port: int) -> str:
        """Return the address that lets in."""
        shown = f"[{host}]" if ":" in host else host
        shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104  shown only
        return f"http://{shown}:{port}/?{PARAMETER}={self.key}"

    def may_see(self, cookies: Mapping[str, str]) -> bool:
        """Return whether a request has the cookie."""
        return _are_equal(cookies.get(self.cookie_name, ""), self.cookie_value)

    def entered(self, request: Request) -> Response | None:
        """Return the redirect for a request with the secret; None without the right one."""
        if not _are_equal(request.query_params.get(PARAMETER, ""), self.key):
            return None
        others = [
            each
            for each in parse_qsl(request.url.query, keep_blank_values=True)
            if each[0] != PARAMETER
        ]
        query = f"?{urlencode(others)}" if others else ""
        answer = RedirectResponse(f"{request.url.path}{query}", status_code=303)
        same_site: Literal["strict"] = "strict"
        answer.set_cookie(
            self.cookie_name,
            self.cookie_value,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite=same_site,
            secure=request.url.scheme == "https",
        )
        return answer


def _are_equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
