"""Kills a job over and over while its log is written, then holds the result against the oracle."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from attribution.registry import Registry
from connectors.failpoints import NAMES
from connectors.registry.table import read_registry
from tests.chaos.job import POLICY, Job, wait_until
from tests.chaos.ledger import Ledger, opened
from tests.chaos.writer import Writer
from tests.oracle import Noted, compare, replay_oracle
from tests.support.actual import read_tables

ONE: Final[tuple[str, ...]] = ()
WORKERS: Final = ("--workers", "2")
PROCESSES: Final = ("--processes", "2")
SHAPES: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "one": [ONE],
    "workers": [WORKERS],
    "processes": [PROCESSES],
    "mixed": [ONE, WORKERS, PROCESSES],
}
"""How a job may be started; one state may go from one shape to another."""

PLACES: Final = [
    name for name in NAMES if name.partition(".")[0] in {"source", "step", "segment", "sink"}
]
"""The failpoints that a run over files comes by."""

COUNT_MAX: Final[Mapping[str, int]] = {
    "source.snapshot": 25,
    "step.snapshot": 100,
    "sink.before_checkpoint": 2,
    "publish.after_flush": 2,
    "dead_letters.after_flush": 2,
}
"""How often a run comes by a place until it dies there, at most, where that is not COMMITS_MAX:
lanes and key groups come by in every epoch."""

FAILPOINT_SECONDS: Final = 4.0
"""How long a job may run towards its failpoint; some are not reached in every run."""

COMMITS_SECONDS: Final = 2.0
"""For so many commits after the start; when all is read that was granted, no more come."""

COMMITS_MAX: Final = 5
"""After so many at most, and up to a second more, comes a kill; after none it may be starting."""

BURSTS: Final = 12
"""Of records, for each start of the job."""

SETTLE_SECONDS: Final = 2.5
"""Longer than the policy's settle delay, and some epochs."""

SETTLE_RUNS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what; the same seed draws the same moments, which the clock then blurs."""

    seed: int
    kills: int
    shapes: Sequence[tuple[str, ...]]
    records_per_second: int = 100
    places: Sequence[str] = tuple(PLACES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, and all that was not as it should be; `counts` are the log's own."""

    seed: int
    kills: int
    commits: int
    rows: int
    late_records: int
    differences: list[str]
    counts: Mapping[str, int] = field(default_factory=dict)


