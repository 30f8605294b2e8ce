"""The faults of generated records: each is a small change to a valid record.

With some the contract refuses the record, with others it repairs it. Each fault states which, for
the counts in truth.json.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any, Final, TypeAlias

Record: TypeAlias = dict[str, Any]
# A byte that is invalid UTF-8, for writing with the error handler `surrogateescape`.
BAD_BYTE: Final = "\udcff"


@dataclass(frozen=True, slots=True)
class Fault:
    """A change to a record, or to the text of the whole document (`text`)."""

    refused: bool
    record: Callable[[Record], None] = lambda _: None
    text: Callable[[str], str] | None = None


def _put(key: str, value: object) -> Callable[[Record], None]:
    return lambda record: record.update({key: value})


def _drop(key: str) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record.pop(key, None)

    return change


def _no_offset(key: str) -> Callable[[Record], None]:
    return lambda record: record.update({key: record[key][:19]})


_TEXTS: Final = (
    Fault(refused=True, text=lambda line: line[: len(line) * 2 // 3]),
    Fault(refused=True, text=lambda line: f"[{line}]"),
    Fault(refused=True, text=lambda line: line[:-1] + ',"note":"' + BAD_BYTE + '"}'),
    Fault(refused=True, text=lambda line: line.replace('_id":"', '_id":"\\ud83d', 1)),
    Fault(refused=True, text=lambda line: line[:-1] + ",}"),
)
_REPAIRS: Final = (
    Fault(refused=False, record=_put("user_match", {"hashed_email": "Not-A-Hash"})),
    Fault(refused=False, record=_put("user_match", {"uids": [{"type": "netid", "value": "n1"}]})),
    Fault(
        refused=False,
        record=_put("user_match", {"client_ip": "999.1.1.1", "client_user_agent": "curl/8"}),
    ),
    Fault(refused=False, record=_put("user_match", {"uids": [{"type": "uid2"}]})),
)

TOUCH_FAULTS: Final = (
    *_TEXTS,
    Fault(refused=True, record=_put("price", nan)),
    Fault(refused=True, record=_put("price", "0.0125")),
    Fault(refused=True, record=_drop("impression_id")),
    Fault(refused=True, record=_put("impression_id", 4711)),
    Fault(refused=True, record=_put("type", "view")),
    Fault(refused=True, record=_no_offset("time")),
    Fault(refused=True, record=_put("campaign_id", None)),
    Fault(refused=True, record=_drop("advertiser_id")),
    Fault(refused=True, record=_put("user_match", "none")),
    *_REPAIRS,
    Fault(refused=False, record=lambda record: record.update(price=0.01, currency=None)),
)
"""The faults of the impression stream."""

EVENT_FAULTS: Final = (
    *_TEXTS,
    Fault(refused=True, record=_drop("event_id")),
    Fault(refused=True, record=_put("event_id", 4711)),
    Fault(refused=True, record=_drop("event_type")),
    Fault(refused=True, record=_put("event_type", "Purchase")),
    Fault(refused=True, record=_no_offset("event_time")),
    Fault(refused=True, record=_put("event_time", 1775000000)),
    Fault(refused=True, record=_put("user_match", [])),
    Fault(refused=True, record=_put("custom_data", {"value": "12.50", "currency": "USD"})),
    Fault(refused=True, record=_put("custom_data", {"value": 12.5})),
    Fault(refused=True, record=_put("custom_data", {"value": 12.5, "currency": "usd"})),
    Fault(refused=True, record=_put("event_source_url", "not a url")),
    *_REPAIRS,
    Fault(refused=False, record=_put("custom_data", {"order_id": "9" * 300})),
)
"""The faults of the event stream; a fault of the text loses the document, which has one event."""

TOUCH_REFUSED: Final = [False, *(fault.refused for fault in TOUCH_FAULTS)]
EVENT_REFUSED: Final = [False, *(fault.refused for fault in EVENT_FAULTS)]
EVENT_ALONE: Final = [False, *(fault.text is not None for fault in EVENT_FAULTS)]
"""By fault number: whether the event needs an envelope of its own, as its document is lost."""
