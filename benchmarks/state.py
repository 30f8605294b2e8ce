"""The size of a touchpoint in the state of MATCH, per match key."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from attribution.match import Match
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.keys import key_impressions
from connectors.decoding.lines import Lines
from connectors.files.folder import find_files
from connectors.files.whole_lines import read_whole_lines
from connectors.hashing import Salts

CHUNKS: Final = 12
"""Chunks to index: enough for runs to be merged."""


def bytes_per_key(folder: Path) -> float:
    """Index the first chunks of a log; return bytes of all runs per row, one row per key."""
    match = Match(Policy())
    for rows in islice(_chunks(folder), CHUNKS):
        match.insert(rows["clicks"], as_click=True)
        match.insert(rows["views"], as_click=False)
    indexes = (match.clicks.runs, match.views.runs)
    return round(sum(runs.nbytes for runs in indexes) / sum(len(runs) for runs in indexes), 1)


def match_rows(folder: Path) -> pa.RecordBatch:
    """Return the rows that MATCH would store for the views in the first chunk of a log."""
    return next(_chunks(folder))["views"]


def _chunks(folder: Path) -> Iterator[dict[str, pa.RecordBatch]]:
    """Yield the input of MATCH from the impressions of a log, chunk by chunk."""
    registry = Registry.from_documents(
        json.loads((folder / "event_sources.json").read_bytes()), allow_unregistered=False
    )
    file = next(file for file in find_files(folder) if file.stream == "impressions")
    decoder = PartitionDecoder(file.stream, file.partition, policy=Policy(), registry=registry)
    offset = 0
    for content in read_whole_lines(file):
        lines = Lines.of(content)
        yield key_impressions(decoder.decode(lines, lines.numbered(offset)), Salts())
        offset += len(lines)
