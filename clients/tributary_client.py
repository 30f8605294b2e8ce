"""Send events to Tributary in batches; what is not accepted yet waits in a file.

    client = Client("http://127.0.0.1:8600", key, "12345", queue="events.sqlite")
    client.add("website_pixel", {"event_id": "txn_1", "event_type": "purchase", ...})
    for refused in client.flush():
        print(refused.code, refused.message)

`add` keeps an event on disk, `flush` sends all that wait; call it every few seconds, and after a
crash or an outage again. An event leaves the queue once the API has answered for it: accepted, or
refused for good. Sending an event twice is harmless, because the API counts an `event_id` once.

This file needs Python 3.9 or newer and nothing else: copy it. A client belongs to one thread.
"""

from __future__ import annotations

import email.utils
import gzip
import http.client
import json
import random
import re
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

EVENTS_MAX = 10_000
"""Events of one call."""

TRIES = 8
"""Of one call; with the pauses between them they take about two minutes."""

PAUSE_SECONDS_MAX = 60.0
"""Between two tries, unless the API names a longer one."""

TIMEOUT_SECONDS = 60.0

RESENT = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which the same call may succeed. After any other, something has to be mended."""

TOO_LARGE = 413


class NotAccepted(Exception):  # noqa: N818  what happened, not whose error it is
    """A call was not accepted: refused as a whole, or the API is away (then `status` may be 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.may_resend = not status or status in RESENT


@dataclass
class Refused:
    """An event that was refused, as JSON text; sent again as it is, it would be refused again."""

    event: str
    code: str
    message: str


def send(
    url: str,
    key: str,
    call: dict[str, Any],
    events: list[str],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> list[Refused]:
    """Send one call with these events, each of them JSON text; return the refused ones.

    `url` is that of log-event, `call` has its other fields. Waits and tries again where that may
    help; raises NotAccepted where it does not, or did not.
    """
    head = json.dumps(call)[:-1] + (", " if call else "")
    body = gzip.compress(f'{head}"events": [{",".join(events)}]}}'.encode())
    try:
        answer = _answer(url, key, body, wait)
    except NotAccepted as error:
        if error.status != TOO_LARGE or len(events) == 1:
            raise
        half = len(events) // 2
        parts = (events[:half], events[half:])
        return [each for part in parts for each in send(url, key, call, part, wait=wait)]
    failures = answer.get("data", answer)["partial_failures"]
    return [Refused(_event_of(each, events), each["code"], each["message"]) for each in failures]


def _answer(url: str, key: str, body: bytes, wait: Callable[[float], None]) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    for tried in range(1, TRIES + 1):
        pause = min(PAUSE_SECONDS_MAX, 2.0**tried / 2) * random.uniform(0.5, 1)
        try:
            request = urllib.request.Request(url, body, headers)
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                problem = NotAccepted(error.code, _message(error))
            pause = max(pause, _retry_after(error.headers.get("Retry-After")))
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = NotAccepted(0, f"no answer: {error}")
        if tried == TRIES or not problem.may_resend:
            raise problem
        wait(pause)
    raise AssertionError


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return str(error.reason)


def _retry_after(given: str | None) -> float:
    """Return the seconds of a Retry-After, which may also name a date."""
    if not given:
        return 0.0
    if given.strip().isdigit():
        return float(given)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return 0.0


def _event_of(failure: dict[str, str], events: list[str]) -> str:
    """Return the event that a failure names by its place, such as `(at /events/3/event_type)`."""
    place = re.search(r"\(at /events/(\d+)", failure["message"])
    return events[int(place[1])] if place else json.dumps({"event_id": failure["event_id"]})


class Client:
    """Sends the events of an advertiser; `queue` is a file in which they wait."""

    def __init__(
        self, url: str, key: str, advertiser_id: str, queue: str, batch: int = 1_000
    ) -> None:
        advertiser = urllib.parse.quote(advertiser_id, safe="")
        self._url = f"{url.rstrip('/')}/api/buyer/advertisers/{advertiser}/log-event"
        self._key = key
        self._batch = min(batch, EVENTS_MAX)
        self._queue = sqlite3.connect(queue)
        with self._queue:
            self._queue.execute(
                "create table if not exists queue (id integer primary key, source, event)"
            )

    def add(self, event_source_id: str, *events: dict[str, Any]) -> None:
        """Put events into the queue; they are on disk when this returns."""
        rows = [(event_source_id, json.dumps(event, allow_nan=False)) for event in events]
        with self._queue:
            self._queue.executemany("insert into queue (source, event) values (?, ?)", rows)

    def waiting(self) -> int:
        """Return how many events wait."""
        return int(self._queue.execute("select count(*) from queue").fetchone()[0])

    def flush(self, wait: Callable[[float], None] = time.sleep) -> list[Refused]:
        """Send all that wait; return the refused events, which are not in the queue any more.

        Raises NotAccepted; what was not answered for then waits for the next time.
        """
        refused: list[Refused] = []
        while rows := self._next():
            call = {"event_source_id": rows[0][1]}
            events = [event for _, _, event in rows]
            refused += send(self._url, self._key, call, events, wait=wait)
            self._delete(number for number, _, _ in rows)
        return refused

    def _next(self) -> list[tuple[int, str, str]]:
        """Return the oldest events of the source whose turn it is."""
        return self._queue.execute(
            "select id, source, event from queue where source = "
            "(select source from queue order by id limit 1) order by id limit ?",
            (self._batch,),
        ).fetchall()

    def _delete(self, numbers: Iterable[int]) -> None:
        with self._queue:
            self._queue.executemany("delete from queue where id = ?", [(each,) for each in numbers])

    def close(self) -> None:
        """Close the queue; what waits in it is there at the next start."""
        self._queue.close()
