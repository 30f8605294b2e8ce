"""Builds raw streams for tests: records with sane defaults, and the folder they lie in.

Instants are microseconds after START, so that a test reads `NOW - 3 * DAY`. A field that is None
is left out.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

Document: TypeAlias = Mapping[str, Any] | bytes
"""A JSON object, or the bytes of a line as they are."""
Stream: TypeAlias = Sequence[Document] | Mapping[str, Sequence[Document]]
"""The documents of a stream, or of each of its files by name (which may end in .gz or .zst)."""

START: Final = datetime(2026, 4, 1, tzinfo=UTC)
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NOW: Final = 40 * DAY
"""When events happen and arrive unless told otherwise: 2026-05-11."""

UID2: Final = {"uids": [{"type": "uid2", "value": "u1"}]}
"""The user match of every record unless told otherwise."""
DEVICE: Final = {"client_ip": "192.0.2.7", "client_user_agent": "Browser/1"}
"""A user match that is only probabilistic."""


def moment(microseconds: int) -> datetime:
    """Return the instant that many microseconds after START."""
    return START + timedelta(microseconds=microseconds)


def since_epoch(microseconds: int) -> int:
    """Count the microseconds of that instant since the epoch."""
    return (moment(microseconds) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def written(microseconds: int) -> str:
    """Write that instant as the streams do."""
    return moment(microseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event(event_id: str = "e1", *, time: int = NOW, **fields: object) -> dict[str, Any]:
    """Build an event: a purchase of user u1 unless told otherwise."""
    defaults: dict[str, object] = {
        "event_id": event_id,
        "event_type": "purchase",
        "event_time": written(time),
        "user_match": UID2,
    }
    return _present(defaults | fields)


def envelope(*events: object, received_at: int | None = NOW, **fields: object) -> dict[str, Any]:
    """Build the request that carried some events."""
    defaults: dict[str, object] = {
        "advertiser_id": "adv",
        "received_at": None if received_at is None else written(received_at),
        "event_source_id": "src",
        "events": list(events),
    }
    return _present(defaults | fields)


def impression(
    impression_id: str = "i1",
    *,
    time: int = NOW - HOUR,
    received_at: int | None = 0,
    **fields: object,
) -> dict[str, Any]:
    """Build an impression shown to user u1; it arrives long before any event."""
    defaults: dict[str, object] = {
        "advertiser_id": "adv",
        "impression_id": impression_id,
        "type": "impression",
        "time": written(time),
        "received_at": None if received_at is None else written(received_at),
        "campaign_id": "cmp",
        "user_match": UID2,
    }
    return _present(defaults | fields)


def click(impression_id: str = "i1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any field
    """Build a click on an impression."""
    return impression(impression_id, **({"type": "click"} | fields))


def source(event_source_id: str = "src", **fields: object) -> dict[str, Any]:
    """Build a registry entry without restrictions."""
    return {"advertiser_id": "adv", "event_source_id": event_source_id, "name": "A"} | fields


def measurement(**fields: object) -> dict[str, Any]:
    """Build a row of measurement data: the revenue of a campaign in the week before NOW."""
    defaults: dict[str, object] = {
        "start_time": written(NOW - 7 * DAY),
        "end_time": written(NOW),
        "metric_id": "revenue",
        "metric_value": 100,
        "unit": "currency",
        "currency": "EUR",
        "campaign_id": "cmp",
    }
    return _present(defaults | fields)


def measurements(*rows: object, received_at: int | None = NOW, **fields: object) -> dict[str, Any]:
    """Build the call that brought some rows of measurement data."""
    defaults: dict[str, object] = {
        "advertiser_id": "adv",
        "received_at": None if received_at is None else written(received_at),
        "measurements": list(rows),
    }
    return _present(defaults | fields)


def write_log(
    folder: Path,
    *,
    events: Stream = (),
    impressions: Stream = (),
    measured: Stream = (),
    sources: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """Write the streams and the registry into a folder, and give the folder back."""
    _write_stream(folder, events, default_name="events.ndjson")
    _write_stream(folder, impressions, default_name="impressions.ndjson")
    if measured:
        _write_stream(folder, measured, default_name="measurements.ndjson")
    registry = [source()] if sources is None else sources
    (folder / "event_sources.json").write_text(json.dumps(registry))
    return folder


def _present(fields: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _write_stream(folder: Path, stream: Stream, *, default_name: str) -> None:
    files = stream if isinstance(stream, Mapping) else {default_name: stream}
    for name, documents in files.items():
        content = b"".join(_line(document) + b"\n" for document in documents)
        (folder / name).write_bytes(_compressed(name, content))


def _line(document: Document) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def _compressed(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if name.endswith(".zst"):
        return bytes(pa.compress(content, codec="zstd", asbytes=True))
    return content
