"""The latest journeys: a result may have millions, and a page is made within seconds."""

from typing import Final

from flows.report.selection import Selection

ATTRIBUTED: Final = "outcome = 'attributed'"

JOURNEYS_MAX: Final = 500_000
"""About so many of the latest attributed conversions are looked at one by one."""


def recent(selection: Selection) -> str:
    """Return the WHERE clause for credits of the latest conversions of a selection."""
    attributed = selection.where("event_time", ATTRIBUTED)
    return selection.where(
        "event_time",
        f"""seq >= (
            select coalesce(min(seq), 0) from (
              select seq from conversions {attributed} order by seq desc limit {JOURNEYS_MAX}))""",
    )


def attributed_in_all(selection: Selection) -> str:
    """Return SQL that counts the attributed conversions of a selection, also older ones."""
    return f"(select count(*) from conversions {selection.where('event_time', ATTRIBUTED)})"


def scope(seen: int, in_all: int) -> str:
    """Return what a number of conversions is about, in words."""
    return f"{seen:,} conversions" if seen >= in_all else f"the latest {seen:,} conversions"
