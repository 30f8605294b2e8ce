"""What a page is about: everything in a result, or one advertiser, some days, one currency.

A selection becomes conditions of SQL with its values as literals, so that what a page shows as SQL
is what was asked, and can be asked again.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from connectors.errors import OperatorError

NAME_LETTERS_MAX: Final = 256
"""The longest advertiser_id or currency that is looked for."""

DAY: Final = "day"
"""The name of a column with days of UTC instead of instants."""


class SelectionError(OperatorError):
    """A page is asked about something that cannot be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a page is about; days are of UTC, and `until` is the first day outside."""

    advertiser: str | None = None
    since: date | None = None
    until: date | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        """Check that the days are in order; raises SelectionError."""
        if self.since and self.until and self.since >= self.until:
            msg = (
                f"there is no day from {self.since} to before {self.until}; "
                "name a later day as the end, which is itself outside"
            )
            raise SelectionError(msg)

    def where(self, instant: str, *conditions: str) -> str:
        """Return the WHERE clause for rows with an advertiser; `instant` is their time, or DAY."""
        return _where(*self._advertiser(), *self._days(instant), *conditions)

    def on_all_days(self) -> str:
        """Return the WHERE clause for rows with an advertiser that belong to no day."""
        return _where(*self._advertiser())

    def money(self, instant: str, *conditions: str) -> str:
        """Return the WHERE clause for rows with money, of the selected currency."""
        chosen = () if self.currency is None else (f"currency = {literal(self.currency)}",)
        return self.where(instant, "currency is not null", *chosen, *conditions)

    def _advertiser(self) -> tuple[str, ...]:
        return () if self.advertiser is None else (f"advertiser_id = {literal(self.advertiser)}",)

    def _days(self, instant: str) -> tuple[str, ...]:
        bounds = ((">=", self.since), ("<", self.until))
        spelt = "date '{}'" if instant == DAY else "timestamptz '{} 00:00:00+00'"
        return tuple(f"{instant} {sign} {spelt.format(day)}" for sign, day in bounds if day)


def selected(
    advertiser: str | None = None,
    since: str | None = None,
    until: str | None = None,
    currency: str | None = None,
) -> Selection:
    """Return the selection that texts stand for, empty ones for all; raises SelectionError."""
    return Selection(
        _name(advertiser, "advertiser"),
        _day(since, "from"),
        _day(until, "to"),
        _name(currency, "currency"),
    )


def literal(text: str) -> str:
    """Return a text as SQL spells it."""
    return "'" + text.replace("'", "''") + "'"


def _where(*conditions: str) -> str:
    return "where " + " and ".join(conditions) if conditions else ""


def _name(text: str | None, what: str) -> str | None:
    if not text:
        return None
    if len(text) > NAME_LETTERS_MAX or not text.isprintable():
        msg = f"the {what} is no name of up to {NAME_LETTERS_MAX} printable characters"
        raise SelectionError(msg)
    return text


def _day(text: str | None, what: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"'{what}' is a day such as 2026-04-26; got {text[:40]!r}"
        raise SelectionError(msg) from error
