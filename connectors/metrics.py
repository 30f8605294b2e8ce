"""Every metric of a continuous run, in one place: what it counts, and what to do when it moves.

The help text of a metric says what it is, the comment above it when to look at it. The metrics have
their own registry, which `flows.monitoring.server` serves; counters start at 0 with the process. No
label ever contains an identifier, and the program, not the data, bounds the number of label values.
Steps and lanes count in the process that runs them; the sink's counts cover all processes.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from attribution.columnar.frames import START

REGISTRY: Final = CollectorRegistry()

NAMESPACE: Final = "tributary"
"""The first word of every name."""


def _counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(name, meaning, labels, namespace=NAMESPACE, registry=REGISTRY)


def _gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=REGISTRY)


def _histogram(name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
    return Histogram(name, meaning, namespace=NAMESPACE, registry=REGISTRY, buckets=buckets)


NEVER: Final = float("nan")
"""The value of a gauge for an event that has not happened yet."""

_STARTED: Final = time.time()

# ------------------------------------------------------------------------------------- reading

# Its rate is the load. 0 while clients send: look at the lanes' watermarks and at the log.
RECORDS_READ: Final = _counter("records_read", "Documents read", ["stream"])

# The slowest lane holds the result back: a partition of it has a backlog, or a broker is down.
LANE_WATERMARK: Final = _gauge(
    "lane_watermark_seconds",
    "Unix time below which the lane will read nothing more",
    ["stream", "lane"],
)

# Records that arrived below the watermark and were raised to it. Many: clocks or a stuck sender.
LATE_RECORDS: Final = _counter(
    "late_records", "Records that arrived below the watermark", ["stream"]
)

# A sender's clock is wrong. Where: select * from ignored_arrivals.
IGNORED_ARRIVALS: Final = _counter(
    "ignored_arrivals",
    "Records whose received_at is too far ahead of the clock to count",
    ["stream"],
)

# Originals of refused records, set aside. Rising: query `rejected_events` for the code.
DEAD_LETTERS: Final = _counter("dead_letters", "Records given to the dead letters", ["stream"])

# Names are librdkafka's, and a few of ours. Rising without end: no broker responds, or it refuses
# fetches or commits; the name says why.
KAFKA_ERRORS: Final = _counter(
    "kafka_errors", "Errors met with Kafka, reading and sending", ["error"]
)

# --------------------------------------------------------------------------------------- state

# Grows with traffic until the attribution windows are full, then stays. If not, check whether the
# watermark advances.
STATE_ROWS: Final = _gauge("state_rows", "Rows in the state of a step", ["step"])

# Memory of the rows; provide twice as much.
STATE_BYTES: Final = _gauge("state_bytes", "Bytes of the state of a step", ["step"])

# The flow's cost is per frame. Far more frames than records: raise flow.watermark_interval.
FRAMES: Final = _counter("frames", "Frames taken by a step", ["step"])

# ------------------------------------------------------------------------------------- results

# For events, the outcomes of `match_stats`; for impressions, `valid` includes repeats, which also
# count as `duplicate`; measurements are `valid` or `rejected`. A jump of `rejected` is some
# client's bad deploy.
OUTCOMES: Final = _counter(
    "outcomes",
    "Events, impressions, clicks and measurements whose outcome is committed",
    ["stream", "outcome"],
)

# Events that wait for their outcome: about the traffic of one settle delay. Growing without end:
# the watermark is stuck.
IN_FLIGHT: Final = _gauge("in_flight", "Events received whose outcome is not final yet")

# Advances with the clock, less the idle grace. One stream stuck: one of its lanes is stuck.
WATERMARK: Final = _gauge(
    "watermark_seconds", "Unix time below which nothing more will be read, by stream", ["stream"]
)

# Above a minute without a backlog: results are late. The lane watermarks show which lane is slow.
WATERMARK_LAG: Final = _gauge(
    "watermark_lag_seconds", "Seconds from the watermark to now, by stream", ["stream"]
)

# Stays behind the watermark by the settle delay.
SETTLED: Final = _gauge(
    "settled_seconds", "Unix time before which every conversion received is final"
)

# ------------------------------------------------------------------------------------- commits

# The heartbeat: every epoch reaches the sink, whether or not it has rows. Alert on it.
COMMIT_AGE: Final = _gauge("commit_age_seconds", "Seconds since an epoch reached the sink")

# Does not change while nothing arrives; every epoch resets the age above.
LAST_COMMIT: Final = _gauge("last_commit_seconds", "Unix time of the last transaction")

# Keeps pace with the `attributed` outcomes if conversions are published. Lagging: look at Kafka.
PUBLISHED: Final = _counter("published", "Attributed conversions given to their topic")

# Tens of milliseconds, some hundreds with compaction. Rising: the disk is slow, or many readers.
COMMIT_DURATION: Final = _histogram(
    "commit_duration_seconds",
    "Duration of a transaction",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Far above flow.epoch_interval: the flow cannot keep up, or a snapshot or commit is slow.
EPOCH_DURATION: Final = _histogram(
    "epoch_duration_seconds",
    "Seconds from one epoch's end to the next, as the sink sees it",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

# Rows since the last checkpoint, and blocks of the file, of which DuckDB keeps as many as it may.
RESULT_MEMORY: Final = _gauge("result_memory_bytes", "Memory that the result file takes")

# Failures: the folder of the copies is full, or cannot be written.
COPIES: Final = _counter("copies", "Copies of the result for other programs", ["outcome"])
COPY_COMMIT: Final = _gauge("copy_commit", "Commit of the last published copy")

# ------------------------------------------------------------------------------------ live SQL

# `answered`, or why not. Many `too_many_queries`: raise live_sql.queries_at_once, or poll less.
SQL_QUERIES: Final = _counter("sql_queries", "Questions in SQL to the running job", ["outcome"])

# Statements of DuckDB clients; how long they take is not known.
QUACK_QUERIES: Final = _counter("quack_queries", "Statements of DuckDB clients", ["outcome"])

# Long ones slow commits down: look at the commit's duration.
SQL_DURATION: Final = _histogram(
    "sql_duration_seconds",
    "Seconds from a question in SQL to the end of its answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

SQL_RUNNING: Final = _gauge("sql_running", "Questions in SQL that are being answered")

# ------------------------------------------------------------------------------------- process

# Falls to 0 when the process restarts. If often, read its log.
UPTIME: Final = _gauge("uptime_seconds", "Seconds since the start")
UPTIME.set_function(lambda: time.time() - _STARTED)

ProcessCollector(registry=REGISTRY)  # memory, CPU and open files of this process


def read(stream: str, records: int, _watermark: int) -> None:
    """Count what a lane has read; its watermark is recorded when it reaches the sink."""
    RECORDS_READ.labels(stream).inc(records)


def kafka_error(error: str) -> None:
    """Count an error that is retried."""
    KAFKA_ERRORS.labels(error).inc()


def frames(step: str, taken: int) -> None:
    """Count frames that a step processed."""
    FRAMES.labels(step).inc(taken)


def watermarks(stream: str, lanes: Iterable[int]) -> None:
    """Record the watermarks of a stream's lanes (microseconds), except those not known yet."""
    promised = list(lanes)
    for lane, at in enumerate(promised):
        if at != START:
            LANE_WATERMARK.labels(stream, lane).set(at / 1e6)
    if (low := min(promised)) != START:
        WATERMARK.labels(stream).set(low / 1e6)
        WATERMARK_LAG.labels(stream).set_function(lambda: time.time() - low / 1e6)


