"""Charts in Altair's grammar; imported only where Altair is installed."""

from dataclasses import dataclass
from typing import Any, Final

import altair as alt

from flows.report.blocks import Chart

FONT: Final = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
)
"""The page's fonts. Text is measured in another one, so drawings leave room at their ends."""

INK, MUTED, LINE = "var(--ink)", "var(--muted)", "var(--line)"
SERIES: Final = [f"var(--series-{number})" for number in range(1, 6)]
PARTS: Final = ["var(--series-1-soft)", "var(--series-1)"]

MARKS: Final = ["square", "circle", "diamond", "triangle-up", "cross"]
"""Series differ in more than colour."""

NARROW_BELOW: Final = 400
"""In drawings less wide than that, labels stand above their bars."""

ROW_HEIGHT, DOTS_HEIGHT, COLUMNS_HEIGHT = 30, 44, 220
"""Heights of a row, of one with marks, and of upright columns, in pixels."""

LABEL_HEIGHT: Final = 20
"""What a label above its row needs."""

AXIS_HEIGHT, LEGEND_HEIGHT = 44, 28
"""What an axis, and a line of the legend, need below and above."""

COLUMN_LETTERS_MAX: Final = 4
"""Labels of upright columns in narrow drawings; with longer ones the columns lie."""

LANES: Final = [-12, -4, 4, 12]
"""How far marks stand from the middle of their line, in pixels: models often agree."""

ROOM, NARROW_ROOM = 1.35, 1.7
"""An axis is longer than the longest bar by this factor, for the text at its end."""

HEADROOM: Final = 1.12
"""The same for upright columns, with their sum on top."""

ROWS: Final = "rows"
"""The name of the data in a specification."""

STYLE: Final = {
    "background": "transparent",
    "padding": 4,
    "autosize": {"type": "fit", "contains": "padding"},
    "config": {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK,
            "labelFontSize": 12,
            "titleColor": MUTED,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": LINE,
            "domainColor": LINE,
            "tickColor": LINE,
        },
        "legend": {"labelColor": INK, "labelFontSize": 12, "symbolSize": 80, "labelLimit": 200},
    },
}

NUMBERS: Final = "format(datum.value, '~s')"
"""Labels of an axis: 0, 500, 2k."""


