"""How campaigns work together: conversions that several of them have touched."""

from typing import Final

from flows.report.asking import Asker, Row
from flows.report.blocks import Block, Chart, Found, Note, Series, Table
from flows.report.cells import count, name
from flows.report.names import labels_of
from flows.report.panels.recent import attributed_in_all, recent, scope
from flows.report.selection import Selection


def overlap(ask: Asker) -> Found:
    """Return how often campaigns share a conversion with others, and with which."""
    shared = ask.ask(
        "Campaigns alone and with others",
        _shared(ask.selection),
        order="conversions desc, advertiser_id, campaign_id",
    )
    pairs = ask.ask(
        "Pairs of campaigns",
        _pairs(ask.selection),
        order="conversions desc, advertiser_id, campaign_id, other_campaign_id",
    )
    blocks: list[Block] = [_shares(shared.rows, shared.more)] if shared.rows else []
    if pairs.rows:
        blocks.append(_pair_table(pairs.rows, pairs.more))
    elif shared.rows:
        blocks.append(Note("No two campaigns have touched the same conversion."))
    return Found(
        answer=_answer(shared.rows),
        meaning=(
            "A conversion counts here for every campaign with a touchpoint on its journey, "
            "whatever it earned. A campaign that is seldom alone lives off others, or prepares "
            "for them; only an experiment tells which."
        ),
        blocks=blocks,
    )


_TOUCHED: Final = "select distinct advertiser_id, conversion_id, campaign_id from credits"


def _shared(selection: Selection) -> str:
    return f"""
        with touched as ({_TOUCHED} {recent(selection)}),
        sized as (
          select *, count(*) over (partition by conversion_id) as campaigns from touched)
        select advertiser_id, campaign_id, count(*) as conversions,
          count(*) filter (campaigns > 1) as with_others,
          (select count(distinct conversion_id) from touched) as seen,
          {attributed_in_all(selection)} as attributed_in_all
        from sized group by advertiser_id, campaign_id"""


def _pairs(selection: Selection) -> str:
    return f"""
        with touched as ({_TOUCHED} {recent(selection)})
        select one.advertiser_id, one.campaign_id, other.campaign_id as other_campaign_id,
          count(*) as conversions
        from touched as one join touched as other using (advertiser_id, conversion_id)
        where one.campaign_id < other.campaign_id
        group by one.advertiser_id, one.campaign_id, other_campaign_id"""


def _answer(shared: list[Row]) -> str:
    if not shared:
        return "No campaign has touched a conversion yet."
    touched = sum(row["conversions"] for row in shared)
    together = sum(row["with_others"] for row in shared)
    part = f"{together / touched:.0%}"
    first = shared[0]
    are_all = first["seen"] >= first["attributed_in_all"]
    one = (
        "a conversion" if are_all else f"one of {scope(first['seen'], first['attributed_in_all'])}"
    )
    return f"Where the largest campaigns touch {one}, others do too in {part} of the cases."


def _shares(rows: list[Row], more: int) -> Chart:
    labels = labels_of(rows)
    table = Table(
        "Conversions of campaigns, alone and with others",
        ["Campaign", "Advertiser", "Conversions touched", "With other campaigns", "Alone"],
        [
            [
                name(row["campaign_id"]),
                name(row["advertiser_id"]),
                count(row["conversions"]),
                count(row["with_others"]).with_bar(row["with_others"] / row["conversions"]),
                count(row["conversions"] - row["with_others"]),
            ]
            for row in rows
        ],
        more,
    )
    return Chart(
        "parts",
        "Conversions touched by a campaign, and those shared with others",
        f"The {len(rows)} campaigns that touch most conversions.",
        labels,
        [
            Series("touched", [row["conversions"] for row in rows]),
            Series("with other campaigns", [row["with_others"] for row in rows]),
        ],
        table,
        "Conversions",
        [
            f"{row['with_others'] / row['conversions']:.0%} of {row['conversions']:,}"
            for row in rows
        ],
    )


def _pair_table(rows: list[Row], more: int) -> Table:
    most = rows[0]["conversions"]
    return Table(
        "Pairs of campaigns on the same journey",
        ["Campaign", "Other campaign", "Advertiser", "Conversions with both"],
        [
            [
                name(row["campaign_id"]),
                name(row["other_campaign_id"]),
                name(row["advertiser_id"]),
                count(row["conversions"]).with_bar(row["conversions"] / most),
            ]
            for row in rows
        ],
        more,
    )
