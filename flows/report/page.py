"""Pages as HTML: one set of templates for a file that is mailed and for pages that are served.

Everything is escaped unless it is our own: the stylesheet, the script, drawings. The content
security policy allows that one stylesheet and that one script, by their hashes, and nothing else.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from connectors.release import release
from flows.report.blocks import Panel
from flows.report.cells import printable
from flows.report.charts import drawings
from flows.report.selection import Selection

TEMPLATES: Final = Path(__file__).parent / "templates"

REFRESH_SECONDS: Final = 15
"""How often a served page is loaded again where scripts are off."""

ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M2 2l6 6v6M14 2L8 8' fill='none' stroke='%232463b8' stroke-width='3'/%3E%3C/svg%3E"
)

_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["drawings"] = drawings

STYLE: Final = (TEMPLATES / "style.css").read_text(encoding="utf-8")
SCRIPT: Final = (TEMPLATES / "script.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_SOURCES: Final = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; img-src data:; "
    "base-uri 'none'"
)
FILE_POLICY: Final = f"{_SOURCES}; form-action 'none'"
SERVED_POLICY: Final = f"{_SOURCES}; connect-src 'self'; form-action 'self'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages share; a served page has its policy in a header instead of in itself."""

    is_live: bool
    icon: str = ICON
    refresh_seconds: int = REFRESH_SECONDS

    @property
    def policy(self) -> str:
        """Return the content security policy of a file."""
        return "" if self.is_live else FILE_POLICY

    @property
    def style(self) -> Markup:
        """Return the one stylesheet."""
        return Markup(STYLE)  # noqa: S704  ours

    @property
    def script(self) -> Markup:
        """Return the one script."""
        return Markup(SCRIPT)  # noqa: S704  ours


def rendered(template: str, *, is_live: bool, **context: Any) -> str:  # noqa: ANN401  of a template
    """Return a page."""
    made = f"Made {context.pop('made', 'with')} tributary {release()}."
    page = template.removesuffix(".html")
    return _ENVIRONMENT.get_template(template).render(
        site=Site(is_live), page=page, made=made, **context
    )


def fragment(panel: Panel, *, is_live: bool) -> str:
    """Return a panel as a part of a page."""
    return _ENVIRONMENT.get_template("part.html").render(panel=panel, is_live=is_live).strip()


def safe(fragments: Iterable[str]) -> list[Markup]:
    """Return parts of pages, as `fragment` made them, for a page."""
    return [Markup(each) for each in fragments]  # noqa: S704  rendered by our templates


def about(selection: Selection) -> str:
    """Return what a page is about, in words."""
    who = "All advertisers"
    if selection.advertiser is not None:
        who = f"Advertiser {printable(selection.advertiser)}"
    days = "all days"
    if selection.since or selection.until:
        days = f"{selection.since or 'the first day'} to before {selection.until or 'the end'}"
    money = (
        "" if selection.currency is None else f" · money in {printable(selection.currency)} only"
    )
    return f"{who} · {days}{money}"
