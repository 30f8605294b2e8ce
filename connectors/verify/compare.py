"""Compares the contents of a result file with the expected ones, row by row.

Works on one connection that has the `expected_*` tables of `expected.sql`, and the result file
attached as `result`. `tables` defines the comparisons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One table of the result, what it must equal, and the columns that identify its rows.

    If a key has several rows, the n-th ones are compared, sorted by the columns of `order`.
    `tolerances` maps columns to SQL over the expected row `e` for the accepted difference.
    `expected` and `got` are relations in SQL; if not given, those of the table's name.
    """

    table: str
    key: tuple[str, ...]
    expected: str = ""
    got: str = ""
    order: tuple[str, ...] = ()
    tolerances: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the relations that are not given."""
        object.__setattr__(self, "expected", self.expected or f"expected_{self.table}")
        object.__setattr__(self, "got", self.got or f"result.{self.table}")


@dataclass(frozen=True, slots=True)
class Difference:
    """A cell, or with `column` None a whole row, that differs; values as text."""

    table: str
    key: str
    column: str | None
    expected: str | None
    got: str | None

    def __str__(self) -> str:
        """Return one line for a person."""
        place = f"{self.table} ({self.key})"
        if self.column is None:
            return f"{place}: {'row is missing' if self.got is None else 'row should not be there'}"
        return f"{place} {self.column}: expected {_shown(self.expected)}, got {_shown(self.got)}"


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The result for one table; `differences` are those of its first differing rows."""

    table: str
    rows: int
    differing_rows: int
    differences: tuple[Difference, ...]


def compare(
    connection: duckdb.DuckDBPyConnection, comparison: Comparison, *, limit: int
) -> TableCheck:
    """Compare one table; report the first `limit` differing rows."""
    columns = _columns(connection, comparison.expected)
    paired = _paired(comparison, columns)
    counts = connection.execute(f"select count(*), {_DIFFERING} {paired}").fetchone()
    assert counts is not None
    rows, differing = counts
    found = tuple(_differences(connection, comparison, paired, limit)) if differing else ()
    return TableCheck(comparison.table, rows, differing, found)


_DIFFERING: Final = "count(*) filter (len(cells) > 0 or not (is_expected and is_there))"


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    described = connection.execute(f"describe from {relation}").fetchall()
    return {name: kind for name, kind, *_ in described}


def _paired(comparison: Comparison, columns: dict[str, str]) -> str:
    """Return SQL that pairs the n-th rows of each key, and lists the cells that differ."""
    key = ", ".join(comparison.key)
    chosen = ", ".join(f"{_comparable(name, kind)} as {name}" for name, kind in columns.items())
    order = f"order by {', '.join(comparison.order)}" if comparison.order else ""
    numbered = f"select {chosen}, row_number() over (partition by {key} {order}) as nth from"
    meeting = " and ".join(f"e.{name} is not distinct from g.{name}" for name in comparison.key)
    names = ", ".join(f"coalesce(e.{name}::varchar, g.{name}::varchar)" for name in comparison.key)
    cells = ", ".join(
        f"""{{name: '{name}', expected: e.{name}::varchar, got: g.{name}::varchar,
          differs: {_differs(name, comparison.tolerances.get(name))}}}"""
        for name in columns
    )
    return f"""from (
      select concat_ws(' ', {names}) as key, e.nth is not null as is_expected,
        g.nth is not null as is_there,
        if(is_expected and is_there,
          list_filter([{cells}], lambda cell: cell.differs), []) as cells
      from ({numbered} {comparison.expected}) as e
      full join ({numbered} {comparison.got}) as g on {meeting} and e.nth = g.nth)"""


def _comparable(name: str, kind: str) -> str:
    """Return SQL for a canonical form: maps and sets are sorted, and a null set is empty."""
    if kind.startswith("MAP"):
        return f"list_sort(list_filter(map_entries({name}), lambda entry: entry.value <> 0))"
    return f"list_sort(coalesce({name}, []))" if name in {"warnings", "dropped"} else name


def _differs(name: str, tolerance: str | None) -> str:
    expected, got = f"e.{name}", f"g.{name}"
    if tolerance is None:
        return f"{expected} is distinct from {got}"
    far = f"abs({expected}::double - {got}::double) > ({tolerance}) * (1 + 1e-6)"
    return f"coalesce({far}, {expected} is distinct from {got})"


def _differences(
    connection: duckdb.DuckDBPyConnection, comparison: Comparison, paired: str, limit: int
) -> Iterator[Difference]:
    table = comparison.table
    rows = connection.execute(
        f"""select key, is_expected, is_there, cells {paired}
        where len(cells) > 0 or not (is_expected and is_there) order by key limit {limit}"""
    ).fetchall()
    for key, is_expected, is_there, cells in rows:
        if not (is_expected and is_there):
            yield Difference(table, key, None, _row(present=is_expected), _row(present=is_there))
        for cell in cells:
            yield Difference(table, key, cell["name"], cell["expected"], cell["got"])


def _row(*, present: bool) -> str | None:
    return "a row" if present else None


def _shown(value: str | None) -> str:
    return "nothing" if value is None else value
