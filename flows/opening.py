"""Why a result file cannot be opened to be read, in a sentence that says what to do."""

from pathlib import Path

import duckdb

from connectors.holder import holder_of


def absence(database: Path) -> str:
    """Say that there is no such file."""
    return f"there is no result file {database}; make it with: tributary replay PATH --db FILE"


def refusal(database: Path, error: duckdb.Error) -> str:
    """Say why DuckDB does not open a file that is there."""
    holder = holder_of(error)
    if holder:
        return (
            f"{database} is being written by {holder}; ask again when it has ended "
            "(a job ends on SIGTERM, and loses nothing)"
        )
    return f"{database} cannot be read as a result file: {str(error).splitlines()[0]}"
