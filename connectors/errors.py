"""The base of every error that an operator, and not a programmer, has to fix."""

from typing import ClassVar


class OperatorError(Exception):
    """The job or command cannot go on; the message is one sentence that says why and what to do.

    `exit_code` is the exit code of a running job that fails with it: 4 if a restart would not help,
    1 if it may. A command that cannot do what it was called for exits with 2.
    """

    exit_code: ClassVar[int] = 4
