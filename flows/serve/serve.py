"""The API as a process: wired to a folder, run by uvicorn, ended by a signal."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from attribution.policy import Policy
from connectors.api.app import build_app
from connectors.api.bulk import BulkJudge
from connectors.api.calls import LogEvents
from connectors.api.context import Api
from connectors.api.guard import Guard
from connectors.api.keys import KeyStore
from connectors.api.sources import Sources
from connectors.registry.growing import SourceFile
from connectors.spool.writer import Spool
from flows.process.stopping import BROKEN

LOG: Final = structlog.get_logger("tributary")

KEYS: Final = "api.sqlite"
"""The file of API keys in the folder of the log; its name is none of a raw stream."""

DRAIN_SECONDS: Final = 10
"""How long calls that are being answered may take once the process is asked to end."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the API listens and which folder it writes to."""

    folder: Path
    host: str
    port: int
    policy: Policy
    is_wrapped: bool = False


def serve(options: ServeOptions) -> None:
    """Serve until a signal asks to end; what was accepted is stored then.

    Raises SpoolError or KeyStoreError when it cannot start.
    """
    sources = Sources(SourceFile(options.folder))
    spool = Spool(options.folder, "events", _end_broken)
    bulk = BulkJudge(sources.registry, options.policy)
    try:
        calls = LogEvents(sources, spool, bulk, options.policy)
        guard = Guard(KeyStore(options.folder / KEYS))
        app = build_app(Api(guard, calls, sources, options.is_wrapped))
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    finally:
        bulk.close()
        spool.close()


def _end_broken(error: OSError) -> None:
    """End the process: after a failed sync the content of the disk is unknown."""
    LOG.error("the log cannot be written", reason=str(error.strerror))
    sys.stderr.flush()
    os._exit(BROKEN)
