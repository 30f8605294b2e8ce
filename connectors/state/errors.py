"""The errors of a state that cannot be resumed, and what to do when a part of it is lost."""

from typing import Final

from connectors.errors import OperatorError

WAYS_OUT: Final = (
    "restore the state directory and the database from one copy, or begin anew with an empty "
    "--state and a new --db"
)
"""What to do when a part of the state is lost."""


class StateError(OperatorError):
    """A state directory cannot be used; the message says what to do."""


class SegmentError(StateError):
    """A manifest or a segment cannot be read or written; the message says which, and what to do."""


class RecoveryError(StateError):
    """The recovery store cannot be used; the message says why, and what to do."""
