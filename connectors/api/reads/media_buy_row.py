"""A media buy as AdCP writes it: totals, packages with their creatives, days.

Where money of a media buy is in several currencies, its totals and days have none: each package
has its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.api.reads.asked import Row
from connectors.api.reads.cells import NO_CURRENCY, ZERO, Cell, by_action_source, by_type
from connectors.api.reads.media_buys import (
    BUY,
    BUY_ACTION,
    BUY_TYPE,
    CREATIVE,
    DAY,
    PACKAGE,
    PACKAGE_ACTION,
    PACKAGE_DAY,
    PACKAGE_TYPE,
    Found,
)

STATUS: Final = "active"
"""Of whatever has delivered; when a media buy begins and ends is not known here."""

NOTHING: Final[list[Mapping[str, Any]]] = [
    {"currency": None, "impressions": 0, "clicks": 0, "conversions": ZERO}
]
"""The rows of what has delivered nothing in the period."""

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MediaBuy:
    """Writes the row of a media buy; `finality` is told of it and of each package."""

    found: Found
    finality: Row
    has_days: bool
    _rows: dict[tuple[Any, ...], Rows] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Sort the rows by what they are of."""
        for row in self.found.rows:
            key = row["level"], row["package_id"], row["creative_id"], row["day"]
            self._rows[key].append(row)

    @property
    def currency(self) -> str | None:
        """The only currency of all money; None if there are several."""
        found = self._cell(BUY).currencies or {NO_CURRENCY}
        return next(iter(found)) if len(found) == 1 else None

    def written(self) -> Row:
        """Return the row."""
        currency, totals = self.currency, self._cell(BUY)
        packages = sorted(
            {key[1] for key in self._rows if key[0] == PACKAGE and key[1] is not None}
        )
        row: Row = {"media_buy_id": self.found.media_buy_id, "status": STATUS}
        row |= {"currency": currency} if currency else {}
        row |= self.finality
        row["totals"] = totals.metrics(currency) | self._kinds(BUY_TYPE, BUY_ACTION, None, currency)
        row["by_package"] = [self._package(each) for each in packages]
        if self.has_days and currency:
            row["daily_breakdown"] = self._days(DAY, None, currency)
        return row | {"ext": {"tributary": self._extension()}}

    def _package(self, package_id: str) -> Row:
        cell = self._cell(PACKAGE, package_id)
        currency = self.currency or cell.currency
        paid_clicks = self.found.paid_clicks.get((package_id, currency), ZERO)
        row = {"package_id": package_id, **cell.metrics(currency), "currency": currency}
        row |= cell.pricing(currency, paid_clicks) | self.finality
        row |= self._kinds(PACKAGE_TYPE, PACKAGE_ACTION, package_id, currency)
        row |= self._creatives(package_id, currency)
        if self.has_days:
            row["daily_breakdown"] = self._days(PACKAGE_DAY, package_id, currency)
        return row

    def _creatives(self, package_id: str, currency: str) -> Row:
        """Return the creatives of a package, by spend, then impressions."""
        rows = [
            {"creative_id": creative_id, **Cell.of(rows).metrics(currency)}
            for (level, package, creative_id, _), rows in self._rows.items()
            if level == CREATIVE and package == package_id and creative_id is not None
        ]
        rows.sort(key=lambda each: (-each["spend"], -each["impressions"], each["creative_id"]))
        return {
            "by_creative": rows,
            "by_creative_truncated": self.found.is_cut,
            "by_creative_sorted_by": "spend",
            "by_creative_sort_direction": "desc",
        }

    def _days(self, level: int, package_id: str | None, currency: str) -> list[Row]:
        days = [
            {"date": day.isoformat(), **Cell.of(rows).metrics(currency)}
            for (each, package, _, day), rows in self._rows.items()
            if each == level and package == package_id
        ]
        return sorted(days, key=lambda each: str(each["date"]))

    def _kinds(self, types: int, actions: int, package_id: str | None, currency: str | None) -> Row:
        def kinds(level: int) -> Iterable[Mapping[str, Any]]:
            return (
                each
                for each in self.found.kinds
                if each["level"] == level and each["package_id"] == package_id
            )

        return {
            "by_event_type": by_type(kinds(types), currency),
            "by_action_source": by_action_source(kinds(actions), currency),
        }

    def _extension(self) -> Row:
        """Return what AdCP has no field for."""
        told: Row = {
            "pricing": "effective",
            "provisional_conversions": self.found.provisional,
        }
        rest = self._rows.get((PACKAGE, None, None, None))
        if rest is not None:
            told["without_package"] = Cell.of(rest).metrics(self.currency)
        if self.currency is None:
            told["by_currency"] = [
                {"currency": currency, **self._money(currency)}
                for currency in sorted(self._cell(BUY).currencies)
            ]
        return told

    def _money(self, currency: str) -> Row:
        cell = self._cell(BUY)
        return {
            "spend": cell.spend.get(currency, ZERO),
            "conversion_value": cell.value.get(currency, ZERO),
        }

    def _cell(self, level: int, package_id: str | None = None) -> Cell:
        return Cell.of(self._rows.get((level, package_id, None, None)) or NOTHING)
