"""Served pages, put together from what the renderer has made."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from flows.report.blocks import Found, Panel
from flows.report.cells import printable
from flows.report.console import CONTENTS as CONSOLE
from flows.report.messages import Wanted
from flows.report.page import about, fragment, rendered, safe
from flows.report.report import CONTENTS as REPORT
from flows.report.selection import Selection
from flows.serve.pages.snapshots import Snapshot

STATUS: Final = "status"
"""The id of the part that says how the numbers stand to the job."""

_WAITING: Final = Found("The first numbers are being made.", "They appear here by themselves.")


def report_view(wanted: Wanted, snapshot: Snapshot, stream: str) -> str:
    """Return the report."""
    return rendered(
        "report.html",
        is_live=True,
        about=about(wanted.selection),
        selection=wanted.selection,
        contents=REPORT,
        fragments=_fragments(REPORT, snapshot),
        status=status(snapshot),
        stream=_stream(stream, wanted.selection, snapshot),
    )


def console_view(snapshot: Snapshot, stream: str) -> str:
    """Return the test console."""
    return rendered(
        "console.html",
        is_live=True,
        fragments=_fragments(CONSOLE, snapshot),
        status=status(snapshot),
        stream=_stream(stream, Selection(), snapshot),
    )


def conversion_view(event: str, snapshot: Snapshot) -> str:
    """Return what became of an event."""
    return rendered(
        "conversion.html",
        is_live=True,
        event=printable(event),
        fragments=safe(snapshot.parts.values()),
        problem=snapshot.problem,
        status=status(snapshot),
    )


def message_view(heading: str, text: str) -> str:
    """Return a page that says one thing."""
    return rendered("message.html", is_live=False, heading=heading, text=text)


def status(snapshot: Snapshot) -> Markup:
    """Return the part that says how the numbers stand to the job."""
    return Markup('<p id="{}" class="status">{}</p>').format(STATUS, _said(snapshot))


def _said(snapshot: Snapshot) -> str:
    if snapshot.made_at is None:
        return snapshot.problem or "The first numbers are being made."
    made = f"of commit {snapshot.commit:,}, made at {snapshot.made_at:%H:%M:%S} UTC"
    if snapshot.problem:
        return f"{snapshot.problem} Below are the numbers {made}."
    if snapshot.is_running:
        return f"This page follows the job. Numbers {made}."
    return f"The job is not running. Its last numbers, {made}."


def _fragments(contents: Sequence[tuple[str, str]], snapshot: Snapshot) -> list[Markup]:
    """Return every panel; those that are not there yet say so, and have a place."""
    waiting = (
        fragment(Panel(name, title, _WAITING), is_live=True) if name not in snapshot.parts else ""
        for name, title in contents
    )
    return safe(
        snapshot.parts.get(name) or empty
        for (name, _), empty in zip(contents, waiting, strict=True)
    )


def _stream(path: str, selection: Selection, snapshot: Snapshot) -> str:
    """Return the address at which a page hears of what has changed since it was made."""
    chosen = {
        "advertiser": selection.advertiser,
        "from": selection.since and str(selection.since),
        "to": selection.until and str(selection.until),
        "currency": selection.currency,
        "have": snapshot.version,
    }
    return f"{path}?{urlencode({name: value for name, value in chosen.items() if value})}"
