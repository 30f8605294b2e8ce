"""One campaign: batches of mutated lines through the decoders and through whole replays.

A batch is decoded in bulk and by the contract, once as lines of a file and once as messages, and
its events are sent as calls of the API. Then it is replayed and verified by the commands that a
user runs.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from attribution.contract.document import Unreadable, read_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.verdicts import Refusal
from attribution.registry import Registry
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from tests.fuzz.api import api_differences
from tests.fuzz.mutate import mutated
from tests.support.both_decoders import SOURCES, BothDecoders
from tests.support.trees import DOCUMENTS, write

BATCH_LINES: Final = 40_000
"""Lines decoded together: DuckDB reports a fault far behind the first rows in another way."""

CUTS: Final = 2
"""Random places at which a batch is cut into chunks."""

SHOWN: Final = 5
"""Failures described per campaign; more of them are only counted."""

SECONDS_MAX: Final = 600
"""Of one command; a batch takes seconds."""

EVENTS_SHARE: Final = 0.35
DOCUMENTS_SHARE: Final = 0.05
"""Lines that are copies of the one document with every field."""

_COMMAND: Final = (sys.executable, "-m", "flows")


@dataclass(slots=True)
class Findings:
    """What a campaign counted; all but `lines` must stay 0."""

    seed: int
    lines: int = 0
    crashes: int = 0
    lines_without_one_outcome: int = 0
    bulk_contract_differences: int = 0
    api_differences: int = 0
    verify_differences: int = 0
    shown: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (
            self.crashes
            or self.lines_without_one_outcome
            or self.bulk_contract_differences
            or self.api_differences
            or self.verify_differences
        )

    def note(self, what: str, description: str) -> None:
        """Show the first failures, cut to a readable length."""
        if len(self.shown) < SHOWN:
            self.shown.append(f"{what}: {description[:4000]}")

    def as_json(self) -> str:
        """Return the counts as one line of JSON."""
        counts = asdict(self)
        del counts["shown"]
        return json.dumps(counts)


def fuzz(folder: Path, seed: int, lines: int, report: Callable[[Findings], None]) -> Findings:
    """Run a campaign in an empty folder; `report` is called after each batch."""
    chance = random.Random(seed)  # noqa: S311  reproducible, not secret
    pool, sources = _pool(folder, seed)
    decoders = BothDecoders(_new(folder / "decoders"), sources=sources)
    registry = Registry.from_documents(sources, allow_unregistered=False)
    findings = Findings(seed)
    while findings.lines < lines:
        batch = _batch(chance, pool, min(BATCH_LINES, lines - findings.lines))
        for stream, documents in batch.items():
            _compare(findings, decoders, chance, stream, documents)
        _call(findings, batch["events"], registry)
        _replay(findings, folder, batch, sources)
        findings.lines += sum(map(len, batch.values()))
        report(findings)
    return findings


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _pool(folder: Path, seed: int) -> tuple[dict[str, list[bytes]], list[dict[str, object]]]:
    """Generate the sound lines of each stream, and the event sources that they name."""
    log = folder / "pool"
    generate_log(log, GenerateSpec(seed=seed, events=3_000, impressions=9_000))
    pool = {
        stream: [
            line
            for path in sorted(log.glob(f"{stream}*.ndjson"))
            for line in path.read_bytes().splitlines()
        ]
        for stream in DOCUMENTS
    }
    sources = json.loads((log / "event_sources.json").read_bytes())
    return pool, [*sources, *map(dict, SOURCES)]


def _batch(
    chance: random.Random, pool: dict[str, list[bytes]], count: int
) -> dict[str, list[bytes]]:
    everything = [line for lines in pool.values() for line in lines]
    shares = {"events": EVENTS_SHARE, "impressions": 1 - EVENTS_SHARE}
    batch = {}
    for stream, share in shares.items():
        whole = write(DOCUMENTS[stream])
        sound = [
            whole if chance.random() < DOCUMENTS_SHARE else chance.choice(pool[stream])
            for _ in range(max(1, round(count * share)))
        ]
        batch[stream] = mutated(chance, sound, everything)
    return batch


def _compare(
    findings: Findings,
    decoders: BothDecoders,
    chance: random.Random,
    stream: str,
    documents: Sequence[bytes],
) -> None:
    lines = [line for document in documents for line in document.split(b"\n")]
    cuts = [chance.randrange(len(lines)) for _ in range(CUTS)]
    ways: tuple[Callable[[], str], ...] = (
        lambda: decoders.differences(stream, lines, cuts),
        lambda: decoders.message_differences(stream, documents),
    )
    for way in ways:
        try:
            differences = way().splitlines()
        except Exception as error:  # noqa: BLE001  whatever ends a decoder is what we look for
            findings.crashes += 1
            findings.note(f"{stream}: crash", repr(error))
            continue
        findings.bulk_contract_differences += len(differences)
        for difference in differences:
            findings.note(f"{stream}: difference", difference)


def _call(findings: Findings, documents: Sequence[bytes], registry: Registry) -> None:
    try:
        differences = list(api_differences(documents, registry))
    except Exception as error:  # noqa: BLE001  whatever ends a call is what we look for
        findings.crashes += 1
        findings.note("API: crash", repr(error))
        return
    findings.api_differences += len(differences)
    for difference in differences:
        findings.note("API: difference", difference)


def _replay(
    findings: Findings,
    folder: Path,
    batch: dict[str, list[bytes]],
    sources: list[dict[str, object]],
) -> None:
    log, result = folder / "log", folder / "result.duckdb"
    log.mkdir(exist_ok=True)
    for stream, lines in batch.items():
        (log / f"{stream}.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    (log / "event_sources.json").write_text(json.dumps(sources), encoding="utf-8")
    result.unlink(missing_ok=True)
    replayed = _run("replay", str(log), "--db", str(result))
    if replayed.returncode:
        findings.crashes += 1
        findings.note("replay", replayed.stderr[-3000:])
        return
    verified = _run("verify", "--db", str(result))
    if verified.returncode not in {0, 1}:
        findings.crashes += 1
        findings.note("verify", verified.stderr[-3000:])
    elif verified.returncode == 1:
        findings.verify_differences += 1
        findings.note("verify", verified.stdout)
    for wrong in _without_one_outcome(result, log):
        findings.lines_without_one_outcome += 1
        findings.note("outcome", wrong)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *command], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


_PLACES: Final = """
select 'events' as stream, source_offset, source_index from conversions
union all
select stream, source_offset, source_index from rejections
"""
"""Places that a result names; duplicates and test events are counted, without a place."""


_COUNTED: Final = """
select
  (select coalesce(sum(received), 0)::bigint from match_stats),
  (select coalesce(sum(records + duplicates), 0)::bigint from touchpoint_stats)
  + (select count(*) from rejections where stream = 'impressions')
