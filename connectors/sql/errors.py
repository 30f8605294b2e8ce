"""Why a query has no answer; apart, because it is imported where DuckDB need not be."""

from connectors.errors import OperatorError

Parameter = str | int | float | bool | None
"""A value for a `?`; instants are texts, cast in the statement."""


class QueryError(OperatorError):
    """A query cannot be run; the message says why and what to do."""


class LostJobError(QueryError):
    """The job did not answer: it has ended, or is starting again."""


class BusyJobError(LostJobError):
    """The job answers too many others."""


class LockedError(QueryError):
    """A process that does not answer questions has the file open."""
