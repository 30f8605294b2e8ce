"""The run behind a result file: its policy, what it read, and the decoded log of that.

`runs.inputs` is a JSON object with `folder`, where the log was or is, `allow_unregistered`, and in
a continuous run the `mode` "run". Such a run may have been started many times, with one policy.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import duckdb

from attribution.policy import Policy
from connectors.decoded import load_log
from connectors.extents import read_extents
from connectors.recorded_sources import read_registry
from connectors.verification import create_log, note_progress
from flows.opening import absence, refusal
from flows.replay import load_registry

CONTINUOUS: Final = "run"
"""The mode of a run that goes on, as it is noted in its inputs; a replay notes none."""


class ResultError(Exception):
    """A result file that cannot be read or traced to its log; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was told: the rules, the folder, and whether unknown sources were let in.

    `is_continuous` if its log may grow and its result with it. There is no folder when it read
    something else.
    """

    policy: Policy
    folder: Path | None
    allow_unregistered: bool
    is_continuous: bool = False

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
        folder = inputs.get("folder")
        return cls(
            policy=Policy.model_validate_json(recorded[0]),
            folder=None if folder is None else Path(folder),
            allow_unregistered=inputs.get("allow_unregistered", False),
            is_continuous=inputs.get("mode") == CONTINUOUS,
        )

    def load(self, connection: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
        """Decode the log once more into the log tables; from `folder` if it has moved.

        Of a continuous run just as much of it as the result is made of, under the registry that the
        result has noted. Raises `ResultError` when there is no such folder, `LogError` when it is
        not, or no longer, the log.
        """
        folder = folder or self.folder
        if folder is None:
            msg = "the run read no files; name a folder of files that hold the same records"
            raise ResultError(msg)
        if not folder.is_dir():
            msg = f"the log is not at {folder}; name the folder it is in now"
            raise ResultError(msg)
        create_log(connection, self.policy)
        if self.is_continuous:
            note_progress(connection)
            registry = read_registry(connection, allow_unregistered=self.allow_unregistered)
            extents = read_extents(connection)
            load_log(connection, folder, self.policy, registry, extents)
        else:
            registry = load_registry(folder, allow_unregistered=self.allow_unregistered)
            load_log(connection, folder, self.policy, registry)


def attach(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Open a result file as the catalog `result`, to be read only."""
    if not database.is_file():
        raise ResultError(absence(database))
    place = str(database).replace("'", "''")
    try:
        connection.execute(f"attach '{place}' as result (read_only); set timezone = 'UTC'")
        connection.execute("from result.runs limit 0")
    except duckdb.Error as error:
        raise ResultError(refusal(database, error)) from error
