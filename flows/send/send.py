"""Calls sent one after the other, and what became of their events."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import tributary_client
from flows.send.calls import BadLine, Call

UNREADABLE = "UNREADABLE_LINE"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a part of a file: `events` were sent, `refused` of them refused."""

    events: int
    refused: list[tributary_client.Refused]


@dataclass(slots=True)
class Summary:
    """Counts over a file; `codes` counts refused events and lines that are none."""

    events: int = 0
    refused: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, sent: Sent) -> None:
        """Add a part."""
        self.events += sent.events
        self.refused += len(sent.refused)
        self.codes.update(each.code for each in sent.refused)

    def __str__(self) -> str:
        accepted = self.events - self.refused
        noun = "event" if self.events == 1 else "events"
        return f"{self.events:,} {noun}: {accepted:,} accepted, {self.refused:,} refused"


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends calls to the API at `url`; `tell` is told when it has to wait."""

    url: str
    key: str
    tell: Callable[[str], None]

    def send(self, calls: Iterable[Call | BadLine]) -> Iterator[Sent]:
        """Yield what became of each call.

        A line that cannot be sent counts as one refused event. Raises NotAccepted for a call that
        was refused as a whole, or not answered.
        """
        for call in calls:
            if isinstance(call, BadLine):
                message = f"line {call.line}: {call.message}"
                yield Sent(1, [tributary_client.Refused(call.text, UNREADABLE, message)])
                continue
            path = f"/api/buyer/advertisers/{quote(call.advertiser_id, safe='')}/log-event"
            url = self.url.rstrip("/") + path
            refused = tributary_client.send(
                url, self.key, call.fields, call.events, wait=self._wait
            )
            yield Sent(len(call.events), refused)

    def _wait(self, seconds: float) -> None:
        self.tell(f"{self.url} does not take it now; next try in {seconds:.0f} s")
        time.sleep(seconds)
