"""A report is one file: closed to the outside, complete without its script, and safe to open."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from attribution.vocabulary import MODELS, Code, Reason, Warn
from flows.report import advice, labels
from flows.report.file import report
from flows.report.page import FILE_POLICY, SERVED_POLICY
from flows.report.selection import Selection
from tests.support.pages import Page
from tests.support.reported import LONG, QUOTES, RIGHT_TO_LEFT, SCRIPT

PANELS = [
    *("coverage", "funnel", "campaigns", "shares", "timing", "journeys", "overlap"),
    *("refunds", "copies", "quality", "costs"),
]


def hashed(html: str, tag: str) -> str:
    (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_one_style_and_one_script(html: str) -> None:
    metas = [attrs for tag, attrs in Page(html).elements if tag == "meta"]
    (policy,) = [each["content"] for each in metas if each.get("http-equiv")]
    assert policy == FILE_POLICY
    assert policy == (
        f"default-src 'none'; style-src {hashed(html, 'style')}; "
        f"script-src {hashed(html, 'script')}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "unsafe" not in FILE_POLICY + SERVED_POLICY


def test_nothing_in_it_is_from_elsewhere(html: str) -> None:
    for tag, attributes in Page(html).elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "image", "use"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/svg+xml,")), (tag, value)
    addresses = set(re.findall(r"https?://[^\s\"'<>&]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_names_are_text_whatever_they_hold(html: str) -> None:
    page = Page(html)
    for name in (SCRIPT, QUOTES):
        assert name in page.text
        assert name not in html
    assert RIGHT_TO_LEFT.replace("\u202e", "\N{REPLACEMENT CHARACTER}") in page.text
    assert "\u202e" not in html
    assert sum(tag == "script" for tag, _ in page.elements) == 1


def test_a_long_name_is_cut(html: str) -> None:
    assert LONG[:500] not in html
    titles = {attributes.get("title") for _, attributes in Page(html).elements}
    assert f"{LONG[:400]}…" in titles


def test_it_is_complete_without_its_script(html: str) -> None:
    page = Page(html)
    assert list(page.panels) == PANELS
    for name, panel in page.panels.items():
        assert panel.answer, name
        assert len(panel.text.split()) > 20
    linked = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert linked == ["#main", *(f"#{panel}" for panel in PANELS)]


def test_what_comes_later_has_its_place_and_no_number(html: str) -> None:
    shares = Page(html).panels["shares"]
    assert "come with a later version" in shares.text
    assert not re.search(r"\d", shares.text)
    assert "are not kept yet" in Page(html).panels["journeys"].text
    assert "All values on this page are gross" in Page(html).panels["refunds"].text


def test_without_the_libraries_there_are_tables_with_bars(
    result: Path, html: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.report.charts.can_draw", lambda: False)
    plain = report(result, Selection())
    drawn, undrawn = Page(html), Page(plain)
    assert [tag for tag, _ in drawn.elements].count("desc") > 0
    assert [tag for tag, _ in undrawn.elements].count("desc") == 0
    assert {name: panel.tables for name, panel in drawn.panels.items()} == {
        name: panel.tables for name, panel in undrawn.panels.items()
    }
    assert '<rect class="fill" width="100.0%"' in plain


def test_a_result_without_anything_says_so(empty: Path) -> None:
    page = Page(report(empty, Selection()))
    assert list(page.panels) == PANELS
    assert page.panels["coverage"].answer.startswith("No event has been received yet")
    assert page.panels["campaigns"].answer == "No campaign has earned a conversion yet."
    assert "no costs to show" in page.panels["costs"].answer


def test_every_word_of_the_vocabularies_has_a_name_and_advice() -> None:
    assert set(labels.MODELS) == set(labels.MODEL_RULES) == set(MODELS)
    assert set(advice.OF_CODES) == set(labels.CODES) == set(Code)
    assert set(advice.OF_WARNINGS) == set(Warn)
    assert set(advice.OF_REASONS) == set(labels.REASONS) == set(Reason)
