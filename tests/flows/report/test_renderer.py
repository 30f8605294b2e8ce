"""What the process that renders answers, here within the process of the test."""

import io
import shutil
from pathlib import Path

import duckdb
import msgspec
import pytest

from attribution.vocabulary import Warn
from connectors.database.schema import SCHEMA_VERSION
from flows.report.advice import OF_WARNINGS
from flows.report.messages import Rendered, Wanted, framed
from flows.report.renderer import answer_all, rendered
from flows.report.report import CONTENTS
from tests.support.pages import Page
from tests.support.reported import SCRIPT

REPORT, CONSOLE = Wanted(page="report"), Wanted(page="console")


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.report.charts.can_draw", lambda: False)


def copied(result: Path, folder: Path) -> Path:
    return Path(shutil.copy(result, folder / "result.duckdb"))


def shown(database: Path, wanted: Wanted) -> Page:
    answer = rendered(database, wanted)
    assert answer.parts is not None, answer.problem
    return Page("".join(answer.parts.values()))


def test_a_report_is_its_panels(result: Path) -> None:
    answer = rendered(result, REPORT)
    assert answer.parts is not None
    assert list(answer.parts) == [name for name, _ in CONTENTS]
    assert (answer.commit, answer.is_running, answer.problem) == (0, False, "")


def test_what_the_asker_has_is_not_made_again(result: Path) -> None:
    version = rendered(result, CONSOLE).version
    again = rendered(result, msgspec.structs.replace(REPORT, have=version))
    assert (again.version, again.parts) == (version, None)


def test_a_result_that_was_replaced_has_another_version(result: Path, tmp_path: Path) -> None:
    path = copied(result, tmp_path)
    version = rendered(path, CONSOLE).version
    path.rename(tmp_path / "former.duckdb")
    assert rendered(copied(result, tmp_path), CONSOLE).version != version


def test_there_may_be_no_result_yet(tmp_path: Path) -> None:
    answer = rendered(tmp_path / "none.duckdb", REPORT)
    assert answer == Rendered(problem="There is no result yet: the job has not made it.")


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    duckdb.connect(path).close()
    assert "The result cannot be read now" in rendered(path, REPORT).problem


def test_a_result_of_another_version_is_named(empty: Path, tmp_path: Path) -> None:
    path = copied(empty, tmp_path)
    with duckdb.connect(path) as connection:
        connection.execute("update database_info set schema_version = 1")
    problem = rendered(path, REPORT).problem
    assert f"its tables are of version 1, expected {SCHEMA_VERSION}; replay it again" in problem


def test_a_panel_that_cannot_be_computed_says_so(empty: Path, tmp_path: Path) -> None:
    path = copied(empty, tmp_path)
    with duckdb.connect(path) as connection:
        connection.execute("drop view source_overlap")
    page = shown(path, REPORT)
    assert page.panels["copies"].answer == "This could not be computed."
    assert "source_overlap does not exist" in page.panels["copies"].text
    assert page.panels["quality"].answer.startswith("Nothing was refused")


def test_the_page_of_a_conversion(result: Path) -> None:
    page = shown(result, Wanted(page="conversion", event="two"))
    sold = page.panels["conversion-0"]
    assert sold.answer == (
        "Attributed to 2 touchpoints; the winner is the view i1 on uid2, 2:00:00 before the event."
    )
    assert "carried uid2" not in sold.text.lower()
    candidates = page.table("conversion-0", "Candidates, the best first")
    assert [[row[0], row[1], row[2], row[3], row[5], row[7]] for row in candidates] == [
        ["1", "i1", "view", "uid2", "2 hours", "the winner"],
        ["2", "i2", "view", "uid2", "3 hours", "1:00:00 earlier than the one above"],
    ]
    assert candidates[0][6] == SCRIPT
    path = page.table(
        "conversion-0", "The path, the earliest first: shares, and what they earn in EUR"
    )
    assert [row[0] for row in path] == ["1", "2"]
    assert path[1][3:5] == ["100.0% 50.50", "0.0% 0.00"]
    assert "tributary explain two --db FILE" in sold.text
    copy = page.panels["copy-0"]
    assert copy.answer == (
        "Duplicate, the same content; the copy received 2026-05-11 01:00:00Z counts."
    )


def test_an_event_is_found_by_its_conversion_id_too(result: Path) -> None:
    with duckdb.connect(result, read_only=True) as connection:
        query = "select conversion_id from conversions where event_id = 'two'"
        ((conversion_id,),) = connection.execute(query).fetchall()
    page = shown(result, Wanted(page="conversion", event=conversion_id))
    assert list(page.panels) == ["conversion-0"]


@pytest.mark.parametrize(
    ("event", "panels", "answer"),
    [
        ("late", ["conversion-0"], "Unattributed, too_old: it arrived 8 days"),
        ("six", ["conversion-0"], "Observed: a refund is kept and earns nothing."),
        ("bad", ["refusal-0"], "Rejected, INVALID_EVENT_TIME: event_time is no time."),
        ("tried", ["test-0"], "Test, code TEST1; it would be refused with INVALID_CURRENCY."),
        ("nothing", [], ""),
        ("' or 1=1 --", [], ""),
    ],
)
def test_every_event_has_its_answer(
    result: Path, event: str, panels: list[str], answer: str
) -> None:
    page = shown(result, Wanted(page="conversion", event=event))
    assert list(page.panels) == panels
    assert all(panel.answer.startswith(answer) for panel in page.panels.values())


def test_the_test_console_shows_verdicts_with_advice(result: Path) -> None:
    page = shown(result, Wanted(page="console"))
    assert page.panels["tests"].answer == "1 would be refused of the latest 2 test events."
    refused, accepted = sorted(page.table("tests", "Test events, the latest first"), reverse=True)
    assert refused == [
        *("tried", "purchase", "src", "TEST1", "2026-05-11 00:00:00 UTC"),
        "refused: currency that does not exist",
        "0.90",
        "Use a code of three letters such as EUR.",
    ]
    assert accepted[5:] == [
        "accepted, but: missing user match, value rounded",
        "0.00",
        f"{OF_WARNINGS[Warn.MISSING_USER_MATCH]} {OF_WARNINGS[Warn.VALUE_ROUNDED]}",
    ]
    (refused,) = page.table("refused", "Refused records, the latest first")
    assert refused[:2] == ["bad", "events"]
    assert refused[4] == "event without a usable time INVALID_EVENT_TIME"


def test_messages_are_answered_until_there_are_no_more(result: Path) -> None:
    asked = [CONSOLE, Wanted(page="conversion", event="two")]
    answers = io.BytesIO()
    answer_all(result, io.BytesIO(b"".join(map(framed, asked)) + b"\0\0"), answers)
    body = answers.getvalue()
    first = int.from_bytes(body[:4], "big")
    last = msgspec.json.decode(body[first + 8 :], type=Rendered)
    assert last.parts is not None
    assert list(last.parts) == ["conversion-0", "copy-0"]
