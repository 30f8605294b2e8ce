"""The report in a browser: readable by everybody, closed to the network, whole on every screen."""

from pathlib import Path

import pytest

from tests.support.browser import Scheme, opened, window
from tests.support.reported import SCRIPT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def file(html: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_it_violates_no_rule_of_accessibility(file: Path, scheme: Scheme, width: int) -> None:
    with window(scheme=scheme, width=width) as seen:
        seen.page.goto(opened(file))
        seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert seen.violations() == []


def test_it_asks_nobody_for_anything(file: Path) -> None:
    with window() as seen:
        seen.page.goto(opened(file))
        seen.page.get_by_text("SQL behind “Costs and return”").click()
        seen.page.get_by_role("button", name="Copy").last.click()
        assert seen.requests == [opened(file)]
        assert seen.complaints == []


def test_names_do_nothing_but_stand_there(file: Path) -> None:
    with window() as seen:
        seen.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        seen.page.goto(opened(file))
        assert seen.page.get_by_text(SCRIPT).count() >= 4
        assert seen.page.locator("img").count() == 0
        assert seen.page.locator("script").count() == 1


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_page_is_wider_than_its_screen(file: Path, width: int) -> None:
    with window(width=width) as seen:
        seen.page.goto(opened(file))
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert seen.page.locator(".wide svg:visible").count() > 0 or width == 390
        assert seen.page.locator(".narrow svg:visible").count() > 0 or width != 390


def test_labels_of_a_drawing_do_not_overlap(file: Path) -> None:
    boxes = """Array.from(document.querySelectorAll('svg[role=img]')).filter(
        drawing => drawing.getClientRects().length).map(drawing => Array.from(
        drawing.querySelectorAll('text')).map(text => text.getBoundingClientRect()).filter(
        box => box.width).map(box => [box.left, box.top, box.right, box.bottom]))"""
    for width in (390, 1440):
        with window(width=width) as seen:
            seen.page.goto(opened(file))
            for drawing in seen.page.evaluate(boxes):
                for at, one in enumerate(drawing):
                    for other in drawing[at + 1 :]:
                        across = min(one[2], other[2]) - max(one[0], other[0])
                        down = min(one[3], other[3]) - max(one[1], other[1])
                        assert across < 2 or down < 3, (width, one, other)


def test_the_keyboard_goes_from_top_to_bottom(file: Path) -> None:
    with window() as seen:
        seen.page.goto(opened(file))
        order = []
        for _ in range(14):
            seen.page.keyboard.press("Tab")
            order.append(seen.focused())
        assert order[:3] == [
            "Skip to the content",
            "What this covers",
            "From event to ad: the match rate",
        ]
        assert order[12] == "SQL behind “What this covers”"


def test_all_is_there_without_scripts(file: Path) -> None:
    with window(has_scripts=False) as seen:
        seen.page.goto(opened(file))
        assert seen.page.locator("section.panel").count() == 11
        assert seen.page.locator("svg[role=img]:visible").count() >= 6
        seen.page.get_by_text("SQL behind “Top journeys”").click()
        assert seen.page.get_by_text("from paths join conversions").is_visible()
