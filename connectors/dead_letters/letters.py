"""Dead letters: records refused as a whole, unchanged, with headers that say why.

A dead letter is a Kafka record with the key, value and headers of the refused one, and additional
`dlq.*` headers, a namespace reserved for this job. It is never written to the result, because it
may contain personal data. When it is sent again, a header refers to the refused record.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Mask, concat
from attribution.columnar.frames import DEAD_LETTERS
from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.contract.times import write_time
from attribution.decoded import Decoded
from connectors.dead_letters.limit import DeadLetterWatch
from connectors.intake import Documents, Headers, Origins
from connectors.kafka.producer import Outgoing
from connectors.positions import topic_and_number

LETTER_BYTES_MAX: Final = MAX_DOCUMENT_BYTES
"""Limit on key, value and headers. A larger dead letter omits them: it could not be sent, and would
stop the job for ever. Its topic, partition and offset say where the record is."""

OURS: Final = "dlq."
REASON: Final = "dlq.reason"
MESSAGE: Final = "dlq.message"
TOPIC: Final = "dlq.topic"
PARTITION: Final = "dlq.partition"
OFFSET: Final = "dlq.offset"
AT: Final = "dlq.at"
OMITTED: Final = "dlq.omitted"
REPLAY_OF: Final = "dlq.replay_of"

HEADERS: Final = {
    REASON: "Code of the rejection, as in table rejections",
    MESSAGE: "Why it was refused, as a sentence",
    TOPIC: "Topic of the refused record",
    PARTITION: "Its partition",
    OFFSET: "Its offset there",
    AT: "When it was set aside",
    OMITTED: "Bytes of key, value and headers, where they were too many to be kept",
}
"""The headers of every dead letter; only the last may be missing."""

_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{1,18})")

LETTERS: Final = pa.schema(
    {
        "stream": pa.string(),
        "topic": pa.string(),
        "partition": pa.int32(),
        "offset": pa.int64(),
        "code": pa.string(),
        "message": pa.string(),
        "key": pa.binary(),
        "value": pa.binary(),
        "headers": pa.list_(pa.struct({"name": pa.string(), "value": pa.binary()})),
        "omitted": pa.int64(),
    }
)
"""One row per dead letter to be sent; `omitted` is null if it is complete."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter read from its topic: what was refused, where and why."""

    topic: str
    partition: int
    offset: int
    code: str
    message: str
    at: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    is_whole: bool

    @property
    def place(self) -> str:
        """The topic, partition and offset of the refused record, in the form of `dlq.replay_of`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def set_aside(
    documents: Iterable[Documents], decoded: Decoded, watch: DeadLetterWatch | None
) -> dict[str, pa.RecordBatch]:
    """Return the dead letters of a chunk, and the links of records that were resent, by table.

    Without a `watch`, which counts refused records, there are no dead letters. Raises
    TooManyDeadLettersError.
    """
    found: dict[str, list[pa.RecordBatch]] = defaultdict(list)
    for each in documents:
        if (resent := _resent_records_of(each)) is not None:
            found["resent_records"].append(resent)
        if watch is None:
            continue
        refused = _refused_lines(each, decoded)
        watch.count(each.partition, *_flagged(refused, len(each.lines)))
        if (letters := _dead_letters_of(each, refused)) is not None:
            found[DEAD_LETTERS].append(letters)
    return {name: concat(batches) for name, batches in found.items()}


def _dead_letters_of(
    documents: Documents, refused: Mapping[int, dict[str, Any]]
) -> pa.RecordBatch | None:
    """Return the rows (`LETTERS`) of the refused lines of documents; None if there are none.

    Documents of files have no dead letters: they remain in their files.
    """
    if documents.origins is None or not refused:
        return None
    topic, partition = topic_and_number(documents.partition)
    same = {"stream": documents.stream, "topic": topic, "partition": partition}
    rows = [same | row | _original(documents.origins, line) for line, row in refused.items()]
    return pa.RecordBatch.from_pylist(rows, schema=LETTERS)


def _refused_lines(documents: Documents, decoded: Decoded) -> dict[int, dict[str, Any]]:
    """Return offset, code and message by line, for the lines that were refused as a whole."""
    partitions = decoded.rejections["source_partition"]
    if pc.index(partitions, documents.partition).as_py() < 0:
        return {}
    mine = pc.equal(partitions, documents.partition)
    is_whole = decoded.rejections["source_index"].is_null()
    whole = decoded.rejections.filter(pc.and_(mine, is_whole))
    found = whole.select(["source_offset", "code", "message"]).to_pylist()
    lines = np.searchsorted(documents.offsets, [row["source_offset"] for row in found])
    return {
        line: {"offset": row["source_offset"], "code": row["code"], "message": row["message"]}
        for line, row in zip(lines.tolist(), found, strict=True)
    }


def _flagged(refused: Mapping[int, dict[str, Any]], lines: int) -> tuple[Mask, str]:
    """Return a mask of `lines` lines with the refused ones, and the code of the last of them."""
    flags = np.zeros(lines, dtype=bool)
    flags[list(refused)] = True
    return flags, refused[max(refused)]["code"] if refused else ""


def _resent_records_of(documents: Documents) -> pa.RecordBatch | None:
    """Return the rows of table `resent_records`; None if no record was a dead letter."""
    if documents.origins is None or not any(documents.origins.headers):
        return None
    rows = [
        {"source_offset": int(documents.offsets[line]), **rejected}
        for line, headers in enumerate(documents.origins.headers)
        for rejected in _rejected(headers or ())
    ]
    same = {"stream": documents.stream, "source_partition": documents.partition}
    return pa.RecordBatch.from_pylist([same | row for row in rows]) if rows else None


def outgoing(row: Mapping[str, Any], topic: str, now: int) -> Outgoing:
    """Return the record of a dead letter, from a row of `LETTERS`; `now` is in microseconds."""
    ours = {
        REASON: row["code"],
        MESSAGE: row["message"],
        TOPIC: row["topic"],
        PARTITION: row["partition"],
        OFFSET: row["offset"],
        AT: write_time(now),
        OMITTED: row["omitted"],
    }
    headers = [(each["name"], each["value"]) for each in row["headers"]]
    headers += [(name, str(value).encode()) for name, value in ours.items() if value is not None]
    return Outgoing(topic, row["value"], row["key"], headers)


def read_letter(key: bytes | None, value: bytes | None, headers: Headers) -> Letter | None:
    """Read a record of the dead-letter topic; None if it is not a dead letter."""
    ours = {name: (text or b"").decode(errors="replace") for name, text in headers}
    place = _PLACE.fullmatch("/".join(ours.get(name, "") for name in (TOPIC, PARTITION, OFFSET)))
    if place is None or REASON not in ours:
        return None
    return Letter(
        topic=place[1],
        partition=int(place[2]),
        offset=int(place[3]),
        code=ours[REASON],
        message=ours.get(MESSAGE, ""),
        at=ours.get(AT, ""),
        key=key,
        value=value,
        headers=headers,
        is_whole=OMITTED not in ours,
    )


def replayed(letter: Letter) -> Outgoing:
    """Return the refused record unchanged, with a header that links it to its rejection."""
    theirs = [header for header in letter.headers if not header[0].startswith(OURS)]
    headers = [*theirs, (REPLAY_OF, letter.place.encode())]
    return Outgoing(letter.topic, letter.value, letter.key, headers, letter.partition)


def _original(origins: Origins, line: int) -> dict[str, Any]:
    """Return the key, value and headers of a record, or their size if too large to be sent."""
    key, value = origins.keys[line], origins.values[line]
    # If the record was a dead letter before, only the link header is kept.
    headers = [
        (name, text)
        for name, text in origins.headers[line] or ()
        if name == REPLAY_OF or not name.startswith(OURS)
    ]
    size = len(key or b"") + len(value or b"")
    size += sum(len(name.encode()) + len(text or b"") for name, text in headers)
    if size > LETTER_BYTES_MAX:
        return {"key": None, "value": None, "headers": [], "omitted": size}
    pairs = [{"name": name, "value": text} for name, text in headers]
    return {"key": key, "value": value, "headers": pairs, "omitted": None}


def _rejected(headers: Headers) -> Iterator[dict[str, Any]]:
    """Yield where a record was refused, according to a header, which any producer may have set."""
    said = dict(headers).get(REPLAY_OF) or b""
    if place := _PLACE.fullmatch(said.decode(errors="replace")):
        yield {"rejected_partition": f"{place[1]}-{place[2]}", "rejected_offset": int(place[3])}
