"""Plans which user sees, clicks and buys what, and when, as numeric columns, block by block.

A block is a period of the log's time. Its sessions (bursts of impressions by one user, some of them
clicked) cause visits (page views that may end in a purchase), in the block or days later. Times are
milliseconds since the epoch. Records are written elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.generate.draws import Draws, Flags, Ints
from flows.generate.faults import EVENT_FAULTS, TOUCH_FAULTS
from flows.generate.rows import CHANGED, CRM, EVENT, EXACT, TOUCH, UNREGISTERED, WEBSITE, Rows
from flows.generate.spec import GenerateSpec

_SOURCE_WEIGHTS: Final = (700, 148, 150, 2)
_BLOCK_RECORDS: Final = 50_000  # about 100 MB of text and numbers at a time
_BLOCK_DAYS: Final = 30  # so that a draw of milliseconds stays below 2**32
_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_BOT_RECORDS: Final = 5_000
_BOT_SPREE: Final = 4 * _HOUR
# Hours of the day at which a quarter of its traffic has passed: nights are quiet.
_QUARTERS: Final = np.array([0, 9, 14, 19, 24]) * _HOUR


@dataclass(frozen=True, slots=True)
class _Block:
    """The records of one period; no record of a later block arrives before `until`."""

    touches: Rows
    events: Rows
    until: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The period of one block, in ms, and its share of a stream's records, as slots."""

    start: int
    end: int
    slots: Ints


def arriving(spec: GenerateSpec, draws: Draws) -> Iterator[tuple[Rows, Rows]]:
    """Yield the records that arrive during each block, and hold back those that arrive later."""
    touches, events = np.zeros(0, TOUCH), np.zeros(0, EVENT)
    for block in _plan(draws, spec):
        touches = np.concatenate([touches, block.touches])
        events = np.concatenate([events, block.events])
        here, there = touches["arrival"] < block.until, events["arrival"] < block.until
        yield touches[here], events[there]
        touches, events = touches[~here], events[~there]