"""


def _without_one_outcome(result: Path, log: Path) -> Iterator[str]:
    """Yield what has two outcomes, and streams whose records are not all counted."""
    with duckdb.connect(str(result), read_only=True) as connection:
        twice = connection.execute(
            f"select * from ({_PLACES}) group by all having count(*) > 1 limit 20"
        ).fetchall()
        yield from (f"two outcomes: {place}" for place in twice)
        open_ = connection.execute("from conservation where in_flight <> 0 limit 20").fetchall()
        yield from (f"no outcome, or more than one: {row}" for row in open_)
        counted = connection.execute(_COUNTED).fetchone()
    assert counted is not None
    expected = (sum(map(_events_in, _records(log, "events"))), len(_records(log, "impressions")))
    for stream, found, wanted in zip(("events", "impressions"), counted, expected, strict=True):
        if found != wanted:
            yield f"{stream}: {wanted} records, {found} counted"


def _records(log: Path, stream: str) -> list[bytes]:
    lines = (log / f"{stream}.ndjson").read_bytes().split(b"\n")
    return [line for line in lines if line.strip(b" \t\r")]


def _events_in(line: bytes) -> int:
    """Return how many events a line counts as: one where it cannot be read."""
    document = read_document(line)
    if isinstance(document, Unreadable):
        return 1
    envelope = judge_envelope(document)
    return envelope.events if isinstance(envelope, Refusal) else len(envelope.events)