def specification(chart: Chart, width: int) -> dict[str, Any]:
    """Return a chart's specification in Vega-Lite."""
    draw = Drawing(chart, is_narrow=width < NARROW_BELOW)
    # Altair would copy data and style with every layer, and check each of the copies.
    drawn = alt.layer(*draw.layers()).to_dict(validate=False)
    size = {"width": width, "height": draw.height}
    return drawn | STYLE | size | {"datasets": {ROWS: draw.rows()}}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as it is drawn at a width."""

    chart: Chart
    is_narrow: bool

    @property
    def height(self) -> int:
        """Return how high it is, in pixels."""
        legend = LEGEND_HEIGHT * -(-len(self.chart.series) // self._legend_columns)
        head = legend if len(self.chart.series) > 1 else 0
        if self._is_upright:
            return COLUMNS_HEIGHT + head
        foot = 0 if self.chart.shape == "parts" else AXIS_HEIGHT
        row = DOTS_HEIGHT if self.chart.shape == "dots" else ROW_HEIGHT
        row += LABEL_HEIGHT if self._has_labels_above else 0
        return row * len(self.chart.labels) + head + foot

    def rows(self) -> list[dict[str, str | float]]:
        """Return the rows that are drawn, one for each label and series."""
        texts = list(self.chart.texts) or [""] * len(self.chart.labels)
        return [
            {"label": label, "series": series.name, "value": value, "text": text, "at": at}
            for series in self.chart.series
            for at, (label, value, text) in enumerate(
                zip(self.chart.labels, series.values, texts, strict=True)
            )
        ]

    def layers(self) -> list[alt.Chart]:
        """Return the layers of the drawing, the lowest first."""
        if self.chart.shape == "columns":
            return self._columns() if self._is_upright else self._stacked()
        drawn = self._parts() if self.chart.shape == "parts" else self._dots()
        return [*drawn, self._labels_above()] if self._has_labels_above else drawn

    @property
    def _is_upright(self) -> bool:
        longest = max(map(len, self.chart.labels), default=0)
        fits = not self.is_narrow or longest <= COLUMN_LETTERS_MAX
        return self.chart.shape == "columns" and fits

    @property
    def _has_labels_above(self) -> bool:
        return self.is_narrow and self.chart.shape != "columns"

    @property
    def _room(self) -> float:
        return NARROW_ROOM if self.is_narrow else ROOM

    @property
    def _legend_columns(self) -> int:
        return 2 if self.is_narrow else 5

    def _parts(self) -> list[alt.Chart]:
        """Return bars over bars, the first series the widest."""
        series = self.chart.series
        most = max(series[0].values, default=0) or 1
        x = alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, most * self._room]), stack=None)
        colour = self._colour(PARTS if len(series) > 1 else SERIES)
        bars = _layer().mark_bar(cornerRadiusEnd=2, size=14).encode(x, self._y(), colour)
        texts = _of(series[0].name).mark_text(align="left", dx=6, fontSize=12)
        return [bars, texts.encode(x, self._y(), text="text:N", color=alt.value(INK))]

    def _dots(self) -> list[alt.Chart]:
        """Return a bar of the first series, and a mark of each other on the same line."""
        axis = alt.Axis(title=self.chart.axis, tickCount=4, labelExpr=NUMBERS)
        x = alt.X("value:Q", axis=axis, stack=None)
        names = [series.name for series in self.chart.series]
        colour = self._colour([PARTS[0], *SERIES[1:]])
        shape = alt.Shape("series:N", scale=alt.Scale(domain=names, range=MARKS[: len(names)]))
        bars = _of(names[0]).mark_bar(size=32, cornerRadiusEnd=2)
        marks = [
            _of(series)
            .mark_point(filled=True, size=52, opacity=1, stroke="var(--card)", yOffset=lane)
            .encode(x, self._y(), colour, shape)
            for series, lane in zip(names[1:], LANES, strict=False)
        ]
        return [bars.encode(x, self._y(), colour), *marks]

    def _stacked(self) -> list[alt.Chart]:
        """Return bars from left to right, one series after the other, and their sums."""
        x = alt.X("sum(value):Q", axis=None, scale=alt.Scale(domain=[0, self._most * self._room]))
        bars = _layer().mark_bar(size=16).encode(x, self._y(), self._colour(SERIES), _ORDER)
        sums = _layer().mark_text(align="left", dx=6, fontSize=12, color=INK)
        return [bars, sums.encode(x, self._y(), _SUM)]

    def _columns(self) -> list[alt.Chart]:
        """Return upright columns, one series on the other, and their sums."""
        labels = alt.Axis(title=None, labelAngle=0, labelFontSize=12, ticks=False)
        x = alt.X("label:N", sort=list(self.chart.labels), axis=labels)
        axis = alt.Axis(title=self.chart.axis, tickCount=4, labelExpr=NUMBERS)
        y = alt.Y("sum(value):Q", axis=axis, scale=alt.Scale(domain=[0, self._most * HEADROOM]))
        size = alt.RelativeBandSize(band=0.6)
        bars = _layer().mark_bar(width=size).encode(x, y, self._colour(SERIES), _ORDER)
        sums = _layer().mark_text(baseline="bottom", dy=-4, fontSize=12, color=INK)
        return [bars, sums.encode(x, y, _SUM)]

    @property
    def _most(self) -> float:
        """Return the largest sum of a label."""
        stacks = zip(*(series.values for series in self.chart.series), strict=True)
        return max(map(sum, stacks), default=0) or 1

    def _labels_above(self) -> alt.Chart:
        texts = _of(self.chart.series[0].name)
        offset = -18 if self.chart.shape == "dots" else -10
        texts = texts.mark_text(align="left", baseline="bottom", dy=offset, fontSize=12, color=INK)
        return texts.encode(self._y(), x=alt.value(0), text="label:N")

    def _y(self) -> alt.Y:
        axis = alt.Axis(title=None, domain=False, ticks=False, labelLimit=190, labelPadding=8)
        shown = None if self._has_labels_above else axis
        return alt.Y("label:N", sort=alt.EncodingSortField(field="at", op="min"), axis=shown)

    def _colour(self, colours: list[str]) -> alt.Color:
        names = [series.name for series in self.chart.series]
        legend = alt.Legend(title=None, orient="top", columns=self._legend_columns)
        scale = alt.Scale(domain=names, range=colours[: len(names)])
        return alt.Color("series:N", scale=scale, legend=legend if len(names) > 1 else None)


_ORDER: Final = alt.Order("series:N", sort="ascending")
_SUM: Final = alt.Text("sum(value):Q", format=",")


def _layer() -> alt.Chart:
    return alt.Chart(alt.NamedData(ROWS))


def _of(series: str) -> alt.Chart:
    return _layer().transform_filter(alt.datum.series == series)
