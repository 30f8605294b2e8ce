"""What happens when somebody follows a signed link: a click or an impression is recorded.

A click gets an id of its own, which the landing page finds in its query and sends with its events.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from attribution.ingest.impressions import KeptRecord
from connectors.api.guard import ProblemError
from connectors.api.impressions import Impressions
from connectors.api.links import CLICK_ID, INVALID_LINK, PIXEL_PATH, Link, LinkError, read_link
from connectors.api.rendering import LOST
from connectors.spool.store import Receipt, StoreFullError

KEEP_SECONDS_MAX: Final = 2.0
"""How long a person waits for the store; then the click is given up, not the person."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Links:
    """Follows links: reads them with the `secret`, and records clicks and impressions."""

    impressions: Impressions
    secret: bytes

    def read(self, query: Mapping[str, str], path: str) -> Link:
        """Return the link of a request for a path; raises ProblemError."""
        link = read_link(query, self.secret)
        if (link.target is None) != (path == PIXEL_PATH):
            raise ProblemError(INVALID_LINK)
        return link

    async def clicked(self, link: Link) -> str:
        """Record a click; return the landing page, with its click id if it was recorded."""
        assert link.target is not None, "a pixel leads nowhere"
        click_id = new_click_id()
        if await self._is_kept(link, "click", click_id):
            return with_click_id(link.target, click_id)
        return link.target

    async def seen(self, link: Link) -> None:
        """Record an impression."""
        await self._is_kept(link, "impression", "")

    async def _is_kept(self, link: Link, kind: str, click_id: str) -> bool:
        """Return whether a record was made durable in time; one that was not counts as lost."""
        try:
            kept = self._given_to_store(link, link.record(kind, click_id, self.impressions.policy))
            await asyncio.wait_for(asyncio.wrap_future(kept), KEEP_SECONDS_MAX)
        except (LinkError, StoreFullError, OSError, TimeoutError):
            LOST.labels(kind).inc()
            return False
        return True

    def _given_to_store(self, link: Link, record: KeptRecord) -> "Future[list[Receipt]]":
        if not self.impressions.store.has_room():
            raise StoreFullError
        return self.impressions.keep(link.advertiser_id, [record])


def with_click_id(target: str, click_id: str) -> str:
    """Return a landing page with the click id at the end of its query, before any fragment."""
    page, mark, fragment = target.partition("#")
    joint = "" if page.endswith(("?", "&")) else "&" if "?" in page else "?"
    return f"{page}{joint}{CLICK_ID}={click_id}{mark}{fragment}"


def new_click_id() -> str:
    """Return a ULID: 48 bits of time (ms) and 80 random ones, in Crockford's base 32."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
