"""The picture of the ingest bench: CPU of the server per event, as SVG."""

from collections.abc import Sequence
from typing import Final

WIDTH, BAR, GAP, LEFT, TOP = 720, 26, 14, 230, 56
COLOURS: Final = {True: "#1b7f79", False: "#8a8f98"}
"""Of the API's own bars, and of those it is compared with."""

_FONT: Final = 'font-family="sans-serif" font-size="12" fill="#333"'

Bar = tuple[str, float, bool]
"""A name, CPU microseconds per event, and whether it is the API's own."""


def draw(bars: Sequence[Bar]) -> str:
    """Draw a bar for each way of taking an event; shorter is cheaper."""
    height = TOP + len(bars) * (BAR + GAP) + GAP
    most = max(cost for _, cost, _ in bars)
    title = "CPU of the server per event, in microseconds"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="20" y="28" {_FONT} font-weight="bold">{title}</text>',
    ]
    parts += [_bar(row, *bar, most=most) for row, bar in enumerate(bars)]
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: int, name: str, cost: float, is_ours: bool, *, most: float) -> str:  # noqa: FBT001  a field of a row
    y = TOP + row * (BAR + GAP)
    width = cost / most * (WIDTH - LEFT - 80)
    middle = y + BAR / 2 + 4
    return (
        f'<text x="{LEFT - 10}" y="{middle:.0f}" {_FONT} text-anchor="end">{name}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[is_ours]}"/>'
        f'<text x="{LEFT + width + 8:.0f}" y="{middle:.0f}" {_FONT}>{cost:.1f}</text>'
    )
