"""Table `runs` of a result: one row per start of a program that wrote to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from attribution.contract.times import UNIX_EPOCH
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.release import release


def record_run(  # noqa: PLR0913  the columns of a row
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    policy: Policy,
    inputs: Mapping[str, Any],
    key_groups: int,
    started_at: int | None = None,
) -> None:
    """Record the settings and inputs of a run, which starts now, or started at `started_at`."""
    now = datetime.now(UTC)
    connection.execute(
        "insert into runs values (?, ?, ?, ?, ?, ?)",
        [
            run_id,
            now if started_at is None else UNIX_EPOCH + timedelta(microseconds=started_at),
            release(),
            policy.model_dump_json(),
            json.dumps(inputs),
            key_groups,
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a continuous run, as recorded in its result file.

    `inputs` are `folder` and `allow_unregistered`, or topics.
    """

    run_id: str
    state_id: str
    policy: Policy
    registry: Registry
    inputs: Mapping[str, Any]
    lanes: int
    key_groups: int
