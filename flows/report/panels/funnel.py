"""What became of the events, and by which kinds of identifier they were matched."""

from typing import Final

from flows.report.asking import EVERY, Asker, Row
from flows.report.blocks import Block, Chart, Found, Note, Series, Table
from flows.report.cells import count, percent, words
from flows.report.labels import KINDS
from flows.report.selection import Selection

_STEPS: Final = {
    "received": "Events that arrived",
    "counted": "Sound and counted once",
    "attributable": "Could be attributed",
    "attributed": "Attributed to an ad",
    "click_through": "… after a click",
}
"""Steps of the funnel, each a part of the one before."""


def funnel(ask: Asker) -> Found:
    """Return how many events came how far, and how well each kind of identifier matches."""
    sums = ask.one("Events by outcome", _outcomes(ask.selection))
    kinds = ask.ask(
        "Kinds of identifier", _kinds(ask.selection), order="matched desc, kind", most=EVERY
    )
    rate = sums["attributed"] / sums["attributable"] if sums["attributable"] else None
    return Found(
        answer=(
            f"{percent(rate).text} of the conversions that could be attributed were."
            if sums["attributable"]
            else "No conversion could be attributed yet."
        ),
        meaning=(
            "Events are counted by the hour in which they arrived. An event can carry several "
            "kinds of identifier; it is matched by the strongest that it shares with an "
            "impression or click."
        ),
        blocks=[*_steps(sums), *_rates(kinds.rows)],
    )


def _outcomes(selection: Selection) -> str:
    return f"""
        select coalesce(sum(received), 0)::bigint as received,
          coalesce(sum(accepted), 0)::bigint as counted,
          coalesce(sum(attributed + unattributed), 0)::bigint as attributable,
          coalesce(sum(attributed), 0)::bigint as attributed,
          coalesce(sum(click_through), 0)::bigint as click_through,
          coalesce(sum(test), 0)::bigint as test,
          coalesce(sum(rejected), 0)::bigint as rejected,
          coalesce(sum(duplicate), 0)::bigint as duplicate,
          coalesce(sum(observed), 0)::bigint as observed
        from match_stats {selection.where("hour")}"""


def _kinds(selection: Selection) -> str:
    return f"""
        with summed as (
          select sum_maps(list(carries)) as carries, sum_maps(list(matched_on)) as matched_on
          from match_stats {selection.where("hour")}),
        kinds as (select *, unnest(map_keys(carries)) as kind from summed)
        select kind, carries[kind] as carried, coalesce(matched_on[kind], 0) as matched
        from kinds"""


def _steps(sums: Row) -> list[Block]:
    received = sums["received"]
    if not received:
        return []
    labels = list(_STEPS.values())
    numbers = [sums[step] for step in _STEPS]
    texts = [f"{number:,} ({number / received:.0%})" for number in numbers]
    table = Table(
        "Events by how far they came",
        ["Step", "Events", "Of all"],
        [
            [words(label), count(number), percent(number / received).with_bar(number / received)]
            for label, number in zip(labels, numbers, strict=True)
        ],
    )
    chart = Chart(
        "parts",
        "How far events came",
        f"Of {received:,} events, {sums['attributed']:,} were attributed to an ad.",
        labels,
        [Series("Events", numbers)],
        table,
        "Events",
        texts,
    )
    lost = {
        "refused": sums["rejected"],
        "sent again": sums["duplicate"],
        "tests": sums["test"],
        "reversals such as refunds": sums["observed"],
    }
    left_out = ", ".join(f"{number:,} {what}" for what, number in lost.items() if number)
    return [chart, Note(f"Not attributable by their nature: {left_out}.")] if left_out else [chart]


def _rates(kinds: list[Row]) -> list[Block]:
    if not kinds:
        return []
    labels = [_kind(row) for row in kinds]
    table = Table(
        "Conversions by kind of identifier",
        ["Kind of identifier", "Carried it", "Matched by it", "Match rate"],
        [
            [
                words(label),
                count(row["carried"]),
                count(row["matched"]),
                percent(_rate(row)).with_bar(_rate(row)),
            ]
            for label, row in zip(labels, kinds, strict=True)
        ],
    )
    best = max(kinds, key=lambda row: row["matched"])
    return [
        Chart(
            "parts",
            "Kinds of identifier: conversions that carried one, and that it matched",
            f"Most matches, {best['matched']:,}, are by {_kind(best)}.",
            labels,
            [
                Series("carried it", [row["carried"] for row in kinds]),
                Series("matched by it", [row["matched"] for row in kinds]),
            ],
            table,
            "Conversions",
            [f"{_rate(row):.0%} of {row['carried']:,}" for row in kinds],
        ),
        Note(
            "A low rate is not bad in itself: a conversion that was matched by a stronger kind "
            "does not count for the weaker ones that it carries."
        ),
    ]


def _rate(row: Row) -> float:
    return row["matched"] / row["carried"] if row["carried"] else 0.0


def _kind(row: Row) -> str:
    return KINDS.get(row["kind"]) or str(row["kind"])
