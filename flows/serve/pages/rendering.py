"""The process that renders pages: started when somebody looks, ended when nobody does any more."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final

import msgspec
import structlog

from flows.report.messages import BYTES_MAX, LENGTH_BYTES, Rendered, Wanted, framed

LOG: Final = structlog.get_logger("tributary")

WAITING_MAX: Final = 16
"""Pages that are being rendered or wait for it; beyond it, viewers come again later."""

ANSWER_SECONDS: Final = 120.0
"""How long a page may take; then the process is ended, and another one started."""

IDLE_SECONDS: Final = 300.0
"""After which the process, some 200 MB, is ended if nobody has looked at a page."""

BUSY: Final = Rendered(problem="Too many pages are being made; load this one again later.")
FAILED: Final = Rendered(problem="The page could not be made; the log of the server may say why.")


class Renderer:
    """Asks the process that renders; used by one event loop."""

    def __init__(self, database: Path) -> None:
        """Start nothing yet."""
        self._database = database
        self.process: Process | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, wanted: Wanted) -> Rendered:
        """Return a page, or why there is none."""
        if self._waiting >= WAITING_MAX:
            return BUSY
        self._waiting += 1
        try:
            async with self._lock:
                return await self._asked(wanted)
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """End the process, if there is one."""
        if self._idle is not None:
            self._idle.cancel()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        self.process = None

    async def _asked(self, wanted: Wanted) -> Rendered:
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._exchange(framed(wanted))
        except (OSError, EOFError, TimeoutError, msgspec.MsgspecError) as error:
            LOG.warning("a page could not be rendered", reason=type(error).__name__)
            self.end()
            return FAILED
        except asyncio.CancelledError:
            self.end()  # its answer would be taken for that to the next question
            raise
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.end)
        return answer

    async def _exchange(self, message: bytes) -> Rendered:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        assert size <= BYTES_MAX
        return msgspec.json.decode(await process.stdout.readexactly(size), type=Rendered)

    async def _running(self) -> Process:
        if self.process is None or self.process.returncode is not None:
            command = [sys.executable, "-m", "flows.report.renderer", str(self._database)]
            self.process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        return self.process
