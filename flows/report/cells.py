"""How single answers are written: numbers, money, times, and names that somebody else chose.

A cell is text and nothing else; the templates escape it. Numbers have separators, money two digits
after the point (or as many as the currency has), long names are cut.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final, Literal

Kind = Literal["words", "name", "number", "path"]

NAME_LETTERS_MAX: Final = 48
"""A longer name is cut; its beginning is what it says on hovering."""

TITLE_LETTERS_MAX: Final = 400
"""Of a name that was cut, so much is kept."""

STEPS_MAX: Final = 6
"""Steps of a path that are shown, equal ones in a row as one."""

WHOLE_CURRENCIES: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"}
    | {"VND", "VUV", "XAF", "XOF", "XPF"}
)
"""Currencies without a smaller unit."""

NOTHING: Final = "–"
"""An answer that there is none of."""

_JOINERS: Final = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""They are part of words in some scripts, and of emoji."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer: its text, how it is set, and what goes with it."""

    text: str
    kind: Kind = "words"
    title: str = ""
    bar: float | None = None
    link: str = ""
    note: str = ""
    steps: tuple["Cell", ...] = ()

    def with_bar(self, part: float) -> "Cell":
        """Return the cell with a bar of that part (0 to 1) of the width."""
        return replace(self, bar=min(max(part, 0.0), 1.0))

    def noted(self, note: str) -> "Cell":
        """Return the cell with something smaller beneath."""
        return replace(self, note=note)

    def linked(self, link: str) -> "Cell":
        """Return the cell as a link within the site."""
        return replace(self, link=link)


def words(text: str) -> Cell:
    """Return a text of ours."""
    return Cell(text)


def name(text: str | None) -> Cell:
    """Return a name that somebody else chose, whatever it holds."""
    if text is None:
        return Cell(NOTHING)
    shown = printable(text)
    if len(shown) <= NAME_LETTERS_MAX:
        return Cell(shown, "name")
    title = shown[:TITLE_LETTERS_MAX] + ("…" if len(shown) > TITLE_LETTERS_MAX else "")
    return Cell(shown[: NAME_LETTERS_MAX - 1] + "…", "name", title)


def printable(text: str) -> str:
    """Return a text on one line, without characters that steer how it is set."""
    return "".join(map(_printable, text))


def _printable(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS:
        return letter
    return " " if unicodedata.category(letter) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def count(number: float | Decimal | None) -> Cell:
    """Return a number: a whole one as such, shares of conversions with one digit."""
    if number is None:
        return Cell(NOTHING, "number")
    is_whole = number == int(number)
    return Cell(f"{number:,.0f}" if is_whole else f"{number:,.1f}", "number")


def amount(value: Decimal | None, currency: str) -> Cell:
    """Return money whose currency is said elsewhere."""
    return Cell(NOTHING if value is None else money_digits(value, currency), "number")


def money(value: Decimal | None, currency: str | None) -> Cell:
    """Return money with its currency."""
    if value is None or currency is None:
        return Cell(NOTHING, "number")
    return Cell(f"{money_digits(value, currency)} {printable(currency)}", "number")


def money_digits(value: Decimal, currency: str) -> str:
    """Return the digits of an amount of money; small prices keep three of them."""
    if 0 < abs(value) < Decimal("0.1"):
        return f"{value:.3g}"
    return f"{value:,.0f}" if currency in WHOLE_CURRENCIES else f"{value:,.2f}"


def percent(part: float | None) -> Cell:
    """Return a share of 1 as a percentage."""
    return Cell(NOTHING if part is None else f"{part:.1%}", "number")


def ratio(number: float | None) -> Cell:
    """Return how many times one thing is another."""
    return Cell(NOTHING if number is None else f"{number:,.2f}×", "number")


def change(new: Decimal, old: Decimal) -> str:
    """Return how much larger or smaller an amount is than another one."""
    if not old:
        return "new" if new else ""
    rounded = f"{(new - old) / old * 100:+,.0f}%".replace("-", "−")
    return "0%" if rounded[1:] == "0%" else rounded


def duration(seconds: float | None) -> Cell:
    """Return a length of time in its largest unit."""
    if seconds is None:
        return Cell(NOTHING, "number")
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return Cell(f"{number} {unit}{'' if number == '1' else 's'}", "number")
    return Cell(f"{seconds:.0f} seconds", "number")


def instant(moment: datetime | None) -> Cell:
    """Return a time of UTC, to the minute."""
    if moment is None:
        return Cell(NOTHING)
    return Cell(f"{moment:%Y-%m-%d %H:%M} UTC", title=moment.isoformat())


def precise(moment: datetime) -> Cell:
    """Return a time of UTC, to the second."""
    return Cell(f"{moment:%Y-%m-%d %H:%M:%S} UTC", title=moment.isoformat())


def path(names: Iterable[str | None]) -> Cell:
    """Return the steps of a path, equal ones in a row as one, the middle of a long one left out."""
    steps = [
        replace(name(step), text=f"{name(step).text}{_times(repeats)}")
        for step, group in groupby(names)
        for repeats in [sum(1 for _ in group)]
    ]
    if len(steps) > STEPS_MAX:
        left_out = len(steps) - STEPS_MAX + 1
        steps[STEPS_MAX - 2 : -1] = [words(f"{left_out} more")]
    return Cell(" → ".join(step.text for step in steps), "path", steps=tuple(steps))


def _times(repeats: int) -> str:
    return f" ×{repeats}" if repeats > 1 else ""
