"""Checks each event against the version of its event source that was valid at that time.

The vectorised form of `attribution.registry.judge_source`, with the same results.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask, values
from attribution.policy import Policy
from attribution.quality import quality, warnings_of
from attribution.registry import (
    NOT_ALLOWED,
    UNKNOWN_SOURCE,
    Registry,
    SourceVersion,
)
from attribution.vocabulary import WARNING_BITS, Code, Warn
from connectors.decoding.chunk import Chunk

_UNKNOWN: Final = -1


class Checked(NamedTuple):
    """The mask of accepted rows, the refused and the test events, and the warnings of all rows."""

    stays: Mask
    refused: list[dict[str, Any]]
    tests: list[dict[str, Any]]
    warnings: Array


class SourceRules:
    """The sources of a chunk's envelopes, by line."""

    def __init__(self, chunk: Chunk, judged_at: Ints, registry: Registry) -> None:
        """Look up the version of each envelope's source; `judged_at` is per line."""
        assert chunk.envelopes is not None
        self._chunk = chunk
        self._versions: list[SourceVersion] = []
        self._of_line = np.full(len(judged_at), _UNKNOWN)
        self._unknown = self._look_up(chunk.envelopes, judged_at, registry)

    def _look_up(self, envelopes: pa.RecordBatch, judged_at: Ints, registry: Registry) -> Mask:
        """Store the version of each line; return a mask of the envelopes with unknown sources."""
        lines = values(envelopes, "line")
        codes, names = _distinct(envelopes)
        unknown = np.zeros(len(lines), dtype=bool)
        for code, name in enumerate(names):
            mine = np.flatnonzero(codes == code)
            instant = judged_at[lines[mine]]
            span = np.searchsorted(_changes(registry, name), instant, side="right")
            for each, first in zip(*np.unique(span, return_index=True), strict=True):
                rows = mine[span == each]
                version = registry.lookup(*name, at=int(instant[first]))
                if version is None:
                    unknown[rows] = True
                else:
                    self._of_line[lines[rows]] = len(self._versions)
                    self._versions.append(version)
        return unknown

    def check(self, policy: Policy) -> Checked:
        """Check every event against the version of its source."""
        chunk = self._chunk
        lines = values(chunk.rows, "line")
        version = self._of_line[lines]
        stays = version != _UNKNOWN
        warnings = values(chunk.rows, "warnings").copy()
        refused, tests = self._whole_envelopes()
        for code, source in enumerate(self._versions):
            rows = np.flatnonzero(version == code)
            for row, problem in _broken_rules(chunk.rows, rows, source):
                refused.append(_refusal(chunk.rows, row, *problem))
                stays[row] = False
            if source.allowed_domains:
                no_url = chunk.rows["event_source_url"].take(pa.array(rows)).is_null()
                mine = rows[no_url.to_numpy(zero_copy_only=False)]
                warnings[mine] |= np.uint32(WARNING_BITS[Warn.MISSING_EVENT_SOURCE_URL])
        codes = self._test_codes()
        tested = np.flatnonzero(stays & np.isin(lines, list(codes)))
        stays[tested] = False
        for row in tested.tolist():
            test = _test(chunk.rows, row, codes[lines[row]], policy)
            tests.append(test | {"warnings": warnings_of(int(warnings[row]))})
        tests += [_as_test(row, codes[row["line"]]) for row in refused if _is_test(row, codes)]
        refused = [row for row in refused if not _is_test(row, codes)]
        return Checked(stays, refused, tests, warnings)

    def _whole_envelopes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the refused and the test rows, including envelopes of unknown sources."""
        chunk = self._chunk
        assert chunk.envelopes is not None
        envelopes = chunk.envelopes.filter(pa.array(self._unknown)).to_pylist()
        unknown = {envelope["line"] for envelope in envelopes}
        refused = [row for row in chunk.refused if row["line"] not in unknown]
        tests = [row for row in chunk.tests if row["line"] not in unknown]
        for envelope in envelopes:
            envelope["code"] = Code.REFERENCE_NOT_FOUND
            if envelope["test_event_code"] is not None:
                tests.append(envelope)
            else:
                refused.append(envelope | {"message": UNKNOWN_SOURCE, "field": "event_source_id"})
        return refused, tests

    def _test_codes(self) -> dict[int, str]:
        """Return the test code of each line that has one: its own, else that of its source."""
        assert self._chunk.envelopes is not None
        known = self._chunk.envelopes.filter(pa.array(~self._unknown))
        own = known.filter(known["test_event_code"].is_valid())
        codes = {
            line: source.test_event_code
            for code, source in enumerate(self._versions)
            if source.test_event_code is not None
            for line in np.flatnonzero(self._of_line == code).tolist()
        }
        pairs = zip(own["line"].to_pylist(), own["test_event_code"].to_pylist(), strict=True)
        return codes | dict(pairs)


def _is_test(refusal: dict[str, Any], codes: dict[int, str]) -> bool:
    """Return whether a refusal concerns a single test event."""
    return refusal.get("source_index") is not None and refusal["line"] in codes


def _changes(registry: Registry, name: tuple[str, str]) -> Ints:
    """Return the instants at which the valid version of a source may change, in order."""
    versions = registry.versions.get(name, ())
    edges = {edge for each in versions for edge in (each.valid_from, each.valid_to)}
    return np.array(sorted(edges), dtype=np.int64)


def _distinct(envelopes: pa.RecordBatch) -> tuple[Ints, list[tuple[str, str]]]:
    """Return a number per envelope for its (advertiser, source) pair, and the distinct pairs."""
    advertiser = envelopes["advertiser_id"].dictionary_encode()
    source = envelopes["event_source_id"].dictionary_encode()
    width = max(len(source.dictionary), 1)
    both = advertiser.indices.to_numpy().astype(np.int64) * width + source.indices.to_numpy()
    pairs, codes = np.unique(both, return_inverse=True)
    return codes, [
        (advertiser.dictionary[pair // width].as_py(), source.dictionary[pair % width].as_py())
        for pair in pairs.tolist()
    ]


def _broken_rules(
    rows: pa.RecordBatch, mine: Ints, source: SourceVersion
) -> list[tuple[int, tuple[Code, str]]]:
    """Return the rows that violate a rule of their source, with the first one violated."""
    broken: dict[int, tuple[Code, str]] = {}
    rules = (
        ("event_type", source.event_types, Code.INVALID_EVENT_TYPE, "event_type"),
        ("event_source_host", source.allowed_domains, Code.DOMAIN_NOT_ALLOWED, "event_source_url"),
        ("currency", source.value_currencies, Code.CURRENCY_NOT_ALLOWED, "custom_data.currency"),
    )
    for column, allowed, code, field in rules:
        if allowed is None or (not allowed and column != "event_type"):
            continue
        given = rows[column].take(pa.array(mine)).cast(pa.string())
        words = [word for word in pc.unique(given).to_pylist() if word is not None]
        bad = [word for word in words if not _allows(source, column, word)]
        if bad:
            hits = pc.is_in(given, value_set=pa.array(bad)).to_numpy(zero_copy_only=False)
            for row in mine[hits].tolist():
                broken.setdefault(row, (code, field))
    return list(broken.items())


def _allows(source: SourceVersion, column: str, word: str) -> bool:
    if column == "event_source_host":
        return source.allows_host(word)
    allowed = source.event_types if column == "event_type" else source.value_currencies
    return allowed is None or word in allowed


def _refusal(rows: pa.RecordBatch, row: int, code: Code, field: str) -> dict[str, Any]:
    return _named(rows, row) | {
        "source_index": rows["source_index"][row].as_py(),
        "record_id": rows["event_id"][row].as_py(),
        "code": code,
        "message": NOT_ALLOWED[field],
        "field": field,
    }


def _test(rows: pa.RecordBatch, row: int, test_event_code: str, policy: Policy) -> dict[str, Any]:
    return _named(rows, row) | {
        "event_id": rows["event_id"][row].as_py(),
        "test_event_code": test_event_code,
        "match_quality": quality(rows["carries"][row].as_py(), policy),
    }


def _as_test(refusal: dict[str, Any], test_event_code: str) -> dict[str, Any]:
    return refusal | {
        "event_id": refusal.get("record_id"),
        "test_event_code": test_event_code,
    }


def _named(rows: pa.RecordBatch, row: int) -> dict[str, Any]:
    names = ("line", "advertiser_id", "event_source_id", "event_type")
    return {name: rows[name][row].as_py() for name in names} | {"events": 1}
