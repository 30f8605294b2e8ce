"""What the API says of each impression and click is what the stream makes of it."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from attribution.contract.document import Unreadable, read_array
from attribution.ingest.impressions import RecordsVerdict
from attribution.policy import Policy
from connectors.api.impressions import Impressions
from connectors.spool.writer import Spool, stamped
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.fuzz.mutate import mutated
from tests.support.raw import NOW, since_epoch

RECORDS = 4_000
CALL = 500
"""Records of one call."""


def sent(tmp_path: Path, seed: int) -> list[bytes]:
    """Return records, some of them broken."""
    spec = GenerateSpec(seed=seed, events=10, impressions=RECORDS, bad=0.2, files=1)
    generate_log(tmp_path / "generated", spec)
    lines = (tmp_path / "generated/impressions-00.ndjson").read_bytes().splitlines()[:RECORDS]
    faulty = b"\n".join(mutated(random.Random(seed), lines, lines)).split(b"\n")  # noqa: S311  reproducible, not secret
    return [line for line in faulty if line.strip(b" \t\r")]


async def accepted(folder: Path, lines: Sequence[bytes]) -> dict[int, str]:
    """Send all lines; return the code of each refused one."""
    failures: list[OSError] = []
    spool = Spool(folder, "impressions", failures.append)
    taker = Impressions(spool, Policy())
    refused = {}
    for first in range(0, len(lines), CALL):
        body = b"\n".join(lines[first : first + CALL])
        answer = await taker.take("adv", body, is_lines=True, validate_only=False)
        for failure in answer.verdict.failures:
            index = int(failure.message.rpartition("(at /")[2].split("/")[0].rstrip(")"))
            refused[first + index] = failure.code
    spool.close()
    assert failures == []
    return refused


def as_stream(line: bytes) -> bytes:
    """Return a record as a line of the stream, stamped and named as the API would keep it."""
    if not line.lstrip(b" \t\r").startswith(b"{"):
        return line + b"\n"
    rest = line.lstrip(b" \t\r")[1:]
    named = b'{"advertiser_id":"adv"' + (b"" if rest.strip() == b"}" else b",") + rest
    return stamped(named, since_epoch(NOW))


def outcome(folder: Path, **files: bytes) -> tuple[int, dict[int, str]]:
    """Replay a folder; return how many records count, and the code of each refused line."""
    for name, content in {"events": b"", **files}.items():
        (folder / f"{name}.ndjson").write_bytes(content)
    (folder / "event_sources.json").write_text("[]")
    result = folder / "result.duckdb"
    replay(ReplayOptions(folder=folder, database=result, settings=Settings()))
    with duckdb.connect(result, read_only=True) as connection:
        rows = connection.execute("select source_offset, code from rejections").fetchall()
        counted = connection.execute(
            "select sum(records + duplicates)::bigint from touchpoint_stats"
        )
        (received,) = counted.fetchall()[0]
    return received, dict(rows)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_verdicts_agree(tmp_path: Path, seed: int) -> None:
    lines = sent(tmp_path, seed)
    kept, stream = tmp_path / "kept", tmp_path / "stream"
    kept.mkdir()
    stream.mkdir()
    refused = asyncio.run(accepted(kept, lines))
    content = b"".join(map(as_stream, lines))
    received, codes = outcome(stream, impressions=content)
    assert codes == refused
    assert len(refused) > 100
    assert outcome(kept) == (len(lines) - len(refused), {})
    assert received == len(lines) - len(refused)


def test_an_array_is_judged_like_lines(tmp_path: Path) -> None:
    lines = [
        line
        for line in sent(tmp_path, seed=3)
        if not isinstance(read_array(b"[" + line + b"]"), Unreadable)
    ]
    taker = Impressions(Spool(tmp_path, "impressions", lambda _error: None), Policy())

    async def verdict(body: bytes, *, is_lines: bool) -> RecordsVerdict:
        answer = await taker.take("adv", body, is_lines=is_lines, validate_only=True)
        return answer.verdict

    one = asyncio.run(verdict(b"\n".join(lines), is_lines=True))
    assert asyncio.run(verdict(b"[" + b",".join(lines) + b"]", is_lines=False)) == one
    assert one.received == len(lines)
    assert one.failures