_heartbeat: float | None = None
_epoch_heartbeat: float | None = None


def beat() -> None:
    """Record that an epoch has reached the sink."""
    global _heartbeat  # noqa: PLW0603  there is one sink in a process, as there is one registry
    now = time.monotonic()
    if _heartbeat is not None:
        EPOCH_DURATION.observe(now - _heartbeat)
    _heartbeat = now


def epoch_ended() -> None:
    """Record that a lane or a keyed step of this process has reached the end of an epoch."""
    global _epoch_heartbeat  # noqa: PLW0603  as above
    _epoch_heartbeat = time.monotonic()


def commit_age() -> float | None:
    """Return the seconds since an epoch reached the sink; None before the first.

    Only one process has the sink. The others return the seconds since an epoch ended, which happens
    only after all earlier epochs are committed.
    """
    last = _epoch_heartbeat if _heartbeat is None else _heartbeat
    return None if last is None else time.monotonic() - last


def _commit_age() -> float:
    age = commit_age()
    return NEVER if age is None else age


COMMIT_AGE.set_function(_commit_age)
LAST_COMMIT.set(NEVER)
SETTLED.set(NEVER)


def values(metric: Counter | Gauge) -> list[float]:
    """Return the values of a metric, one per combination of labels."""
    return [
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def total(metric: Counter | Gauge) -> float:
    """Add up a metric over its labels."""
    return sum(values(metric))
