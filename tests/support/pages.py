"""Reads pages as a person does: panels with their answers, and tables with their cells."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "rect", "line", "path", "circle"}


@dataclass
class Part:
    """A panel, as it reads: its sentences, its tables by caption, its SQL by title."""

    answer: str = ""
    text: str = ""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    sql: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page: panels by id, and every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.panels: dict[str, Part] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self._part = Part()
        self._caption = self._title = ""
        self.feed(html)
        self.close()
        assert self._open == [], "elements are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag in VOID:
            return
        self._open.append((tag, attributes.get("class") or ""))
        if tag == "section":
            self._part = self.panels[attributes["id"] or ""] = Part()
        elif tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._part.tables.setdefault(self._caption, []).append([])
        elif tag in {"td", "th"}:
            self._part.tables[self._caption][-1].append("")
        elif tag == "h3":
            self._title = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed as </{tag}>"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if {"script", "style"} & set(tags):
            return
        self.text += data
        self._part.text += data
        if "caption" in tags:
            self._caption += data
        elif "td" in tags or "th" in tags:
            row = self._part.tables[self._caption][-1]
            row[-1] = f"{row[-1]} {data.strip()}".strip()
        elif "h3" in tags:
            self._title += data
        elif "code" in tags and "pre" in tags:
            self._part.sql[self._title] = self._part.sql.get(self._title, "") + data
        elif ("p", "answer") in self._open:
            self._part.answer += data

    def table(self, panel: str, caption: str) -> list[list[str]]:
        """Return the rows of a table, headers left out."""
        return self.panels[panel].tables[caption][1:]
