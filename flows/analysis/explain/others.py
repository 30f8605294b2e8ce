"""Describes what became of events that are no conversions: copies, refused ones, tests."""

from flows.analysis.explain.rows import Row
from flows.text import instant


def of_duplicate(duplicate: Row) -> str:
    """Return what became of a copy; the row has when the first copy was received, too."""
    content = "different" if duplicate.is_changed else "the same"
    first = instant(duplicate.first_received_at)
    return f"duplicate, {content} content; the copy received {first} counts"


def of_rejection(rejection: Row) -> str:
    """Return what became of an event that was refused."""
    return f"rejected, {rejection.code}: {rejection.message}"


def of_test(trial: Row) -> str:
    """Return what became of a test event."""
    refused = "" if trial.code is None else f"; it would be refused with {trial.code}"
    return f"test, code {trial.test_event_code}{refused}"
