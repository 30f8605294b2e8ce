"""However a log is cut into files, chunks, groups and workers: the same tables.

Through `replay`, as the command runs it, on generated logs with many copies, late and bad records.
"""

import gzip
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from attribution.policy import MATCHABLE, Policy
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.oracle import compare, replay_oracle
from tests.support.actual import Flow, Shape, Tables, read_result

SPEC = GenerateSpec(
    seed=11,
    events=400,
    impressions=800,
    users=30,
    advertisers=2,
    days=10,
    files=3,
    bad=0.08,
    duplicate=0.2,
    test=0.03,
    late=0.2,
    bots=0.05,
)
POLICIES = {
    "defaults": Policy(),
    "tight": Policy(
        max_candidates=3,
        dedup_window="1d",
        settle_delay=0,
        max_event_delay="2d",
        match_keys=MATCHABLE[::-1],
        windows={"purchase": {"post_click": "2d", "post_view": "6h"}},
    ),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    generate_log(folder, SPEC)
    return folder


@pytest.fixture(scope="module", params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]


@pytest.fixture(scope="module")
def expected(log: Path, policy: Policy) -> Tables:
    return replay_oracle(log, policy)


@pytest.mark.parametrize(
    ("workers", "key_groups", "chunk_bytes", "threads"),
    [(1, None, None, 0), (2, None, 20_000, 0), (1, None, 20_000, 2), (3, 16, 100_000, 4)],
)
def test_the_command_agrees_with_the_oracle(  # noqa: PLR0913  the fixtures and what varies
    tmp_path: Path,
    log: Path,
    policy: Policy,
    expected: Tables,
    *,
    workers: int,
    key_groups: int | None,
    chunk_bytes: int | None,
    threads: int,
) -> None:
    job = ReplayOptions(
        folder=log,
        database=tmp_path / "result.db",
        settings=Settings(policy=policy),
        workers=workers,
        key_groups=key_groups,
        chunk_bytes=chunk_bytes,
        threads=threads,
    )
    replay(job)
    assert compare(expected, read_result(job.database)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_any_split_into_files(flow: Flow, tmp_path: Path, log: Path, seed: int) -> None:
    """Dealt out anew, in any order and packed: other arrivals, on which oracle and flow agree."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    for stream in ("events", "impressions"):
        lines = [
            line
            for path in sorted(log.glob(f"{stream}-*.ndjson"))
            for line in path.read_bytes().splitlines()
        ]
        chance.shuffle(lines)
        _deal(tmp_path, stream, lines, files=1 + seed)
    (tmp_path / "event_sources.json").write_bytes((log / "event_sources.json").read_bytes())
    shape = Shape(workers=seed, key_groups=seed, chunk_bytes=30_000)
    tables = flow.tables(tmp_path, POLICIES["tight"], shape=shape)
    assert compare(replay_oracle(tmp_path, POLICIES["tight"]), tables) == []


def _deal(folder: Path, stream: str, lines: Sequence[bytes], *, files: int) -> None:
    """Write lines into files, the last of which ends without a line feed."""
    packers: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": _zstd}
    for at, (suffix, pack) in zip(range(files), packers.items(), strict=False):
        content = b"\n".join(lines[at::files])
        (folder / f"{stream}-{at}.ndjson{suffix}").write_bytes(pack(content))


def _zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))
