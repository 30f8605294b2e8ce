"""The paths of campaigns that lead to conversions."""

from typing import Final

from flows.report.asking import Answer, Asker, Row
from flows.report.blocks import Found, Table
from flows.report.cells import NOTHING, Cell, count, money, name, path, percent
from flows.report.panels.recent import attributed_in_all, recent, scope
from flows.report.selection import Selection

MONIES_MAX: Final = 2
"""Currencies whose value a journey shows."""


def journeys(ask: Asker) -> Found:
    """Return the most frequent paths of campaigns."""
    found = ask.ask(
        "Most frequent journeys",
        _journeys(ask.selection),
        order="conversions desc, advertiser_id, campaigns",
    )
    return Found(
        answer=_answer(found),
        meaning=(
            "A journey is the campaigns of all touchpoints of a conversion, the earliest first. "
            "Journeys that did not end in a conversion are not kept yet, so nothing here says how "
            "likely a journey is to convert."
        ),
        blocks=[_table(found.rows, found.more)] if found.rows else [],
    )


def _answer(found: Answer) -> str:
    if not found.rows:
        return "No journey has led to a conversion yet."
    first = found.rows[0]
    whole = scope(first["in_total"], first["attributed_in_all"])
    return f"{found.in_all:,} different journeys led to {whole}."


def _journeys(selection: Selection) -> str:
    return f"""
        with paths as (
          select advertiser_id, conversion_id, list(campaign_id order by position) as campaigns
          from credits {recent(selection)} group by advertiser_id, conversion_id),
        valued as (
          select paths.advertiser_id, campaigns, currency, count(*) as conversions,
            sum(value) as value, median(seconds_to_convert) as median_seconds,
            min(conversion_id) as example, arg_min(event_id, conversion_id) as event_id
          from paths join conversions using (conversion_id)
          group by paths.advertiser_id, campaigns, currency)
        select advertiser_id, campaigns, sum(conversions)::bigint as conversions,
          list({{value: value, currency: currency}} order by conversions desc)
            filter (value is not null) as monies,
          min(example) as example, arg_min(event_id, example) as event_id,
          sum(sum(conversions)) over ()::bigint as in_total,
          {attributed_in_all(selection)} as attributed_in_all
        from valued group by advertiser_id, campaigns"""


def _table(rows: list[Row], more: int) -> Table:
    most = rows[0]["conversions"]
    return Table(
        "The most frequent journeys that ended in a conversion",
        ["Journey", "Advertiser", "Conversions", "Of all", "Value", "Example event"],
        [
            [
                path(row["campaigns"]),
                name(row["advertiser_id"]),
                count(row["conversions"]).with_bar(row["conversions"] / most),
                percent(row["conversions"] / row["in_total"]),
                _monies(row["monies"] or []),
                name(row["event_id"]).linked(f"conversions/{row['example']}"),
            ]
            for row in rows
        ],
        more,
    )


def _monies(monies: list[Row]) -> Cell:
    shown = [money(each["value"], each["currency"]).text for each in monies[:MONIES_MAX]]
    hidden = len(monies) - len(shown)
    return Cell(
        " and ".join([*shown, *([f"{hidden} more"] if hidden else [])]) or NOTHING, "number"
    )
