"""Delivery of one thing, a media buy, package, creative or day, as metrics in one currency.

A value stays in its currency: what is in another one is never added, and never divided by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for that: of a package without any price or value."""

ZERO: Final = Decimal()

RATE_DIGITS: Final = Decimal("0.000001")

STANDARD_TYPES: Final = {"subscription": "subscribe", "deposit": "custom"}
"""What AdCP calls the types that it does not have."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Counts, and what was spent and earned by currency."""

    impressions: int
    clicks: int
    conversions: Decimal
    spend: dict[str, Decimal]
    value: dict[str, Decimal]
    valued: dict[str, Decimal]

    @classmethod
    def of(cls, rows: list[Mapping[str, Any]]) -> Self:
        """Build a cell from a row per currency: counts repeat on each."""
        first = rows[0]
        known = [row for row in rows if row["currency"] is not None]

        def by_currency(name: str) -> dict[str, Decimal]:
            return {row["currency"]: row[name] for row in known if row[name] > 0}

        return cls(
            first["impressions"],
            first["clicks"],
            first["conversions"],
            by_currency("spend"),
            by_currency("value"),
            by_currency("valued_conversions"),
        )

    @property
    def currencies(self) -> set[str]:
        """All currencies in which something was spent or earned."""
        return self.spend.keys() | self.value.keys()

    @property
    def currency(self) -> str:
        """The currency of most of the spend or, without any, of most of the value."""
        monies = self.spend or self.value
        return max(sorted(monies), key=lambda each: monies[each], default=NO_CURRENCY)

    def metrics(self, currency: str | None) -> dict[str, Any]:
        """Return counts, and money in a currency; None leaves all money out."""
        told: dict[str, Any] = {"impressions": self.impressions, "clicks": self.clicks}
        if 0 < self.impressions >= self.clicks:
            told["ctr"] = Decimal(self.clicks) / self.impressions
        told["conversions"] = self.conversions
        if currency is None:
            return told
        spend = self.spend.get(currency, ZERO)
        told["spend"] = spend
        if self.valued.get(currency) or not self.conversions:
            told["conversion_value"] = self.value.get(currency, ZERO)
            told |= {"roas": told["conversion_value"] / spend} if spend else {}
        if spend and self.conversions and len(self.spend) == 1:
            told["cost_per_acquisition"] = spend / self.conversions
        return told

    def pricing(self, currency: str, paid_clicks: Decimal) -> dict[str, Any]:
        """Return what the delivery has cost in effect: per click if only clicks had prices."""
        spend = self.spend.get(currency, ZERO)
        is_by_click = 0 < spend == paid_clicks
        units = Decimal(self.clicks) if is_by_click else Decimal(self.impressions) / 1000
        rate = spend / units if units else ZERO
        model = "cpc" if is_by_click else "cpm"
        return {"pricing_model": model, "rate": rate.quantize(RATE_DIGITS)}


def by_type(kinds: Iterable[Mapping[str, Any]], currency: str | None) -> list[dict[str, Any]]:
    """Return conversions by event type and source; the counts are all conversions together."""
    return _grouped("event_type", kinds, currency)


def by_action_source(
    kinds: Iterable[Mapping[str, Any]], currency: str | None
) -> list[dict[str, Any]]:
    """Return conversions by action source and source, as far as events say where they happened."""
    told = [each for each in kinds if each["action_source"] is not None]
    return _grouped("action_source", told, currency)


def _grouped(
    name: str, kinds: Iterable[Mapping[str, Any]], currency: str | None
) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str], Decimal] = {}
    values: dict[tuple[str, str], Decimal] = {}
    for each in kinds:
        key = STANDARD_TYPES.get(each[name], each[name]), each["event_source_id"]
        counts[key] = counts.get(key, ZERO) + each["conversions"]
        if each["currency"] == currency and each["value"] is not None:
            values[key] = values.get(key, ZERO) + each["value"]
    return [
        {name: kind, "event_source_id": source, "count": count}
        | ({"value": values[kind, source]} if (kind, source) in values else {})
        for (kind, source), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
