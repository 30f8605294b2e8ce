"""The run behind a result file: its policy, what it read, and the decoded log of that.

`runs.inputs` is a JSON object with `folder`, where the log was, and `allow_unregistered`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from attribution.policy import Policy
from connectors.decoded import load_log
from connectors.verification import create_log
from flows.replay import load_registry


class ResultError(Exception):
    """A result file that cannot be read or traced to its log; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was told: the rules, the folder, and whether unknown sources were let in."""

    policy: Policy
    folder: Path
    allow_unregistered: bool

    @classmethod
    def last_of(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """Read the latest run of the result file that is attached as `result`."""
        recorded = connection.execute(
            "select policy, inputs from result.runs order by started_at desc limit 1"
        ).fetchone()
        if recorded is None:
            msg = "the file records no run, so there is no log to hold it against; replay it again"
            raise ResultError(msg)
        inputs = json.loads(recorded[1])
        return cls(
            policy=Policy.model_validate_json(recorded[0]),
            folder=Path(inputs["folder"]),
            allow_unregistered=inputs["allow_unregistered"],
        )

    def load(self, connection: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
        """Decode the log once more into the log tables; from `folder` if it has moved.

        Raises `ResultError` when there is no such folder, `LogError` when it is not a log.
        """
        folder = folder or self.folder
        if not folder.is_dir():
            msg = f"the log is not at {folder}; name the folder it is in now"
            raise ResultError(msg)
        registry = load_registry(folder, allow_unregistered=self.allow_unregistered)
        create_log(connection, self.policy)
        load_log(connection, folder, self.policy, registry)


def attach(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Open a result file as the catalog `result`, to be read only."""
    if not database.is_file():
        msg = f"there is no result file {database}; make it with: tributary replay PATH --db FILE"
        raise ResultError(msg)
    place = str(database).replace("'", "''")
    try:
        connection.execute(f"attach '{place}' as result (read_only); set timezone = 'UTC'")
        connection.execute("from result.runs limit 0")
    except duckdb.Error as error:
        msg = f"{database} cannot be read as a result file: {str(error).splitlines()[0]}"
        raise ResultError(msg) from error
