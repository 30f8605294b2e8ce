"""Pictures of the report of the demo for the documents: `python -m tests.support.screenshots`.

Writes docs/report-light.png, report-dark.png and report-print.png.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import FloatRect, Page
from typer.testing import CliRunner

from flows.cli.app import app
from tests.support.browser import opened, window

DOCS: Final = Path(__file__).parents[2] / "docs"
DEMO: Final = Path(__file__).parents[1] / "fixtures" / "demo"

BYTES_MAX: Final = 200_000
"""The largest picture: they are in every clone."""

WIDTH, HEIGHT = 1100, 1240

PAPER: Final = 794, 1_123
"""A4 in pixels."""


def main() -> None:
    """Take the pictures."""
    with TemporaryDirectory() as folder:
        file = report_of_the_demo(Path(folder))
        take_top(file)
        take_campaigns(file)
        take_print(file)


def report_of_the_demo(folder: Path) -> Path:
    """Return the report of the demo."""
    result, file = str(folder / "demo.duckdb"), folder / "report.html"
    run("replay", str(DEMO), "--db", result)
    run("report", "--db", result, "--out", str(file))
    return file


def run(*words: str) -> None:
    """Run a command of ours."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output


def take_top(file: Path) -> None:
    """Take what one sees first, in light."""
    with window(width=WIDTH, height=HEIGHT) as seen:
        seen.page.goto(opened(file))
        save(seen.page, "report-light", {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})


def take_campaigns(file: Path) -> None:
    """Take what campaigns earned, in dark."""
    with window(scheme="dark", width=WIDTH) as seen:
        seen.page.goto(opened(file))
        box = seen.page.locator("#campaigns").bounding_box()
        assert box is not None
        top = box["y"] - box["x"]  # as much as there is at the side
        save(seen.page, "report-dark", {"x": 0, "y": top, "width": WIDTH, "height": HEIGHT})


def take_print(file: Path) -> None:
    """Take the first sheet of paper."""
    width, height = PAPER
    with window(width=width) as seen:
        seen.page.emulate_media(media="print")
        seen.page.goto(opened(file))
        # On paper the margin is the sheet's.
        seen.page.evaluate("document.body.style.margin = '14mm'")
        save(seen.page, "report-print", {"x": 0, "y": 0, "width": width, "height": height})


def save(page: Page, name: str, clip: FloatRect) -> None:
    """Save a part of a page as a picture for the documents."""
    path = DOCS / f"{name}.png"
    page.screenshot(path=path, full_page=True, clip=clip)
    assert path.stat().st_size < BYTES_MAX, f"{path}: {path.stat().st_size:,} bytes"


if __name__ == "__main__":
    main()
