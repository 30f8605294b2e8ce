"""Writes planned touches as lines of the impression stream: JSON text, column by column.

Lines are concatenated from text instead of dumped from dicts, which is several times faster: a
bench log is half a gigabyte. Only faulty records are converted to dicts.
"""

import numpy as np

from flows.generate.draws import Draws
from flows.generate.faults import TOUCH_FAULTS
from flows.generate.people import IN_TOUCHES, Carriers, click_members, user_match_members
from flows.generate.rows import Rows
from flows.generate.text import (
    CURRENCIES,
    advertiser_name,
    received_members,
    sent_time,
    spoil_lines,
    spoil_records,
    stamps,
    user_match,
)

_CAMPAIGNS, _BUYS, _PACKAGES, _CREATIVES = 4, 2, 2, 3


def touch_lines(draws: Draws, rows: Rows, people: int) -> list[str]:
    """Write one line per record of the impression stream, in the order of the rows."""
    number, clicks = rows["number"], rows["click"].tolist()
    carriers = Carriers(number, rows["user"], rows["device"], rows["user"] >= people)
    click_ids = click_members(draws, number, rows["click"], cookie=False)
    members = user_match_members(draws, carriers, IN_TOUCHES, click_ids)
    advertisers = rows["advertiser"].tolist()
    opening = [f'{{"advertiser_id":"{advertiser_name(one)}"' for one in range(max(advertisers) + 1)]
    prices = _prices(draws, rows)
    columns = zip(
        advertisers,
        draws.hexes("impression id", number),
        clicks,
        stamps(sent_time(rows)),
        received_members(draws, rows["arrival"], rows["slot"] * 4 + rows["copy"]),
        _placements(draws, rows),
        members,
        prices,
        strict=True,
    )
    lines = [
        f'{opening[advertiser]},"impression_id":"imp_{token}","type":'
        f'"{"click" if click else "impression"}","time":"{time}Z"{received},{placement}'
        f"{user_match(member)}{price}}}"
        for advertiser, token, click, time, received, placement, member, price in columns
    ]
    spoil_records(lines, rows["fault"], TOUCH_FAULTS)
    return spoil_lines(lines, rows["fault"], TOUCH_FAULTS)


def _placements(draws: Draws, rows: Rows) -> list[str]:
    """Write campaign, media buy, package and creative of each record; a few lack the last three."""
    advertisers = int(rows["advertiser"].max()) + 1
    campaigns = np.arange(advertisers * _CAMPAIGNS * _BUYS * _PACKAGES * _CREATIVES)
    table = [_placement(one) for one in campaigns.tolist()]
    within = draws.below("placement", rows["number"], len(table) // advertisers)
    chosen = rows["advertiser"] * (len(table) // advertisers) + within
    return [table[one] for one in chosen.tolist()]


def _placement(place: int) -> str:
    rest, creative = divmod(place, _CREATIVES)
    rest, package = divmod(rest, _PACKAGES)
    rest, buy = divmod(rest, _BUYS)
    advertiser, campaign = divmod(rest, _CAMPAIGNS)
    name = f"{advertiser_name(advertiser)}_{campaign + 1}"
    return (
        f'"campaign_id":"cmp_{name}","media_buy_id":"mb_{name}_{buy + 1}",'
        f'"package_id":"pkg_{name}_{buy + 1}{package + 1}",'
        f'"creative_id":"crv_{name}_{"abc"[creative]}"'
    )


def _prices(draws: Draws, rows: Rows) -> list[str]:
    """Write what each impression cost: 0.5 to 12 thousandths, nothing for a click."""
    tens = 50 + draws.below("price", rows["number"], 1_150)
    return [
        ""
        if click
        else f',"price":0.{cost:05d},"currency":"{CURRENCIES[advertiser % len(CURRENCIES)]}"'
        for click, cost, advertiser in zip(
            rows["click"].tolist(), tens.tolist(), rows["advertiser"].tolist(), strict=True
        )
    ]
