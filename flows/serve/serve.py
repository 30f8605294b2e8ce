"""The API as a process: wired to a folder, run by uvicorn, ended by a signal."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from attribution.vocabulary import MEASUREMENTS, RAW_STREAMS
from connectors import metrics
from connectors.api.app import build_app
from connectors.api.bulk import BulkJudge
from connectors.api.calls import LogEvents
from connectors.api.claims import Claims
from connectors.api.clicks import Links
from connectors.api.context import Api
from connectors.api.guard import Guard
from connectors.api.impressions import Impressions
from connectors.api.keys import KeyStore
from connectors.api.limits import Limits, Rates
from connectors.api.measurements import MeasurementIndex, Measurements
from connectors.api.once import Once
from connectors.api.sources import Sources
from connectors.api.topic_sources import TopicSources
from connectors.registry.growing import SourceFile
from connectors.registry.reader import SourceTopic
from connectors.registry.source import SourceLog
from connectors.spool.lookup import find_claim
from connectors.spool.store import Store
from connectors.spool.topic import TopicStore
from connectors.spool.writer import Spool
from flows.kafka.topics import cluster_of
from flows.process.stopping import BROKEN
from flows.settings.model import Settings

LOG: Final = structlog.get_logger("tributary")

KEYS: Final = "api.sqlite"
"""The file of API keys and other small state in the folder of the log; no raw stream's name."""

LINKS: Final = "links"
"""The purpose of the secret that signs links."""

DRAIN_SECONDS: Final = 10
"""How long calls that are being answered may take once the process is asked to end."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the API listens, and what it writes to.

    That is the folder, or, if the settings name a cluster, its topics; keys are in the folder.
    """

    folder: Path
    host: str
    port: int
    settings: Settings
    is_wrapped: bool = False
    is_staging: bool = False


def serve(options: ServeOptions) -> None:
    """Serve until a signal asks to end; what was accepted is stored then.

    Raises SpoolError, KeyStoreError, ClaimsError or ClusterError when it cannot start.
    """
    policy = options.settings.policy
    keys = KeyStore(options.folder / KEYS, is_staging=options.is_staging)
    with ExitStack() as closing:
        log, store = _targets(options, closing)
        sources = Sources(log)
        bulk = BulkJudge(sources.registry, policy)
        closing.callback(bulk.close)
        call_once, sync_once = _once(options, closing)
        calls = LogEvents(sources, store("events"), bulk, policy, call_once)
        records = Impressions(store("impressions"), policy)
        links = Links(records, keys.secret(LINKS))
        index = MeasurementIndex(options.folder / KEYS)
        measurements = Measurements(store(MEASUREMENTS), index)
        rates = Rates(Limits(**options.settings.api.model_dump()))
        takers = (calls, sources, records, links, measurements)
        modes = (options.is_wrapped, options.is_staging)
        api = Api(Guard(keys), *takers, rates, *modes, sync_once)
        app = build_app(api)
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )


def _targets(options: ServeOptions, closing: ExitStack) -> tuple[SourceLog, Callable[[str], Store]]:
    """Return where event sources are, and a function that opens the store of a stream."""
    kafka = options.settings.kafka
    if not kafka.bootstrap_servers:

        def spool(stream: str) -> Store:
            return _closed_by(closing, Spool(options.folder, stream, _end_broken))

        return SourceFile(options.folder), spool
    cluster = cluster_of(kafka)
    topics = {stream: getattr(kafka.topics, stream) for stream in RAW_STREAMS}
    sources = TopicSources(SourceTopic(cluster, kafka.topics.event_sources, metrics.kafka_error))
    closing.callback(sources.close)
    return sources, lambda stream: _closed_by(closing, TopicStore(cluster, stream, topics[stream]))


def _once(options: ServeOptions, closing: ExitStack) -> tuple[Once, Once]:
    """Return what does calls and syncs with an idempotency key once."""
    claims = Claims(options.folder / KEYS)
    closing.callback(claims.close)
    if options.settings.kafka.bootstrap_servers:
        # What a killed process has sent is not looked up in topics.
        return Once(claims, None), Once(claims, None)
    find = partial(find_claim, options.folder, "events")
    return Once(claims, find), Once(claims, SourceFile(options.folder).find_claim)


def _closed_by(closing: ExitStack, store: Store) -> Store:
    closing.callback(store.close)
    return store


def _end_broken(error: OSError) -> None:
    """End the process: after a failed sync the content of the disk is unknown."""
    LOG.error("the log cannot be written", reason=str(error.strerror))
    sys.stderr.flush()
    os._exit(BROKEN)
