"""The picture of a latency bench: how long the slowest share of records took, per rate, as SVG."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.harness.latencies import Latencies

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 48, 60
COLOURS: Final = ("#1b7f79", "#c8553d", "#4059ad", "#8a6fb0", "#6b705c")
SHARES: Final = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9)
"""Marked percentiles, on a logarithmic axis of the remaining share."""

_FONT: Final = 'font-family="sans-serif" font-size="12" fill="#333"'


def draw(found: Sequence[Latencies], *, over: str) -> str:
    """Draw a line per rate: percentiles on the x axis, milliseconds on the y axis."""
    top = _round_up(max(float(np.percentile(each.milliseconds, SHARES[-1])) for each in found))
    title = f"Append to committed row, milliseconds, over {over}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" {_FONT} font-weight="bold">{title}</text>',
        *(_across(top * step / 4, top) for step in range(5)),
        *(_upward(share) for share in SHARES),
    ]
    parts += [_line(each, top, at) for at, each in enumerate(found)]
    return "\n".join([*parts, "</svg>", ""])


def _x(share: float) -> float:
    return LEFT - np.log10(1 - min(share, SHARES[-1]) / 100) / 3 * (WIDTH - LEFT - RIGHT)


def _y(milliseconds: float, top: float) -> float:
    return HEIGHT - BOTTOM - milliseconds / top * (HEIGHT - TOP - BOTTOM)


def _round_up(milliseconds: float) -> float:
    step = 10 ** np.floor(np.log10(max(milliseconds, 1.0)))
    return float(np.ceil(milliseconds / step) * step)


def _across(milliseconds: float, top: float) -> str:
    y = _y(milliseconds, top)
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" {_FONT}>{milliseconds:,.0f}</text>'
    )


def _upward(share: float) -> str:
    x, name = _x(share), "fastest" if not share else f"p{share:g}"
    return (
        f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" {_FONT}>{name}</text>'
    )


def _line(each: Latencies, top: float, at: int) -> str:
    shares = 100 - 100 * np.logspace(0, -3, 120)
    points = [
        f"{_x(share):.1f} {_y(float(np.percentile(each.milliseconds, share)), top):.1f}"
        for share in shares.tolist()
    ]
    colour, y = COLOURS[at % len(COLOURS)], TOP + 20 * at + 10
    return (
        f'<path d="M{" L".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{WIDTH - RIGHT + 16}" y="{y}" {_FONT} style="fill:{colour}">'
        f"{each.figures.rate:,} records/s</text>"
    )
