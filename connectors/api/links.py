"""Signed links of an ad: where a click leads, and which impression a pixel reports.

A link carries all that is recorded of it, and an HMAC-SHA256 of that. The server makes such links
(`tributary link`) and follows no others, so it is no open redirect.
"""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlencode

from attribution.contract.document import JsonObject
from attribution.contract.times import write_time
from attribution.contract.urls import parse_url
from attribution.ingest.impressions import KeptRecord, judge_records
from attribution.ingest.problems import CallProblem
from attribution.policy import Policy
from connectors.api.guard import ProblemError
from connectors.errors import OperatorError

CLICK_PATH, PIXEL_PATH = "/t/c", "/t/i.gif"

CLICK_ID: Final = "sc3clid"
"""The parameter of the landing page, and the type of the click id."""

TARGET_CHARS_MAX: Final = 2_048
"""Of a landing page; some clients and proxies take no longer URL."""

PARAMETERS: Final = {
    "advertiser_id": "a",
    "impression_id": "i",
    "campaign_id": "c",
    "media_buy_id": "b",
    "package_id": "p",
    "creative_id": "r",
    "target": "u",
    "expires_at": "e",
}
SIGNATURE: Final = "s"

INVALID_LINK: Final = CallProblem(403, "INVALID_LINK", "this link was not made by this server")
EXPIRED_LINK: Final = CallProblem(410, "LINK_EXPIRED", "this link has expired")


class LinkError(OperatorError):
    """A link cannot be made of what was given; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link says. That of a pixel has no `target`; `expires_at` is in seconds (Unix)."""

    advertiser_id: str
    impression_id: str
    campaign_id: str
    expires_at: int
    media_buy_id: str | None = None
    package_id: str | None = None
    creative_id: str | None = None
    target: str | None = None

    def signed(self, secret: bytes) -> str:
        """Return path and query of the link; raises LinkError for what could not be recorded."""
        if self.target is not None and (fault := _fault_of(self.target)):
            raise LinkError(fault)
        self.record("impression", "", Policy())  # what could not be recorded is no link
        given = {PARAMETERS[name]: value for name, value in asdict(self).items() if value}
        query = urlencode({**given, SIGNATURE: self._signature(secret)})
        return f"{PIXEL_PATH if self.target is None else CLICK_PATH}?{query}"

    def is_signed(self, secret: bytes, signature: str) -> bool:
        """Return whether this is the signature of the link, in constant time."""
        return hmac.compare_digest(self._signature(secret).encode(), signature.encode())

    def _signature(self, secret: bytes) -> str:
        parts = [getattr(self, name) for name in PARAMETERS]
        digest = hmac.digest(secret, json.dumps(parts).encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def record(self, kind: str, click_id: str, policy: Policy) -> KeptRecord:
        """Return what is recorded of a click or an impression now; raises LinkError.

        Its time is in whole seconds: many senders give no fraction, and a page view in the second
        of its click must not seem to be before it.
        """
        pairs: list[tuple[str, Any]] = [
            ("impression_id", self.impression_id),
            ("type", kind),
            ("time", write_time(int(time.time()) * 1_000_000)),
            ("campaign_id", self.campaign_id),
            ("media_buy_id", self.media_buy_id),
            ("package_id", self.package_id),
            ("creative_id", self.creative_id),
        ]
        if click_id:
            match = JsonObject([("click_id", click_id), ("click_id_type", CLICK_ID)])
            pairs.append(("user_match", match))
        record = JsonObject([pair for pair in pairs if pair[1] is not None])
        verdict = judge_records([record], self.advertiser_id, policy)
        for failure in verdict.failures:
            raise LinkError(failure.message)
        return verdict.kept[0]


def read_link(query: Mapping[str, str], secret: bytes) -> Link:
    """Return the link of a request, whose signature is valid and which has not expired.

    Raises ProblemError.
    """
    given: dict[str, Any] = {name: query.get(key) for name, key in PARAMETERS.items()}
    expires_at = str(given["expires_at"])
    if not (expires_at.isascii() and expires_at.isdigit() and len(expires_at) <= 12):  # noqa: PLR2004
        raise ProblemError(INVALID_LINK)
    link = Link(**{**given, "expires_at": int(expires_at)})
    if not link.is_signed(secret, query.get(SIGNATURE, "")):
        raise ProblemError(INVALID_LINK)
    if link.expires_at < time.time():
        raise ProblemError(EXPIRED_LINK)
    return link


def _fault_of(target: str) -> str | None:
    url = parse_url(target)
    if url is None or url.is_odd or not target.lower().startswith(("http://", "https://")):
        return "a landing page is an http or https URL with every character escaped that must be"
    if len(target) > TARGET_CHARS_MAX:
        return f"a landing page has at most {TARGET_CHARS_MAX} characters; got {len(target)}"
    if f"{CLICK_ID}=" in target:
        return f"a landing page must not have a {CLICK_ID} of its own: each click gets a new one"
    return None
