"""How long people take to convert, and how many touchpoints that takes."""

from typing import Final

from flows.report.asking import EVERY, Asker, Row
from flows.report.blocks import Block, Chart, Figure, Figures, Found, Series, Table
from flows.report.cells import Cell, count, duration, percent, words
from flows.report.labels import TOUCHES
from flows.report.selection import Selection

SPANS: Final = {
    3_600: "under 1 hour",
    6 * 3_600: "1 to 6 hours",
    24 * 3_600: "6 to 24 hours",
    3 * 86_400: "1 to 3 days",
    7 * 86_400: "3 to 7 days",
    14 * 86_400: "7 to 14 days",
}
"""Upper ends in seconds, themselves outside, and their names."""

LONGER: Final = "14+ days"

TOUCHPOINTS_MAX: Final = 10
"""Paths of so many touchpoints and more are counted together."""


def timing(ask: Asker) -> Found:
    """Return the time from ad to conversion, and touchpoints per conversion."""
    typical = ask.one("Typical time and touchpoints", _typical(ask.selection))
    spans = ask.ask("Time to convert", _spans(ask.selection), order="up_to, touch_type", most=EVERY)
    lengths = ask.ask(
        "Touchpoints per conversion", _lengths(ask.selection), order="touchpoints", most=EVERY
    )
    return Found(
        answer=(
            f"Half of the attributed conversions come within "
            f"{duration(typical['median_seconds']).text} of the ad that won them."
            if typical["conversions"]
            else "There is no attributed conversion yet."
        ),
        meaning=(
            "Time runs from the winning touchpoint to the conversion. It cannot be longer than "
            "the time for which a click or a view counts, so a campaign that works slowly shows "
            "here only in part. Touchpoints are the impressions and clicks that share a "
            "conversion."
        ),
        blocks=_blocks(typical, spans.rows, lengths.rows) if typical["conversions"] else [],
    )


def _typical(selection: Selection) -> str:
    return f"""
        select count(*) as conversions, median(seconds_to_convert) as median_seconds,
          quantile_cont(seconds_to_convert, 0.9) as ninth_seconds,
          median(path_length) as median_touchpoints,
          quantile_cont(path_length, 0.9) as ninth_touchpoints
        from conversions {selection.where("event_time", "outcome = 'attributed'")}"""


def _spans(selection: Selection) -> str:
    cases = " ".join(f"when seconds_to_convert < {end} then {end}" for end in SPANS)
    return f"""
        select case {cases} end as up_to, touch_type, count(*) as conversions
        from conversions {selection.where("event_time", "outcome = 'attributed'")}
        group by up_to, touch_type"""


def _lengths(selection: Selection) -> str:
    return f"""
        select least(path_length, {TOUCHPOINTS_MAX}) as touchpoints, count(*) as conversions
        from conversions {selection.where("event_time", "outcome = 'attributed'")}
        group by touchpoints"""


def _blocks(typical: Row, spans: list[Row], lengths: list[Row]) -> list[Block]:
    return [
        Figures(
            [
                Figure("Half convert within", duration(typical["median_seconds"]).text),
                Figure("Nine of ten within", duration(typical["ninth_seconds"]).text),
                Figure("Touchpoints, half have up to", count(typical["median_touchpoints"]).text),
                Figure("Nine of ten have up to", count(typical["ninth_touchpoints"]).text),
            ]
        ),
        _times(spans),
        _touchpoints(lengths),
    ]


def _times(rows: list[Row]) -> Chart:
    ends = [*SPANS, None]
    labels = [*SPANS.values(), LONGER]
    found = {(row["up_to"], row["touch_type"]): row["conversions"] for row in rows}
    series = [
        Series(label, [found.get((end, touch), 0) for end in ends])
        for touch, label in TOUCHES.items()
    ]
    table = Table(
        "Conversions by time from the winning touchpoint",
        ["Time to convert", "After a click", "After a view", "All"],
        [
            _counted(label, *numbers)
            for label, *numbers in zip(labels, *_values(series), strict=True)
        ],
    )
    title = "Conversions by time from the winning touchpoint"
    return Chart(
        "columns", title, "Time grows from left to right.", labels, series, table, "Conversions"
    )


def _touchpoints(rows: list[Row]) -> Chart:
    found = {row["touchpoints"]: row["conversions"] for row in rows}
    lengths = range(1, max(found) + 1)
    labels = [f"{n}+" if n == TOUCHPOINTS_MAX else str(n) for n in lengths]
    numbers = [found.get(length, 0) for length in lengths]
    whole = sum(numbers)
    table = Table(
        "Conversions by number of touchpoints",
        ["Touchpoints", "Conversions", "Of all"],
        [
            [words(label), count(number), percent(number / whole).with_bar(number / whole)]
            for label, number in zip(labels, numbers, strict=True)
        ],
    )
    return Chart(
        "columns",
        "Conversions by number of touchpoints",
        f"{numbers[0]:,} of {whole:,} conversions have a single touchpoint.",
        labels,
        [Series("Conversions", numbers)],
        table,
        "Conversions",
    )


def _values(series: list[Series]) -> list[list[int]]:
    return [[int(number) for number in each.values] for each in series]


def _counted(label: str, *numbers: int) -> list[Cell]:
    return [words(label), *map(count, numbers), count(sum(numbers))]
