"""The run behind a result file: its policy, what it read, and the decoded log of that.

`runs.inputs` is a JSON object with `folder`, as it was given, and `allow_unregistered`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoded import load_log
from connectors.verification import create_log


class ResultError(Exception):
    """A result file that cannot be read, or not be traced to its log; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was told: the rules, the folder and whether unknown sources were let in."""

    policy: Policy
    folder: Path
    allow_unregistered: bool

    @classmethod
    def last_of(cls, connection: duckdb.DuckDBPyConnection, *, catalog: str) -> Self:
        """Read the latest run of a result file that is open as `catalog`."""
        recorded = connection.execute(
            f"select policy, inputs from {catalog}.runs order by started_at desc limit 1"  # noqa: S608  our own catalog name
        ).fetchone()
        if recorded is None:
            msg = "the file records no run, so there is no log to hold it against; replay it again"
            raise ResultError(msg)
        inputs = json.loads(recorded[1])
        return cls(
            policy=Policy.model_validate_json(recorded[0]),
            folder=Path(inputs["folder"]),
            allow_unregistered=inputs.get("allow_unregistered", False),
        )

    def load(self, connection: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
        """Decode the log once more into the log tables; from `folder` if it has moved."""
        folder = folder or self.folder
        if not folder.is_dir():
            msg = f"the log is no longer at {folder}; name the folder it is in now"
            raise ResultError(msg)
        registry = Registry.from_documents(
            _sources(folder), allow_unregistered=self.allow_unregistered
        )
        create_log(connection, self.policy)
        load_log(connection, folder, self.policy, registry)


def attach(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Open a result file as the catalog `result`, to be read only."""
    if not database.is_file():
        msg = f"there is no result file {database}; make it with: tributary replay PATH --db FILE"
        raise ResultError(msg)
    try:
        connection.execute(f"attach {_quoted(database)} as result (read_only)")
    except duckdb.Error as error:
        msg = f"{database} cannot be opened: {error}"
        raise ResultError(msg) from error


def _sources(folder: Path) -> list[object]:
    registry = folder / "event_sources.json"
    return list(json.loads(registry.read_bytes())) if registry.exists() else []


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
