"""The base of every error that an operator, and not a programmer, has to mend."""

from typing import ClassVar


class OperatorError(Exception):
    """The job or command cannot go on; the message is one sentence that says why and what to do.

    `exit_code` is that of a running job that meets it: 4 where starting again would not help, 1
    where it may. A command that is asked for what cannot be done exits with 2.
    """

    exit_code: ClassVar[int] = 4
