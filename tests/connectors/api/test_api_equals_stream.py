"""What the API says of each event is what the stream makes of it, for sound and broken calls."""

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from attribution.ingest.log_event import CallVerdict
from attribution.ingest.problems import CallProblem
from attribution.policy import Policy
from connectors.api import calls as api_calls
from connectors.api.bulk import BulkJudge
from connectors.api.calls import Answer, LogEvents
from connectors.api.claims import Claims
from connectors.api.guard import ProblemError
from connectors.api.once import Once
from connectors.api.sources import Sources
from connectors.decoding import judged
from connectors.registry.growing import DELAY, SourceFile
from connectors.spool.writer import Spool
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.fuzz.mutate import mutated

CALLS = 1_500
Refused = dict[tuple[str, int, int], str]
"""The code of each refused event, by file, line and index."""


def sent(tmp_path: Path, seed: int) -> list[tuple[str, bytes]]:
    """Return calls by advertiser, some of them broken, and register their sources."""
    spec = GenerateSpec(seed=seed, events=6_000, impressions=10, bad=0.2, files=1)
    generate_log(tmp_path / "generated", spec)
    sources = json.loads((tmp_path / "generated/event_sources.json").read_bytes())
    (tmp_path / "log").mkdir()
    SourceFile(tmp_path / "log").append(sources)
    time.sleep(DELAY / 1e6 + 0.1)
    lines = (tmp_path / "generated/events-00.ndjson").read_bytes().splitlines()[:CALLS]
    advertisers = [source["advertiser_id"] for source in sources]
    chance = random.Random(seed)  # noqa: S311  reproducible, not secret
    calls = [_keyed(call, number) for number, call in enumerate(mutated(chance, lines, lines))]
    return [(_advertiser(call, chance.choice(advertisers)), call) for call in calls]


def _keyed(call: bytes, number: int) -> bytes:
    """Give every third call an idempotency key of its own."""
    if number % 3 or not call.startswith(b"{"):
        return call
    return b'{"idempotency_key":"call-of-a-test-%d",' % number + call[1:]


def _advertiser(call: bytes, other: str) -> str:
    try:
        named = json.loads(call)["advertiser_id"]
    except (ValueError, KeyError, TypeError):
        return other
    return named if isinstance(named, str) else other


async def accepted(folder: Path, calls: list[tuple[str, bytes]]) -> tuple[int, Refused]:
    """Send all calls; return how many events were stored, and which of them are refused."""
    failures: list[OSError] = []
    spool = Spool(folder, "events", failures.append)
    sources = Sources(SourceFile(folder))
    bulk = BulkJudge(sources.registry, Policy())
    claims = Claims(folder / "api.sqlite")
    taker = LogEvents(sources, spool, bulk, Policy(), Once(claims, None))
    stored, refused, refusals = 0, Refused(), set[int]()

    async def one(number: int, advertiser: str, call: bytes) -> Answer | None:
        try:
            # An agent for each: the keys of one are limited.
            return await taker.take(advertiser, call, validate_only=False, agent=str(number))
        except ProblemError as error:
            refusals.add(error.problem.status)
            return None

    answers = await asyncio.gather(*(one(number, *call) for number, call in enumerate(calls)))
    for answer in answers:
        if answer is None:
            continue
        assert answer.receipt is not None
        partition, _, offset = answer.receipt.removeprefix("events/").partition("@")
        stored += answer.verdict.received
        if not answer.verdict.is_test:
            for failure in answer.verdict.failures:
                index = int(failure.message.rpartition("/events/")[2].split("/")[0].rstrip(")"))
                refused[partition, int(offset), index] = failure.code
    bulk.close()
    spool.close()
    claims.close()
    assert failures == []
    assert refusals == {400, 404}
    return stored, refused


@pytest.mark.long
@pytest.mark.parametrize("bulk_bytes", [0, 1 << 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_agree(
    tmp_path: Path, seed: int, bulk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_calls, "BULK_BYTES_MIN", bulk_bytes)
    monkeypatch.setattr(judged, "WORTHWHILE_BYTES", bulk_bytes)
    calls = sent(tmp_path, seed)
    stored, refused = asyncio.run(accepted(tmp_path / "log", calls))
    (tmp_path / "log/impressions.ndjson").write_bytes(b"")
    result = tmp_path / "result.duckdb"
    replay(ReplayOptions(folder=tmp_path / "log", database=result, settings=Settings()))
    with duckdb.connect(result, read_only=True) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(
            "select source_partition, source_offset, source_index, code from rejections"
        ).fetchall()
        received = connection.execute("select sum(received)::bigint from match_stats").fetchone()
    assert received == (stored,)
    assert {(file, line, index): code for file, line, index, code in rows} == refused
    assert len(refused) > 100


async def dry_runs(folder: Path, calls: list[tuple[str, bytes]]) -> list[CallVerdict | CallProblem]:
    """Return what each call would be answered, all sent together."""
    sources = Sources(SourceFile(folder))
    spool = Spool(folder, "events", print)
    bulk = BulkJudge(sources.registry, Policy())
    taker = LogEvents(sources, spool, bulk, Policy())

    async def one(advertiser: str, call: bytes) -> CallVerdict | CallProblem:
        try:
            return (await taker.take(advertiser, call, validate_only=True)).verdict
        except ProblemError as error:
            return error.problem

    answers = await asyncio.gather(*(one(*call) for call in calls))
    bulk.close()
    spool.close()
    return answers


def test_both_ways_of_judging_answer_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = sent(tmp_path, seed=3)
    answers = []
    for bulk_bytes in (0, 1 << 30):
        monkeypatch.setattr(api_calls, "BULK_BYTES_MIN", bulk_bytes)
        monkeypatch.setattr(judged, "WORTHWHILE_BYTES", bulk_bytes)
        answers.append(asyncio.run(dry_runs(tmp_path / "log", calls)))
    for (_, call), in_bulk, one_by_one in zip(calls, *answers, strict=True):
        assert in_bulk == one_by_one, call
