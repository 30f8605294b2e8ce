"""Rows of an answer as text: CSV and JSON, with all digits of money.

In CSV, NULL is an empty field and an empty text is "". In JSON, NaN and infinities are texts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

Row: TypeAlias = tuple[Any, ...]

# Money is written with all its digits.
_JSON: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

_QUOTED: Final = re.compile(r'[",\r\n]')


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer; its type is as DuckDB spells it."""

    name: str
    type: str


def columns_of(description: Iterable[tuple[Any, ...]]) -> list[Column]:
    """Return the columns of a cursor; a name that repeats gets a number, as in `a`, `a_1`."""
    seen: Counter[str] = Counter()
    columns = []
    for name, kind, *_ in description:
        columns.append(Column(f"{name}_{seen[name]}" if seen[name] else name, str(kind)))
        seen[name] += 1
    return columns


def header_in_csv(columns: Iterable[Column]) -> str:
    """Return the first line of CSV."""
    return ",".join(_field(column.name) for column in columns)


def row_in_csv(row: Row) -> str:
    """Return a line of CSV."""
    return ",".join("" if value is None else _field(cell(value, null="")) for value in row)


def _field(text: str) -> str:
    if text and not _QUOTED.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def row_as_object(columns: list[Column], row: Row) -> str:
    """Return a row as a JSON object."""
    names = (column.name for column in columns)
    return _JSON.encode(dict(zip(names, _values(columns, row), strict=True))).decode()


def row_as_array(columns: list[Column], row: Row) -> bytes:
    """Return a row as a JSON array."""
    return _JSON.encode(list(_values(columns, row)))


def _values(columns: list[Column], row: Row) -> Iterator[Any]:
    for column, value in zip(columns, row, strict=True):
        is_document = column.type == "JSON" and value is not None
        yield msgspec.Raw(value.encode()) if is_document else _finite(value)


def _finite(value: Any) -> Any:  # noqa: ANN401  whatever a column may hold
    """Return the value with NaN and infinities as texts, because JSON numbers exclude them."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value


def cell(value: object, *, null: str) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return null
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"  # 0.000000000, which str() writes as 0E-9
    text = _JSON.encode(_finite(value)).decode()
    return text.strip('"') if text.startswith('"') else text


RAW: Final = "raw"
"""The type of a column whose cells are JSON already."""


def texts_of(columns: list[Column], row: list[msgspec.Raw]) -> Row:
    """Return cells that are JSON as the texts that `cell` would return for their values."""
    return tuple(_text(column, raw) for column, raw in zip(columns, row, strict=True))


def _text(column: Column, raw: msgspec.Raw) -> str | None:
    text = bytes(raw).decode()
    if text == "null":
        return None
    is_text = text.startswith('"') and column.type != "JSON"
    return str(msgspec.json.decode(raw)) if is_text else text
