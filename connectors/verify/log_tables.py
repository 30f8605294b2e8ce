"""Fills the tables of the decoded log (`log_tables.sql`) from raw streams of any kind.

Verification, explanations and the flow thus start from the same decoder output. The log is loaded
by chunks, so memory does not grow with it. Attribution rules, and the choice of keys by the policy,
are applied by the queries over the tables.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Mask, values
from attribution.columnar.frames import END
from attribution.decoded import Decoded, Keys
from attribution.policy import Policy
from attribution.quality import carries_column, warnings_column
from attribution.registry import Registry
from attribution.vocabulary import KINDS, MEASUREMENTS
from connectors.decoding.counts import received
from connectors.decoding.decoder import Next, PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.files.folder import LogFile, find_files
from connectors.files.whole_lines import decode_in_turn, read_whole_lines

_NAMES: Final = pa.array(KINDS)

_COLUMNS: Final = {
    "log_events": "* replace (coalesce(warnings, []) as warnings, coalesce(dropped, []) as dropped)"
}
"""Columns of a table that are not inserted as they are: null lists become empty ones."""


def load_log(connection: duckdb.DuckDBPyConnection, log: Iterable[Decoded], policy: Policy) -> None:
    """Load a decoded log into the empty log tables; if reading it fails, they stay empty."""
    connection.begin()
    try:
        for decoded in log:
            for table, rows in _tables(decoded, policy).items():
                _insert(connection, table, rows)
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def decode_folder(
    folder: Path, policy: Policy, registry: Registry, *, read_at: int = END
) -> Iterator[Decoded]:
    """Decode every file of a folder as of the instant `read_at`.

    Raises LogError when the folder contains no log, or a file is unreadable.
    """
    nexts = (_lines_of(file, policy, registry, read_at) for file in find_files(folder))
    return decode_in_turn(chain.from_iterable(nexts))


def _lines_of(file: LogFile, policy: Policy, registry: Registry, read_at: int) -> Iterator[Next]:
    decoder = PartitionDecoder(file.stream, file.partition, policy=policy, registry=registry)
    done = 0
    for content in read_whole_lines(file):
        lines = (Lines.of if done else Lines.at_beginning)(content)
        yield Next(decoder, lines, lines.numbered(done), read_at=read_at)
        done += len(lines)


def _tables(decoded: Decoded, policy: Policy) -> dict[str, pa.RecordBatch]:
    refused = {"log_rejections": decoded.rejections, "log_tests": decoded.tests}
    if decoded.stream == MEASUREMENTS:
        return refused | {"log_measurements": _measurements(decoded)}
    if decoded.stream == "impressions":
        return refused | {"log_impressions": _impressions(decoded)}
    return refused | {"log_events": _events(decoded, policy), "log_received": received(decoded)}


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.RecordBatch) -> None:
    if rows.num_rows:
        connection.register("chunk", rows)
        columns = _COLUMNS.get(table, "*")
        connection.execute(f"insert into {table} by name select {columns} from chunk")
        connection.unregister("chunk")


def _events(decoded: Decoded, policy: Policy) -> pa.RecordBatch:
    rows = decoded.rows
    return _placed(
        decoded,
        carries=carries_column(values(rows, "carries"), policy),
        warnings=warnings_column(values(rows, "warnings")),
    )


def _impressions(decoded: Decoded) -> pa.RecordBatch:
    is_click = decoded.rows["is_click"]
    return _placed(decoded, is_click=None, type=pc.if_else(is_click, "click", "impression"))


def _measurements(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows without their id, which `expected.sql` computes again."""
    return _placed(decoded, measurement_id=None, match_keys=None)


def _placed(decoded: Decoded, **replaced: pa.Array | None) -> pa.RecordBatch:
    """Return the decoded rows with place and match keys; columns `replaced` by None are removed."""
    rows = decoded.rows
    columns = {name: rows[name] for name in rows.schema.names if name != "line"}
    columns |= decoded.places(values(rows, "line"))
    columns |= {
        "match_keys": _key_lists(decoded.keys, rows.num_rows),
        **replaced,
    }
    present = {name: column for name, column in columns.items() if column is not None}
    return pa.RecordBatch.from_pydict(present)


def _key_lists(keys: Keys, count: int) -> pa.Array:
    """Return, for each of `count` rows, its set of match keys as a list of (kind, value)."""
    encoded = keys.value.dictionary_encode()
    code = encoded.indices.to_numpy()
    order = np.lexsort((code, keys.kind, keys.row))
    order = order[~_repeats(keys.row[order], keys.kind[order], code[order])]
    offsets = np.searchsorted(keys.row[order], np.arange(count + 1)).astype(np.int32)
    each = pa.StructArray.from_arrays(
        [_NAMES.take(pa.array(keys.kind[order])), keys.value.take(pa.array(order))],
        names=["kind", "value"],
    )
    return pa.ListArray.from_arrays(pa.array(offsets), each)


def _repeats(*columns: Array) -> Mask:
    """Mark rows of sorted columns that equal the row before."""
    repeated = np.ones(len(columns[0]), dtype=bool)
    repeated[:1] = False
    for column in columns:
        repeated[1:] &= column[1:] == column[:-1]
    return repeated
