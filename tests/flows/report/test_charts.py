"""Drawings are plain: no script, no address, no colour that a theme could not change."""

import re
from xml.etree import ElementTree as ET

import altair as alt
import pytest

from flows.report import charts
from flows.report.blocks import Chart, Series, Shape, Table
from flows.report.charts import ChartError, accessible, drawings
from flows.report.vega import specification

HOSTILE = ["</svg><script>alert(1)</script>", "\"'&lt;", "שלום", "x" * 300, "$1 {{7}}", "a\nb"]
NUMBERS = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
NONE = Table("none", [], [])


def chart(shape: Shape, labels: list[str], *series: str) -> Chart:
    drawn = [Series(name, NUMBERS[: len(labels)]) for name in series]
    texts = [f"{number:.0f}" for number in NUMBERS[: len(labels)]]
    return Chart(shape, "A <title>", "A & description", labels, drawn, NONE, "EUR", texts)


SHAPES: list[tuple[Shape, tuple[str, ...]]] = [
    ("parts", ("all",)),
    ("parts", ("all", "of them")),
    ("dots", ("Last touch", "First touch", "Linear", "Time decay", "Position based")),
    ("columns", ("after a click", "after a view")),
    ("columns", ("Conversions",)),
]


@pytest.mark.long
@pytest.mark.parametrize(("shape", "series"), SHAPES)
def test_a_specification_is_what_altair_accepts(shape: Shape, series: tuple[str, ...]) -> None:
    for width in charts.WIDTHS.values():
        made = specification(chart(shape, ["a", "longer"], *series), width)
        alt.Chart.from_dict(made)  # raises where its schema is not met


def test_names_in_a_drawing_are_text() -> None:
    for _, drawn in drawings(chart("dots", HOSTILE, "one", "two"), "c"):
        root = ET.fromstring(drawn)  # noqa: S314  our own
        assert {element.tag for element in root.iter()} <= charts.TAGS
        texts = {element.text for element in root.iter("text")}
        assert HOSTILE[0] in texts or any(text and "</svg>" in text for text in texts)


def test_a_drawing_is_one_image_that_says_what_it_shows() -> None:
    (screen, drawn), (other, _) = drawings(chart("parts", ["a"], "one"), "c")
    assert (screen, other) == ("wide", "narrow")
    root = ET.fromstring(drawn)  # noqa: S314  our own
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "c-wide-t c-wide-d"
    assert [(each.tag, each.text) for each in root[:2]] == [
        ("title", "A <title>"),
        ("desc", "A & description"),
    ]


@pytest.mark.long
def test_colours_are_those_of_the_stylesheet() -> None:
    for shape, series in SHAPES:
        for _, drawn in drawings(chart(shape, ["a", "b"], *series), "c"):
            colours = re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)
            assert {each for each in colours if not each.startswith("var(--")} <= {
                "none",
                "transparent",
            }


@pytest.mark.parametrize(
    "drawn",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg"><g onclick="1"/></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg"><g style="x"/></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg"><path fill="url(http://a/)"/></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="x"/></svg>',
    ],
)
def test_what_is_no_plain_drawing_is_refused(drawn: str) -> None:
    with pytest.raises(ChartError):
        accessible(drawn, chart("parts", ["a"], "one"), "c")


def test_nothing_is_drawn_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "can_draw", lambda: False)
    assert list(drawings(chart("parts", ["a"], "one"), "c")) == []
