"""The picture of a soak: a small curve per series, as SVG for light and dark backgrounds."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.harness.soak_series import Curves, Floats, Verdict

COLUMNS: Final = 2
WIDTH, HEIGHT = 360, 130
TITLE: Final = 34
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 26, 24
POINTS_MAX: Final = 300
"""Points per curve; more cannot be distinguished."""

_STYLE: Final = """<style>
text { font: 11px sans-serif; fill: #57606a }
.title { font-weight: bold; fill: #24292f }
.line { fill: none; stroke: #1b7f79; stroke-width: 1.5 }
.axis { stroke: #8c959f; stroke-opacity: .35 }
.half { fill: #8c959f; fill-opacity: .12 }
@media (prefers-color-scheme: dark) {
  text { fill: #9ea7b3 } .title { fill: #e6edf3 } .line { stroke: #4cc2b8 }
}
</style>"""


def draw(curves: Curves, found: Sequence[Verdict], *, rate: int) -> str:
    """Draw every series; the part that the verdict is based on is shaded."""
    rows = -(-len(found) // COLUMNS)
    width, height = COLUMNS * WIDTH, TITLE + rows * HEIGHT
    minutes = curves.of("at")[-1] / 60
    title = f"A run at {rate:,} records per second for {minutes:.0f} minutes, under short windows"
    panels = [_panel(curves, each, at) for at, each in enumerate(found)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            _STYLE,
            f'<text class="title" x="{LEFT}" y="20">{title}</text>',
            *panels,
            "</svg>",
            "",
        ]
    )


def _panel(curves: Curves, verdict: Verdict, at: int) -> str:
    row, column = divmod(at, COLUMNS)
    series = verdict.series
    times, values = curves.of("at"), curves.of(series.name)
    top = _round_up(float(values.max()))
    half, right, bottom = _span() / 2, LEFT + _span(), HEIGHT - BOTTOM
    shade = f'x="{LEFT + half:.0f}" y="{TOP}" width="{half:.0f}" height="{bottom - TOP}"'
    unit = f" ({series.unit})" if series.unit else ""
    parts = [
        f'<g transform="translate({column * WIDTH} {TITLE + row * HEIGHT})">',
        f'<rect class="half" {shade}/>',
        f'<text class="title" x="{LEFT}" y="{TOP - 8}">{series.title}{unit}</text>',
        _before(right, TOP - 8, verdict.word),
        _before(LEFT - 6, TOP + 4, f"{top:,.4g}"),
        _before(LEFT - 6, bottom + 4, "0"),
        _before(right, bottom + 14, f"{times[-1] / 60:.0f} min"),
        f'<path class="axis" d="M{LEFT} {TOP}H{right:.0f}M{LEFT} {bottom}H{right:.0f}"/>',
        f'<path class="line" d="{_path(times, values / top)}"/>',
        "</g>",
    ]
    return "\n".join(parts)


def _before(x: float, y: float, text: str) -> str:
    """Return a text that ends at a position."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="end">{text}</text>'


def _span() -> float:
    return WIDTH - LEFT - RIGHT


def _path(times: Floats, heights: Floats) -> str:
    step = -(-len(times) // POINTS_MAX)
    x = LEFT + times[::step] / times[-1] * _span()
    y = HEIGHT - BOTTOM - heights[::step] * (HEIGHT - TOP - BOTTOM)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _round_up(most: float) -> float:
    """Return the next round number above the largest value: one digit, or half of one."""
    step = 10.0 ** np.floor(np.log10(max(most, 1e-3))) / 2
    return float(np.ceil(most / step) * step)
