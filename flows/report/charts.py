"""Charts as inline SVG: drawn by Altair and vl-convert where the extra `report` is installed.

A drawing has no script, no address and no colour of its own: colours are variables of the page's
stylesheet, so that light, dark and print need one drawing. It is drawn twice, for wide and narrow
screens, because text that shrinks with its drawing cannot be read.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Final
from xml.etree import ElementTree as ET

from markupsafe import Markup

from flows.report.blocks import Chart

WIDTHS: Final = {"wide": 760, "narrow": 320}
"""Widths of a drawing in pixels, by the class of the page's stylesheet that shows it."""

SVG: Final = "http://www.w3.org/2000/svg"

TAGS: Final = frozenset({"svg", "g", "path", "text", "line", "rect", "circle", "title", "desc"})
"""Elements that a drawing has; any other is a fault."""

ADDRESS: Final = re.compile(r"(url\(|https?:|javascript:|data:)(?!//www\.w3\.org/)", re.IGNORECASE)


DRAWN_MAX: Final = 128
"""Charts whose drawings are kept: to draw one takes some tenths of a second."""

_DRAWN: Final[dict[str, dict[str, str]]] = {}


class ChartError(AssertionError):
    """A drawing has something that no drawing may have."""


@cache
def can_draw() -> bool:
    """Return whether the libraries of the extra `report` are installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def drawings(chart: Chart, identity: str) -> Iterator[tuple[str, Markup]]:
    """Yield each class of screen with its drawing; nothing without the libraries."""
    if not can_draw():
        return
    key = repr(chart)
    if key not in _DRAWN:
        while len(_DRAWN) >= DRAWN_MAX:
            _DRAWN.pop(next(iter(_DRAWN)))
        _DRAWN[key] = {screen: _draw(chart, width) for screen, width in WIDTHS.items()}
    for screen, drawn in _DRAWN[key].items():
        yield screen, accessible(drawn, chart, f"{identity}-{screen}")


def _draw(chart: Chart, width: int) -> str:
    import vl_convert  # noqa: PLC0415  an optional extra

    from flows.report.vega import specification  # noqa: PLC0415  the same

    return vl_convert.vegalite_to_svg(specification(chart, width))


def accessible(drawn: str, chart: Chart, identity: str) -> Markup:
    """Return a drawing as one image with a title and a description; raises ChartError.

    Whatever is no plain drawing is refused, so that names in it stay text.
    """
    root = ET.fromstring(drawn)  # noqa: S314  our own library's output
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        element.attrib = _plain(element)
    root.attrib |= {"role": "img", "aria-labelledby": f"{identity}-t {identity}-d"}
    title, description = ET.Element("title"), ET.Element("desc")
    title.attrib["id"], description.attrib["id"] = f"{identity}-t", f"{identity}-d"
    title.text, description.text = chart.title, chart.description
    root[:0] = [title, description]
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  every text is escaped in it


def _plain(element: ET.Element) -> dict[str, str]:
    """Return the attributes that draw; an image as a whole needs no roles within."""
    if element.tag not in TAGS:
        msg = f"a drawing has an element {element.tag}"
        raise ChartError(msg)
    kept = {
        name: value
        for name, value in element.attrib.items()
        if not name.startswith(("aria-", "{")) and name not in {"role", "class", "version"}
    }
    if any(name.startswith("on") or name in {"style", "href"} for name in kept) or any(
        ADDRESS.search(value) for value in kept.values()
    ):
        msg = f"a drawing has attributes {sorted(kept)}"
        raise ChartError(msg)
    return kept
