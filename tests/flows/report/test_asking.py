"""Questions are bounded, count what is left out, and are remembered as they can be asked again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sql.reader import open_reader
from connectors.sql.statements import QueryError
from flows.report.asking import Asker
from flows.report.selection import Selection

NUMBERS = """
    select n % 3 as third, n

    from range(100) as numbers(n)"""


@pytest.fixture
def asker(empty: Path) -> Iterator[Asker]:
    reader = open_reader(empty)
    yield Asker(reader, Selection())
    reader.close()


def test_the_first_rows_are_shown_and_the_others_counted(asker: Asker) -> None:
    found = asker.ask("Numbers", NUMBERS, order="n desc", most=4)
    assert [row["n"] for row in found.rows] == [99, 98, 97, 96]
    assert (found.in_all, found.more) == (100, 96)
    assert len(asker.ask("Numbers", NUMBERS, order="n").rows) == 10


def test_each_group_has_its_first_rows(asker: Asker) -> None:
    found = asker.ask("Numbers", NUMBERS, order="n", per="third", most=2).by("third")
    assert {group: [row["n"] for row in answer.rows] for group, answer in found.items()} == {
        0: [0, 3],
        1: [1, 4],
        2: [2, 5],
    }
    assert [answer.more for answer in found.values()] == [32, 31, 31]


def test_no_row_is_an_answer_too(asker: Asker) -> None:
    found = asker.ask("Nothing", "select n from range(0) as numbers(n)", order="n")
    assert (found.rows, found.in_all, found.more, found.by("n")) == ([], 0, 0, {})


def test_the_only_row(asker: Asker) -> None:
    assert asker.one("One", "select 1 as one, null as none") == {"one": 1, "none": None}


def test_what_was_asked_can_be_asked_again(asker: Asker) -> None:
    asker.ask("Numbers", NUMBERS, order="n", per="third", most=1)
    asker.one("One", "select 1 as one")
    assert [(each.title, each.sql) for each in asker.asked] == [
        (
            "Numbers",
            "select n % 3 as third, n\nfrom range(100) as numbers(n)\norder by third, n",
        ),
        ("One", "select 1 as one"),
    ]


def test_a_question_that_fails_says_so(asker: Asker) -> None:
    with pytest.raises(QueryError, match="nowhere"):
        asker.ask("Nothing", "select * from nowhere", order="n")