def _plan(draws: Draws, spec: GenerateSpec) -> Iterator[_Block]:
    """Yield the blocks in order of time; the last one has no upper bound."""
    records = max(spec.impressions, spec.events)
    count = max(1, -(-records // _BLOCK_RECORDS), -(-spec.days // _BLOCK_DAYS))
    bots = _bots_by_block(draws, spec, count)
    for block in range(count):
        touches = _touches(draws, spec, _stretch(spec, spec.impressions, block, count), bots[block])
        events = _events(draws, spec, _stretch(spec, spec.events, block, count), touches)
        last = block == count - 1
        until = int(_daytime(np.array([_edge(spec, block + 1, count)]))[0])
        yield _Block(touches, events, np.iinfo(np.int64).max if last else until)


def _edge(spec: GenerateSpec, block: int, count: int) -> int:
    return spec.start_ms + spec.days * _DAY * block // count


def _stretch(spec: GenerateSpec, records: int, block: int, count: int) -> _Stretch:
    first, last = records * block // count, records * (block + 1) // count
    slots = np.arange(first, last, dtype=np.int64)
    return _Stretch(_edge(spec, block, count), _edge(spec, block + 1, count), slots)


def _bots_by_block(draws: Draws, spec: GenerateSpec, blocks: int) -> Ints:
    """Count the bot records of each block; a bot lives in one block."""
    records = round(spec.impressions * spec.bots)
    homes = draws.below("bot home", np.arange(-(-records // _BOT_RECORDS)), blocks)
    counts: Ints = np.bincount(homes, minlength=blocks) * (records // max(1, len(homes)))
    return counts


def _daytime(times: Ints) -> Ints:
    """Move evenly spread times into waking hours, within their day and keeping their order."""
    days, within = np.divmod(times, _DAY)
    quarter, into = np.divmod(within, _DAY // 4)
    lengths = np.diff(_QUARTERS)[quarter]
    moved: Ints = days * _DAY + _QUARTERS[quarter] + into * (lengths // _HOUR) // 6
    return moved


def _starts(draws: Draws, purpose: str, slots: Ints, share: float) -> Ints:
    """Split slots into runs; return the first slot of each slot's run."""
    starts = draws.chance(purpose, slots, share)
    starts[:1] = True
    firsts: Ints = np.maximum.accumulate(np.where(starts, slots, slots[:1]))
    return firsts


def _touches(draws: Draws, spec: GenerateSpec, stretch: _Stretch, bots: int) -> Rows:
    originals, copies = _split(stretch.slots, spec.duplicate)
    rows = np.zeros(len(originals), TOUCH)
    rows["slot"] = originals
    first = _starts(draws, "session", originals, 0.3)
    rows["time"] = _daytime(
        stretch.start + draws.below("session time", first, stretch.end - stretch.start)
    )
    rows["time"] += (originals - first) * 25 * _SECOND + draws.below("gap", originals, 20 * _SECOND)
    _people(draws, spec, rows, first, "session")
    other = draws.chance("other ad", originals, 0.3)
    rows["advertiser"][other] = draws.below("other ad is", originals[other], spec.advertisers)
    _bots(draws, spec, rows[: int(bots)], stretch)
    _clicks(draws, rows, originals > first)
    rows["fault"] = _faults(draws, "touch", originals, spec.bad, len(TOUCH_FAULTS))
    rows["arrival"] = rows["time"] + _lag(draws, "touch", originals, spec.late, 2 * _DAY)
    return _with_copies(draws, "touch", rows, copies)


def _bots(draws: Draws, spec: GenerateSpec, rows: Rows, stretch: _Stretch) -> None:
    """Turn the first rows of a block into sprees: one user, one advertiser, a few hours."""
    bot = rows["slot"] // _BOT_RECORDS
    spree = np.minimum(stretch.end - stretch.start, _BOT_SPREE)
    rows["time"] = _daytime(stretch.start + draws.below("spree", rows["slot"], int(spree)))
    rows["user"], rows["device"], rows["bot"] = spec.people + bot, 0, True
    rows["advertiser"] = draws.below("spree on", bot, spec.advertisers)


def _clicks(draws: Draws, rows: Rows, follows: Flags) -> None:
    """Make some records clicks on the impression before them in their session."""
    rows["number"] = rows["slot"]
    wish = draws.chance("click", rows["slot"], 0.08) & ~rows["bot"]
    at = np.flatnonzero(wish[1:] & ~wish[:-1] & follows[1:] & ~rows["bot"][:-1]) + 1
    rows["click"][at] = True
    for same in ("number", "user", "device", "advertiser"):
        rows[same][at] = rows[same][at - 1]
    pause = _SECOND + draws.below("pause", rows["slot"][at], 8 * _SECOND)
    rows["time"][at] = rows["time"][at - 1] + pause


def _events(draws: Draws, spec: GenerateSpec, stretch: _Stretch, touches: Rows) -> Rows:
    originals, copies = _split(stretch.slots, spec.duplicate)
    rows = np.zeros(len(originals), EVENT)
    rows["slot"] = originals
    visit = _starts(draws, "visit", originals, 0.4)
    rows["visit"], rows["depth"] = visit, originals - visit
    rows["time"] = _daytime(
        stretch.start + draws.below("visit time", visit, stretch.end - stretch.start)
    )
    _people(draws, spec, rows, visit, "visit")
    rows["source"] = draws.pick("source", visit, _SOURCE_WEIGHTS)
    _causes(draws, rows, touches)
    rows["time"] += rows["depth"] * 40 * _SECOND + draws.below("step", originals, 30 * _SECOND)
    rows["test"] = draws.chance("test", visit, spec.test) & (rows["source"] != UNREGISTERED)
    sound = (rows["source"] != UNREGISTERED) & ~rows["test"]
    rows["fault"] = sound * _faults(draws, "event", originals, spec.bad, len(EVENT_FAULTS))
    rows["arrival"] = rows["time"] + _lag(draws, "event", originals, spec.late, 9 * _DAY)
    return _with_copies(draws, "event", rows, copies)


def _causes(draws: Draws, rows: Rows, touches: Rows) -> None:
    """Attribute most visits to sessions of the block, to clicks far more often than to views."""
    rows["cause"] = -1
    touches = touches[touches["copy"] == 0]
    pools = (touches[~touches["click"] & ~touches["bot"]], touches[touches["click"]])
    wants = draws.pick("cause", rows["visit"], (30, 35, 35))  # nothing, a view, a click
    for want, pool in enumerate(pools, start=1):
        if len(pool):
            caused = np.flatnonzero(wants == want)
            visits = rows["visit"][caused]
            _cause(draws, rows, caused, pool[draws.below("touch", visits, len(pool))])
    _spree_buyer(rows, touches[touches["bot"]])


def _spree_buyer(rows: Rows, spree: Rows) -> None:
    """Let the bot buy once, after its spree, so that this visit's candidates exceed the limits."""
    if len(spree) and len(rows):
        last, buyer = spree[np.argmax(spree["time"])], rows["visit"] == rows["visit"][0]
        for same in ("user", "device", "advertiser", "click"):
            rows[same][buyer] = last[same]
        rows["source"][buyer], rows["cause"][buyer] = WEBSITE, last["number"]
        rows["time"][buyer] = last["time"] + _MINUTE


def _cause(draws: Draws, rows: Rows, caused: Ints, touches: Rows) -> None:
    """Set rows to visits caused by these touches, possibly on another device."""
    visits = rows["visit"][caused]
    for same in ("user", "device", "advertiser", "click"):
        rows[same][caused] = touches[same]
    rows["cause"][caused] = touches["number"]
    elsewhere = draws.chance("elsewhere", visits, 0.25)
    rows["device"][caused] += elsewhere
    rows["click"][caused] &= ~elsewhere & (rows["source"][caused] != CRM)
    after = draws.pick("after", visits, (60, 25, 15))
    least = np.array([10 * _SECOND, 30 * _MINUTE, _DAY])[after]
    spread = np.array([30 * _MINUTE, 20 * _HOUR, 9 * _DAY])[after]
    rows["time"][caused] = touches["time"] + least + draws.below("delay", visits, spread)


def _people(draws: Draws, spec: GenerateSpec, rows: Rows, first: Ints, purpose: str) -> None:
    """Set user (some are more active), device and advertiser of each run of rows."""
    ceiling = 1 + draws.below(f"{purpose} active", first, spec.people)
    often = draws.chance(f"{purpose} often", first, 0.3)
    rows["user"] = draws.below(f"{purpose} user", first, np.where(often, ceiling, spec.people))
    rows["device"] = draws.below(f"{purpose} device", first, 2)
    rows["advertiser"] = draws.below(f"{purpose} advertiser", first, spec.advertisers)


def _faults(draws: Draws, stream: str, slots: Ints, share: float, kinds: int) -> Ints:
    faulty = draws.chance(f"{stream} bad", slots, share)
    return faulty * (1 + draws.below(f"{stream} fault", slots, kinds))


def _lag(draws: Draws, stream: str, slots: Ints, share: float, longest: int) -> Ints:
    """Draw the delay of each record: seconds, or up to `longest` for late ones."""
    late = draws.chance(f"{stream} late", slots, share)
    prompt = 50 + draws.below(f"{stream} lag", slots, 3 * _SECOND)
    return prompt + late * draws.below(f"{stream} delay", slots, longest)


def _split(slots: Ints, duplicate: float) -> tuple[Ints, int]:
    copies = round(len(slots) * duplicate)
    return slots[: len(slots) - copies], copies


def _with_copies(draws: Draws, stream: str, rows: Rows, count: int) -> Rows:
    """Send `count` of the sound rows again within five days, one in four of them changed."""
    sound = rows[rows["fault"] == 0]
    if stream == "event":
        sound = sound[~sound["test"] & (sound["source"] != UNREGISTERED)]
    if not len(sound):
        return rows
    numbers = int(rows["slot"][0]) + np.arange(count, dtype=np.int64)
    copies = sound[draws.below(f"{stream} copied", numbers, len(sound))]
    copies["copy"] = np.where(draws.chance(f"{stream} changed", numbers, 0.25), CHANGED, EXACT)
    soon = draws.chance(f"{stream} resent soon", numbers, 0.8)
    wait = draws.below(f"{stream} resent", numbers, np.where(soon, _MINUTE, 5 * _DAY))
    copies["arrival"] += _SECOND + wait
    return np.concatenate([rows, copies])
