"""The API as a process: wired to a folder, run by uvicorn, ended by a signal."""

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import APIRouter
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

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
from connectors.api.results import Results
from connectors.api.sources import Sources
from connectors.api.topic_sources import TopicSources
from connectors.errors import OperatorError
from connectors.registry.growing import SourceFile
from connectors.registry.reader import SourceTopic
from connectors.registry.source import SourceLog
from connectors.spool.lookup import find_claim
from connectors.spool.store import Store
from connectors.spool.topic import TopicStore
from connectors.spool.writer import Spool
from flows.kafka.topics import cluster_of
from flows.monitoring.logs import set_up_logs
from flows.process.orphans import SUPERVISOR, end_with_supervisor
from flows.process.stopping import BROKEN, Stopping, asked_by_signals
from flows.serve.pages.access import PURPOSE, Access
from flows.serve.pages.router import Pages
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

    That is the folder, or, if the settings name a cluster, its topics; keys are in the folder. So
    many `workers`, processes with files of their own, share the port. Read routes answer from
    `result`, which may not exist yet.
    """

    folder: Path
    host: str
    port: int
    settings: Settings
    is_wrapped: bool = False
    is_staging: bool = False
    workers: int = 1
    result: Path | None = None


class ServeError(OperatorError):
    """The API cannot be served as asked; the message says what to do."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens nowhere yet; raises ServeError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            msg = f"port {port} of {host} is in use; end what uses it, or choose another --port"
        else:
            msg = f"{host} port {port} cannot be listened on: {error.strerror}; choose another"
        raise ServeError(msg) from error
    return listening


def serve(options: ServeOptions, tell: Callable[[str], None]) -> None:
    """Serve until a signal asks to end; what was accepted is stored then.

    `tell` gets the address of the pages, unless a supervisor has shown it. Raises ServeError,
    SpoolError, KeyStoreError, ClaimsError or ClusterError when it cannot start.
    """
    if not options.folder.is_dir():
        msg = f"{options.folder} does not exist; make the folder, or name another"
        raise ServeError(msg)
    listening = bound(options.host, options.port)
    if options.result is not None and SUPERVISOR not in os.environ:
        access = page_access(options.folder, is_staging=options.is_staging)
        tell(f"the pages are at {access.address(options.host, options.port)}")
    end_with_supervisor()
    config = uvicorn.Config(
        partial(application, options),
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    # uvicorn ends on a signal, and then raises it again.
    with asked_by_signals(Stopping()):
        if options.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
            return
        # What keeps an API from starting is said once, by this process.
        application(options).closing.close()
        Multiprocess(config, sockets=[listening]).run()


class Application:
    """The API of one process; when it ends, everything is stored and closed."""

    def __init__(self, app: ASGIApp, closing: ExitStack) -> None:
        """Wrap an application."""
        self._app, self.closing = app, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on; the lifespan ends after the last one."""
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "lifespan":
                self.closing.close()


def application(options: ServeOptions) -> Application:
    """Return the API of one process."""
    set_up_logs()
    with ExitStack() as closing:
        api = _api(options, closing)
        return Application(build_app(api, *_pages(options, closing)), closing.pop_all())


def _api(options: ServeOptions, closing: ExitStack) -> Api:
    policy = options.settings.policy
    keys = KeyStore(options.folder / KEYS, is_staging=options.is_staging)
    log, store = _targets(options, closing)
    rates = Rates(Limits(**options.settings.api.model_dump()))
    sources = Sources(log)
    bulk = BulkJudge(sources.registry, policy)
    closing.callback(bulk.close)
    call_once, sync_once = _once(options, closing)
    records = Impressions(store("impressions"), policy, rates.events)
    LOG.info("the API listens", host=options.host, port=options.port, keys=len(keys.all()))
    return Api(
        guard=Guard(keys),
        calls=LogEvents(sources, store("events"), bulk, policy, call_once, rates.events),
        sources=sources,
        impressions=records,
        links=Links(records, keys.secret(LINKS)),
        measurements=Measurements(store(MEASUREMENTS), MeasurementIndex(options.folder / KEYS)),
        rates=rates,
        is_wrapped=options.is_wrapped,
        is_staging=options.is_staging,
        sync_once=sync_once,
        results=_results(options, closing),
        log=None if options.settings.kafka.bootstrap_servers else options.folder,
    )


def _results(options: ServeOptions, closing: ExitStack) -> Results | None:
    if options.result is None:
        return None
    results = Results(options.result)
    closing.callback(results.close)
    return results


def _pages(options: ServeOptions, closing: ExitStack) -> Iterator[APIRouter]:
    """Yield the routes of the pages, if there is a result to show."""
    if options.result is not None:
        pages = Pages(options.result, page_access(options.folder, is_staging=options.is_staging))
        closing.callback(pages.renderer.end)
        yield pages.router()


def page_access(folder: Path, *, is_staging: bool = False) -> Access:
    """Return who may see the pages of an API with its keys in a folder."""
    return Access(KeyStore(folder / KEYS, is_staging=is_staging).secret(PURPOSE))


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
