"""JSON text that both streams share: names, times, identity blocks, faults."""

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from flows.generate.draws import Draws, Ints
from flows.generate.faults import Fault
from flows.generate.rows import CHANGED, Rows

CURRENCIES: Final = ("USD", "EUR", "GBP", "USD", "CAD", "SEK", "USD", "CHF")
_SECOND: Final = 1_000
_NO_RECEIVED_AT: Final = 0.001


def advertiser_name(advertiser: int) -> str:
    """Return the id of the n-th advertiser."""
    return str(10_001 + advertiser)


def domain(advertiser: int) -> str:
    """Return the domain of the n-th advertiser's website and app."""
    return f"shop{advertiser + 1}.example"


def currency(advertiser: int) -> str:
    """Return the currency of the n-th advertiser."""
    return CURRENCIES[advertiser % len(CURRENCIES)]


def impression_names(draws: Draws, numbers: Ints) -> list[str]:
    """Return the impression_id of each number."""
    return ["imp_" + token for token in draws.hexes("impression id", numbers)]


def event_names(draws: Draws, slots: Ints) -> list[str]:
    """Return the event_id of each slot."""
    return ["evt_" + token for token in draws.hexes("event id", slots)]


def user_match(members: str) -> str:
    """Return a user_match with these members and a comma before it; empty without members."""
    return f',"user_match":{{{members[:-1]}}}' if members else ""


def sent_time(rows: Rows) -> Ints:
    """Return the times as written: a changed copy differs by a second."""
    shifted: Ints = rows["time"] + (rows["copy"] == CHANGED) * _SECOND
    return shifted


def stamps(times: Ints) -> list[str]:
    """Write times (ms) without their offset: 2026-04-01T12:00:00.000."""
    text: list[str] = np.datetime_as_string(times.astype("datetime64[ms]")).tolist()
    return text


def received_members(draws: Draws, times: Ints, numbers: Ints) -> list[str]:
    """Write received_at with a comma before it; a few records have none."""
    lacking = draws.chance("no received_at", numbers, _NO_RECEIVED_AT).tolist()
    return [
        "" if none else f',"received_at":"{stamp}Z"'
        for stamp, none in zip(stamps(times), lacking, strict=True)
    ]


def spoil_records(texts: list[str], faults: Ints, kinds: Sequence[Fault]) -> list[str]:
    """Change the records that have a fault of the record."""
    for at in np.flatnonzero(faults).tolist():
        fault = kinds[int(faults[at]) - 1]
        if fault.text is None:
            record = json.loads(texts[at])
            fault.record(record)
            texts[at] = json.dumps(record, separators=(",", ":"))
    return texts


def spoil_lines(lines: list[str], faults: Ints, kinds: Sequence[Fault]) -> list[str]:
    """Change the lines whose (only) record has a fault of the text."""
    for at in np.flatnonzero(faults).tolist():
        change = kinds[int(faults[at]) - 1].text
        lines[at] = lines[at] if change is None else change(lines[at])
    return lines