class Campaign:
    """One job in one folder, killed as planned."""

    def __init__(self, folder: Path, plan: Plan, tell: Callable[[str], None]) -> None:
        """Take a folder that is empty."""
        self._plan = plan
        self._tell = tell
        self._chance = random.Random(plan.seed)  # noqa: S311  not a secret
        self.job = self.new_job(folder)
        self._ledger = Ledger(self.job.database)
        self._writer = self.new_writer(plan)
        self._places = self._chance.sample(plan.places, len(plan.places))

    def new_job(self, folder: Path) -> Job:
        """Return the job of the folder, not started."""
        return Job(folder)

    def new_writer(self, plan: Plan) -> Writer:
        """Return who writes the log of the job, not started."""
        return Writer(self.job.data, seed=plan.seed, records_per_second=plan.records_per_second)

    def log(self) -> Path:
        """Return the folder that the oracle reads."""
        return self.job.data

    def registry(self) -> Registry | None:
        """Return the event sources, where they are not in the folder."""
        return None

    def to_verify(self) -> list[str]:
        """Return the options by which `verify` finds the log."""
        return []

    def more_differences(self) -> list[str]:
        """Look at what a campaign of another kind has beside the tables."""
        return []

    def counts(self) -> dict[str, int]:
        """Count what a campaign of another kind has done."""
        return {}

    def run(self) -> Outcome:
        """Kill, settle, compare."""
        self._writer.start()
        for number in range(self._plan.kills):
            self._writer.grant(BURSTS)
            self._change_a_source(number)
            how = self._start_and_kill(number)
            self._ledger.look()
            found = len(self._ledger.differences)
            commits, written = self._ledger.commits, self._writer.written
            self._tell(
                f"kill {number + 1}/{self._plan.kills}: {how}; "
                f"{written:,} records, {commits:,} commits, {found} differences"
            )
        self._writer.stop()
        self._settle()
        return self._compare()

    def _change_a_source(self, number: int) -> None:
        """Make all events of one source tests, and those of another no tests any more."""
        path = self.job.data / "event_sources.json"
        sources = json.loads(path.read_bytes())
        for at, source in enumerate(sources):
            source.pop("test_event_code", None)
            if at == number % len(sources):
                source["test_event_code"] = "CHANGED"
        path.write_text(json.dumps(sources), encoding="utf-8")

    def _start_and_kill(self, number: int) -> str:
        """Every other time at a failpoint, one after the other; else whenever it happens."""
        shape = self._shape(number)
        told = " ".join(shape) or "one worker"
        if number % 2:
            name = self._places[number // 2 % len(self._places)]
            count = self._chance.randint(1, COUNT_MAX.get(name, COMMITS_MAX))
            self.job.start(*shape, failpoint=f"{name}:{count}")
            is_reached = self._wait_for_death()
            died = self.job.kill()
            assert died == -signal.SIGKILL, f"the job ended with {died}:\n{self.job.said}"
            return f"{told}, {'at' if is_reached else 'before'} {name}:{count}"
        self.job.start(*shape)
        commits = self._chance.randint(0, COMMITS_MAX)
        if commits:
            self.job.wait_until_it_writes()
            self.job.wait_until_it_writes(1 + commits, COMMITS_SECONDS)
        seconds = self._chance.uniform(0, 1.0)
        told += f" ({commits} commits)"
        code = self.job.wait(seconds)
        assert code is None, f"the job ended with {code}:\n{self.job.said}"
        if shape == PROCESSES and self._chance.random() < 0.5:
            self.job.kill_a_child(self._chance.randint(0, 1))
            self.job.wait(1.5)
            told += ", one of them first"
        self.job.kill()
        return f"{told}, after {seconds:.1f} s"

    def _shape(self, number: int) -> tuple[str, ...]:
        return self._plan.shapes[number % len(self._plan.shapes)]

    def _wait_for_death(self) -> bool:
        """Wait until the failpoint is reached: the process ends, or the supervisor says so."""
        self.job.wait_until_it_writes()
        before = self.job.said.count("restart 1 of")

        def is_dead() -> bool:
            return self.job.wait(0.05) is not None or self.job.said.count("restart 1 of") > before

        return wait_until(is_dead, FAILPOINT_SECONDS)

    def _settle(self) -> None:
        """Let the job run until everything written is final."""
        for _ in range(SETTLE_RUNS_MAX):
            self.job.start(*self._plan.shapes[0])
            self.job.wait_until_it_writes()
            self.job.wait(SETTLE_SECONDS)
            code = self.job.drain()
            assert code == 0, f"a drain ended with {code}:\n{self.job.said}"
            self._ledger.look()
            if self._is_settled():
                return
        self._ledger.differences.append("not everything has settled")

    def _is_settled(self) -> bool:
        with opened(self.job.database) as connection:
            row = connection.execute(
                """select (select bool_and(in_flight = 0) from conservation)
                     and (select arg_max(settled, seq) from commits)
                       > (select max(received_at) from conversions)"""
            ).fetchone()
        return row == (True,)

    def _compare(self) -> Outcome:
        with opened(self.job.database) as connection:
            actual = read_tables(connection)
            noted = _noted(connection)
            registry = self.registry() or read_registry(connection, allow_unregistered=False)
        expected = replay_oracle(self.log(), POLICY, registry=registry, noted=noted)
        return Outcome(
            self._plan.seed,
            self._plan.kills,
            self._ledger.commits,
            sum(len(rows) for rows in actual.values()),
            len(noted.late_records),
            self._ledger.differences
            + compare(expected, actual)
            + self._verify()
            + self.more_differences(),
            self.counts(),
        )

    def _verify(self) -> list[str]:
        """Ask the command for its opinion."""
        words = [sys.executable, "-m", "flows", "verify", "--db", str(self.job.database)]
        words += self.to_verify()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return [] if done.returncode == 0 else [f"verify: {done.stdout}{done.stderr}"]


def _noted(connection: duckdb.DuckDBPyConnection) -> Noted:
    late_records = connection.execute(
        """select stream, source_partition, first_offset, max(epoch_us(received_at))
           from late_records group by all"""
    ).fetchall()
    read_times: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for stream, partition, *reading in connection.execute(
        """select stream, source_partition, first_offset, last_offset, epoch_us(read_at)
           from future_records order by all"""
    ).fetchall():
        first, last, read_at = reading
        read_times.setdefault((stream, partition), []).append((first, last, read_at))
    return Noted(
        {(stream, partition, offset): at for stream, partition, offset, at in late_records},
        read_times,
    )
