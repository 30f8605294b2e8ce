"""Questions that need what the job does not compute yet: their places say so, without numbers."""

from connectors.wording import counted
from flows.report.asking import EVERY, Asker, Row
from flows.report.blocks import Block, Found, Table
from flows.report.cells import count, money, words
from flows.report.labels import in_words
from flows.report.selection import Selection


def shares(_ask: Asker) -> Found:
    """Return the place of the data-driven models."""
    return Found(
        answer="Not computed yet.",
        meaning=(
            "Data-driven models (Markov chains, Shapley values) compare journeys that converted "
            "with those that did not, and say how sure they are. They come with a later version. "
            "The models above are rules: they share out what happened and cannot tell what an ad "
            "has caused."
        ),
    )


def refunds(ask: Asker) -> Found:
    """Return which reversals were seen; they are not subtracted yet."""
    seen = ask.ask(
        "Reversals seen", _reversals(ask.selection), order="event_type, currency", most=EVERY
    )
    events = sum(row["events"] for row in seen.rows)
    return Found(
        answer=f"{counted(events, 'reversal')} seen, and not subtracted yet."
        if events
        else "None seen.",
        meaning=(
            "All values on this page are gross. Refunds are stored as they come, but a later "
            "version first subtracts them: by the day of the conversion, and by the day of the "
            "refund."
        ),
        blocks=_table(seen.rows, seen.more) if events else [],
    )


def _reversals(selection: Selection) -> str:
    return f"""
        select event_type, currency, count(*) as events, sum(value) as value
        from conversions {selection.where("event_time", "outcome = 'observed'")}
        group by event_type, currency"""


def _table(rows: list[Row], more: int) -> list[Block]:
    cells = [
        [
            words(in_words(row["event_type"])),
            count(row["events"]),
            money(row["value"], row["currency"]),
        ]
        for row in rows
    ]
    caption = "Reversals as they were sent, by type and currency"
    return [Table(caption, ["Type", "Events", "Value"], cells, more)]
