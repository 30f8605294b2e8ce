"""Chromium, headless: what a person sees of a page, and what the page asks of the network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, sync_playwright

FLAGS: Final = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # A browser of tests calls nobody.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Scheme = Literal["light", "dark"]


def chromium() -> str:
    """Return the browser's program; without one the test is skipped."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is not there: make browser")
    return found


@dataclass
class Window:
    """A browser window that remembers what its pages asked for, and what they complained of."""

    context: BrowserContext
    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def violations(self) -> list[tuple[str, str]]:
        """Return the rules of accessibility that the page violates, each with an element."""
        found: list[dict[str, Any]] = Axe().run(self.page)["violations"]
        return [(each["id"], node["html"]) for each in found for node in each["nodes"]]

    def focused(self) -> str:
        """Return what has the focus: its text, or its id."""
        script = "document.activeElement.id || document.activeElement.innerText.trim()"
        return str(self.page.evaluate(script))


@contextmanager
def window(
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    height: int = 900,
    scale: float = 1,
    has_scripts: bool = True,
) -> Iterator[Window]:
    """Open an empty browser with one window."""
    with TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            args=list(FLAGS),
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            java_script_enabled=has_scripts,
        )
        opened = Window(context, context.pages[0])
        context.on("request", lambda request: opened.requests.append(request.url))
        context.on("console", lambda message: opened.complaints.append(message.text))
        context.on("weberror", lambda error: opened.complaints.append(str(error.error)))
        yield opened
        context.close()


def opened(path: Path) -> str:
    """Return the address of a file."""
    return path.resolve().as_uri()
