"""Writes a log as it happens: a generated one, moved to now, with all that makes arrival hard.

Records of a generated log are written in their order of arrival, their times moved so that each
arrives when it is written. Some claim an earlier or a later arrival, or none; lines come in pieces;
files appear, fall silent, and come packed; the pace changes.
"""

import gzip
import json
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log

LAG_DIVISOR: Final = 30
"""The log is played in a fraction of its time; so is the time between event and arrival."""

STAMP: Final = re.compile(rb'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))"')
RECEIVED: Final = re.compile(rb'"received_at":' + STAMP.pattern + rb",?")

STREAMS: Final = ("events", "impressions")

RECENT: Final = 300
"""Records of which one may be written once more: some seconds' worth, about the dedup window."""

BELATED: Final = 10
"""Records after a pause that arrived during it, or so they say, and come when nobody expects them
any more: so that there are late_records."""

Record = tuple[str, bytes]
"""A stream, and a line of it."""


def restamped(line: bytes, at: datetime) -> bytes:
    """Return a line with another arrival; one that does not say when is left alone."""
    received = RECEIVED.search(line)
    if received is None:
        return line
    arrived = _instant(received[1])

    def moved(stamp: "re.Match[bytes]") -> bytes:
        lag = (arrived - _instant(stamp[1])) / LAG_DIVISOR
        return b'"' + (at - lag).isoformat().replace("+00:00", "Z").encode() + b'"'

    return STAMP.sub(moved, line)


def _instant(written: bytes) -> datetime:
    return datetime.fromisoformat(written.decode()).astimezone(UTC)


def material(folder: Path, seed: int) -> list[Record]:
    """Generate a log, and give its records in order of arrival."""
    spec = GenerateSpec(
        seed=seed,
        events=1_500,
        impressions=4_000,
        users=150,
        advertisers=2,
        days=3,
        bad=0.05,
        duplicate=0.1,
        test=0.03,
        late=0.1,
        bots=0.02,
    )
    generate_log(folder, spec)
    dated: list[tuple[bytes, str, bytes]] = []
    for stream in STREAMS:
        arrived = b""
        for line in (folder / f"{stream}-00.ndjson").read_bytes().splitlines():
            received = RECEIVED.search(line)
            arrived = max(arrived, received[1] if received else b"")
            dated.append((arrived, stream, line))
    return [(stream, line) for _, stream, line in sorted(dated)]


class Writer(threading.Thread):
    """Appends records to files of a folder until it is stopped."""

    def __init__(self, folder: Path, *, seed: int, records_per_second: int) -> None:
        """Generate what to write, and write the registry."""
        super().__init__(daemon=True)
        self.written = 0
        self._folder = folder
        self._chance = random.Random(seed)  # noqa: S311  not a secret
        self._rate = records_per_second
        self._stop_asked = threading.Event()
        self._granted = threading.Semaphore(0)
        self._files = {name: [f"{name}-{at:02d}" for at in range(2)] for name in STREAMS}
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._belated = 0
        source = folder.parent / "material"
        self._material = material(source, seed)
        folder.mkdir()
        (folder / "event_sources.json").write_bytes((source / "event_sources.json").read_bytes())

    def grant(self, bursts: int) -> None:
        """Allow so many bursts more, so that a slow machine does not fall behind for ever."""
        self._granted.release(bursts)

    def stop(self) -> None:
        """Finish the burst in hand, and end."""
        self._stop_asked.set()
        self._granted.release()
        self.join()

    def run(self) -> None:
        """Write burst by burst, the whole log over and over."""
        records = self._records()
        while not self._stop_asked.is_set():
            self._granted.acquire()
            burst = self._chance.randint(1, self._rate // 3)
            for record in islice(records, burst):
                self._write(*record)
                self._recent.append(record)
                if self._chance.random() < 0.05:
                    self._write(*self._chance.choice(self._recent))
            self._now_and_then(records)
            self._stop_asked.wait(burst / self._rate + self._pause())

    def _pause(self) -> float:
        """Now and then leave all partitions idle, so that they are carried forward."""
        if self._chance.random() > 0.15:
            return 0.0
        self._belated = BELATED
        return self._chance.uniform(0.3, 1.0)

    def _records(self) -> Iterator[Record]:
        while True:
            yield from self._material

    def _now_and_then(self, records: Iterator[Record]) -> None:
        stream = self._chance.choice(sorted(self._files))
        files = self._files[stream]
        if self._chance.random() < 0.1 and len(files) < 8:
            files.append(f"{stream}-{len(files):02d}")
        if self._chance.random() < 0.02:
            self._write_packed(list(islice(records, 20)))

    def _write(self, stream: str, line: bytes) -> None:
        files = self._files[stream]
        at = min(int(self._chance.expovariate(0.7)), len(files) - 1)  # the last file falls silent
        content = self._troubled(line) + b"\n"
        cut = self._chance.randint(0, len(content)) if self._chance.random() < 0.03 else 0
        with (self._folder / f"{files[at]}.ndjson").open("ab", buffering=0) as file:
            if cut:
                file.write(content[:cut])
                time.sleep(self._chance.random() * 0.03)
            file.write(content[cut:])
        self.written += 1

    def _write_packed(self, records: list[Record]) -> None:
        for stream in self._files:
            lines = [self._troubled(line) for its, line in records if its == stream]
            content = gzip.compress(b"\n".join([*lines, b""]))
            unfinished = self._folder / "unfinished"
            unfinished.write_bytes(content)
            unfinished.rename(self._folder / f"{stream}-packed-{self.written}.ndjson.gz")
            self.written += len(lines)

    def _troubled(self, line: bytes) -> bytes:
        """Let a record arrive now, or claim something else."""
        if self._belated:
            self._belated -= 1
            return restamped(line, self._around_now(-3, 0))
        for likelihood, trouble in self._troubles():
            if self._chance.random() < likelihood:
                return trouble(line)
        return restamped(line, datetime.now(UTC))

    def _troubles(self) -> list[tuple[float, Callable[[bytes], bytes]]]:
        return [
            (0.03, lambda line: restamped(line, self._around_now(-3, 0))),
            (0.005, lambda line: restamped(line, self._around_now(0, 2))),
            (0.01, lambda line: RECEIVED.sub(b"", restamped(line, datetime.now(UTC)), count=1)),
            (0.003, lambda _: b""),
            (0.003, lambda _: json.dumps(["no", "record"]).encode()),
            (0.003, lambda line: line[: len(line) // 2]),
        ]

    def _around_now(self, earliest: float, latest: float) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._chance.uniform(earliest, latest))
