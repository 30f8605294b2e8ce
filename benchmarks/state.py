"""What a touchpoint costs in match state, per match key it is found by."""

import json
from pathlib import Path
from typing import Final

from attribution.decoded import Decoded
from attribution.match import Match
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decode import PartitionDecoder
from connectors.files import CHUNK_BYTES, Partition, find_files
from connectors.keying import Salts, key_impressions

CHUNKS: Final = 12
"""Chunks that are indexed: enough for runs to be merged."""


def bytes_per_key(folder: Path) -> float:
    """Index the first chunks of a log; give the bytes of all runs per row, one row per key."""
    policy = Policy()
    registry = Registry.from_documents(
        json.loads((folder / "event_sources.json").read_bytes()), allow_unregistered=False
    )
    file = next(file for file in find_files(folder) if file.stream == "impressions")
    decoder = PartitionDecoder(file.stream, file.partition, policy=policy, registry=registry)
    partition = Partition(file, decoder, CHUNK_BYTES)
    match = Match(policy)
    for _ in range(CHUNKS):
        decoded = partition.read()
        if decoded is not None:
            _index(match, decoded)
    indexes = (match.clicks.runs, match.views.runs)
    return round(sum(runs.nbytes for runs in indexes) / sum(len(runs) for runs in indexes), 1)


def _index(match: Match, decoded: Decoded) -> None:
    rows = key_impressions(decoded, Salts())
    match.insert(rows["clicks"], as_click=True)
    match.insert(rows["views"], as_click=False)
