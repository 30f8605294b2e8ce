"""The test console: test events and refused records as they arrive, with what to do about each."""

from typing import Final

from attribution.vocabulary import Code, Warn
from connectors.sql.reader import Reader
from connectors.wording import counted
from flows.report.advice import OF_CODES, OF_WARNINGS
from flows.report.asking import Answer, Asker, Row
from flows.report.blocks import Block, Found, Panel, Table
from flows.report.cells import Cell, name, precise, words
from flows.report.labels import CODES, in_words
from flows.report.selection import Selection

LATEST: Final = 50
"""Rows that are shown, the latest first."""

_TESTS: Final = """
select received_at, advertiser_id, event_source_id, event_type, event_id, test_event_code, code,
  match_quality, warnings
from test_events"""

_REFUSED: Final = """
select received_at, stream, advertiser_id, event_source_id, record_id, code, message, field
from rejections"""

CONTENTS: Final = [("tests", "Test events"), ("refused", "Refused records")]


def console_panels(reader: Reader) -> list[Panel]:
    """Return the panels of the console; raises QueryError."""
    answers = {"tests": _tests, "refused": _refused}
    shown = []
    for panel, title in CONTENTS:
        ask = Asker(reader, Selection())
        shown.append(Panel(panel, title, answers[panel](ask), ask.asked))
    return shown


def _latest(ask: Asker, title: str, sql: str) -> Answer:
    return ask.ask(title, sql, order="received_at desc nulls last", most=LATEST)


def _tests(ask: Asker) -> Found:
    found = _latest(ask, "Test events, the latest first", _TESTS)
    refused = sum(row["code"] is not None for row in found.rows)
    answer = "No test event has arrived yet."
    if found.rows:
        shown = counted(len(found.rows), "test event")
        answer = f"{counted(refused, 'would be', 'would be')} refused of the latest {shown}."
    return Found(
        answer,
        "An event is a test when its call names a test_event_code, or its source has one. Tests "
        "are judged like all events but count nowhere else.",
        _test_table(found),
    )


def _test_table(found: Answer) -> list[Block]:
    headers = ["Event id", "Type", "Source", "Test code", "Received", "Verdict", "Match quality"]
    cells = [
        [
            name(row["event_id"]),
            name(row["event_type"]),
            name(row["event_source_id"]),
            name(row["test_event_code"]),
            _received(row),
            words(_verdict(row)),
            _quality(row["match_quality"]),
            words(_advice(row)),
        ]
        for row in found.rows
    ]
    if not cells:
        return []
    return [Table("Test events, the latest first", [*headers, "What to do"], cells, found.more)]


def _verdict(row: Row) -> str:
    if row["code"] is not None:
        return f"refused: {CODES[Code(row['code'])]}"
    found = ", ".join(map(in_words, row["warnings"] or []))
    return f"accepted, but: {found}" if found else "accepted"


def _advice(row: Row) -> str:
    if row["code"] is not None:
        return OF_CODES[Code(row["code"])]
    return " ".join(OF_WARNINGS[Warn(warning)] for warning in row["warnings"] or [])


def _received(row: Row) -> Cell:
    return name(None) if row["received_at"] is None else precise(row["received_at"])


def _quality(quality: float | None) -> Cell:
    """Return how well an event could be matched, from 0 to 1."""
    if quality is None:
        return Cell("–", "number")
    return Cell(f"{quality:.2f}", "number").with_bar(quality)


def _refused(ask: Asker) -> Found:
    found = _latest(ask, "Refused records, the latest first", _REFUSED)
    return Found(
        f"{counted(found.in_all, 'record')} refused so far." if found.rows else "None refused.",
        "Refused records count nowhere. Their content is not kept here; the log has it.",
        _refused_table(found),
    )


def _refused_table(found: Answer) -> list[Block]:
    headers = ["Record", "Stream", "Source", "Received", "Refused because", "Field", "What to do"]
    cells = [
        [
            name(row["record_id"]),
            words(row["stream"]),
            name(row["event_source_id"] or row["advertiser_id"]),
            _received(row),
            words(CODES[Code(row["code"])]).noted(row["code"]),
            name(row["field"]),
            words(OF_CODES[Code(row["code"])]),
        ]
        for row in found.rows
    ]
    return [Table("Refused records, the latest first", headers, cells, found.more)] if cells else []
