"""`tributary explain`: the outcome of an event, and the rule behind the rank of each touchpoint.

Reads the result file, and the log for near misses. The output has kinds of identifiers, never the
identifiers.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from connectors.errors import OperatorError
from connectors.files.folder import LogError
from connectors.kafka.cluster import ClusterError
from flows.analysis.explain.credits import summary_and_credits
from flows.analysis.explain.misses import told_misses
from flows.analysis.explain.others import of_duplicate, of_rejection, of_test
from flows.analysis.explain.rows import place, rows, title
from flows.analysis.recorded import RecordedRun, ResultError, attach
from flows.settings.kafka import KafkaSettings
from flows.text import instant


class UnknownEventError(OperatorError):
    """The result file has no event with that id; the message says where else it may be."""


_CONVERSIONS: Final = """from result.conversions where event_id = $id
order by advertiser_id, event_source_id, event_type, received_at"""
_CREDITS: Final = """from result.credits where conversion_id = $id
order by type = 'click' desc, is_probabilistic, time desc, impression_id"""
_DUPLICATES: Final = """select duplicates.*, first.received_at as first_received_at
from result.duplicates join result.conversions as first using (conversion_id)
where duplicates.event_id = $id order by duplicates.received_at"""
_REJECTIONS: Final = "from result.rejected_events where event_id = $id order by received_at"
_TESTS: Final = "from result.test_events where event_id = $id order by received_at"


def explain(
    database: Path,
    event_id: str,
    folder: Path | None = None,
    *,
    kafka: KafkaSettings | None = None,
) -> str:
    """Explain every event with that id, including near misses if the log can be read.

    The log is read from `folder`, or from where the run read it (topics: on the cluster of
    `kafka`). Raises `UnknownEventError`, and `ResultError` if the result file or `folder` cannot be
    read.
    """
    if not event_id.strip():
        msg = "the event id is empty; name one as it was sent, such as txn_abc123"
        raise UnknownEventError(msg)
    with TemporaryDirectory(prefix="tributary-explain-") as scratch, duckdb.connect() as connection:
        attach(connection, database, Path(scratch))
        unread = partial(_why_unread, connection, folder, kafka)
        told = [*_conversions(connection, event_id, unread), *_other_outcomes(connection, event_id)]
    if not told:
        msg = f"no event with id {event_id} in {database}; ids are compared exactly as sent"
        raise UnknownEventError(msg)
    return "\n\n\n".join(told)


def _why_unread(
    connection: duckdb.DuckDBPyConnection, folder: Path | None, kafka: KafkaSettings | None
) -> str | None:
    """Decode the log; return why it cannot be read, unless `folder` was given (then raise)."""
    run = RecordedRun.last_of(connection)
    try:
        if folder is None and run.folder is not None and not run.folder.is_dir():
            return f"the log is not at {run.folder}"
        run.load(connection, folder, kafka)
    except (ResultError, LogError, ClusterError) as error:
        if folder is not None:
            raise
        return str(error)
    return None


def _conversions(
    connection: duckdb.DuckDBPyConnection, event_id: str, why_unread: Callable[[], str | None]
) -> Iterator[str]:
    conversions = rows(connection, _CONVERSIONS, event_id)
    unread = why_unread() if conversions else None
    for conversion in conversions:
        credits_ = rows(connection, _CREDITS, conversion.conversion_id)
        misses = (
            f"Near misses: not known, for {unread}"
            if unread
            else told_misses(connection, conversion, credits_)
        )
        yield "\n\n".join([*summary_and_credits(conversion, credits_), misses])


def _other_outcomes(connection: duckdb.DuckDBPyConnection, event_id: str) -> Iterator[str]:
    """Yield a description of every event with that id that is no conversion."""
    for duplicate in rows(connection, _DUPLICATES, event_id):
        yield (
            f"{title(duplicate)}\n  received   {instant(duplicate.received_at)}\n"
            f"  outcome    {of_duplicate(duplicate)}"
        )
    for rejection in rows(connection, _REJECTIONS, event_id):
        yield (
            f"{title(rejection)}\n"
            f"  received   {instant(rejection.received_at)}, {place(rejection)}\n"
            f"  outcome    {of_rejection(rejection)}"
        )
    for trial in rows(connection, _TESTS, event_id):
        yield (
            f"{title(trial)}\n  received   {instant(trial.received_at)}\n"
            f"  outcome    {of_test(trial)}"
        )
