"""Describes events that are no conversions: repeats, refused events and tests."""

from collections.abc import Iterator
from typing import Final

import duckdb

from flows.analysis.explain.rows import place, rows, title
from flows.text import instant

_DUPLICATES: Final = """select duplicates.*, first.received_at as first_received_at
from result.duplicates join result.conversions as first using (conversion_id)
where duplicates.event_id = $id order by duplicates.received_at"""
_REJECTIONS: Final = "from result.rejected_events where event_id = $id order by received_at"
_TESTS: Final = "from result.test_events where event_id = $id order by received_at"


def other_outcomes(connection: duckdb.DuckDBPyConnection, event_id: str) -> Iterator[str]:
    """Yield a description of every event with that id that is no conversion."""
    for duplicate in rows(connection, _DUPLICATES, event_id):
        content = "different" if duplicate.is_changed else "the same"
        yield (
            f"{title(duplicate)}\n  received   {instant(duplicate.received_at)}\n"
            f"  outcome    duplicate, {content} content; the copy received "
            f"{instant(duplicate.first_received_at)} counts"
        )
    for rejection in rows(connection, _REJECTIONS, event_id):
        yield (
            f"{title(rejection)}\n"
            f"  received   {instant(rejection.received_at)}, {place(rejection)}\n"
            f"  outcome    rejected, {rejection.code}: {rejection.message}"
        )
    for trial in rows(connection, _TESTS, event_id):
        refused = "" if trial.code is None else f"; it would be refused with {trial.code}"
        yield (
            f"{title(trial)}\n  received   {instant(trial.received_at)}\n"
            f"  outcome    test, code {trial.test_event_code}{refused}"
        )
