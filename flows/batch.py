"""A replay for the engine's own command line: `python -m bytewax.run "flows.batch:flow()" -w 2`.

Environment variables set the options: TRIBUTARY_PATH is the folder of raw streams, TRIBUTARY_DB the
new result file, and TRIBUTARY_FLOW__LANES the number of lanes. The result file is complete if the
process exits with 0; unlike `tributary replay`, a failed run leaves an incomplete file.
"""

from dataclasses import dataclass

from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import Rows
from connectors.database.file import create_database
from connectors.database.replay_sink import DatabaseSink
from flows.replay.replay import Replay, ReplayOptions
from flows.settings.load import load_settings, path_from


def flow() -> Dataflow:
    """Build the flow of a replay from environment variables.

    Raises SettingsError or LogError if it cannot; an existing result file ends the run.
    """
    settings = load_settings(config=None, overrides=[]).settings
    job = ReplayOptions(
        path_from("TRIBUTARY_PATH", "PATH of `tributary replay`"),
        path_from("TRIBUTARY_DB", "--db of `tributary replay`"),
        settings,
        workers=settings.flow.lanes,
        key_groups=settings.flow.key_groups,
    )
    replay = Replay.of(job)
    return replay.flow(_NewDatabase(replay))


@dataclass(frozen=True, slots=True)
class _NewDatabase(FixedPartitionedSink[Rows, int]):
    """A new result file, created by the one worker that writes it."""

    replay: Replay

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return ["database"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> StatefulSinkPartition[Rows, int]:
        """Create the file; raises DatabaseError if it exists."""
        database = self.replay.job.database
        connection = create_database(database, overwrite=False)
        self.replay.record(connection)
        sink = DatabaseSink(connection, database)
        return sink.build_part(step_id, for_part, resume_state)
