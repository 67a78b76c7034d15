"""A worker that is told to stop, or has crashed, ends: also where a library waits for ever."""

from __future__ import annotations

import os
import threading
from typing import Any, NoReturn, Protocol

import faust
import structlog

log = structlog.get_logger(__name__)

STOP_LIMIT_SECONDS = 15.0
"""Above what an orderly stop takes: the last commit may wait for a slow broker."""
STOPPED_HARD = 70


class Beside(Protocol):
    """What runs on the worker's loop from before its start until after its end."""

    async def start(self) -> object: ...

    async def close(self) -> None: ...


class BoundedWorker(faust.Worker):
    """Faust's worker, whose stopping takes ``STOP_LIMIT_SECONDS`` at most, and which says why.

    When the broker is gone, aiokafka's consumer thread may die in its own stopping, and Faust waits
    for it for ever. To end hard is safe then: what was not committed is aborted by whoever owns the
    partition next.
    """

    def __init__(self, app: Any, *, beside: Beside | None = None, **options: Any) -> None:
        super().__init__(app, **options)
        self._beside = beside

    def execute_from_commandline(self) -> NoReturn:
        try:
            super().execute_from_commandline()
        finally:
            self._say_why()
        raise SystemExit(os.EX_OK)  # it has exited already: for the type's sake

    async def start(self) -> None:
        """What breaks off because it was told to stop in the middle of its start is no failure."""
        if self._beside is not None:
            await self._beside.start()
        try:
            await super().start()
        except Exception as error:
            if not self._signal_stop_time:
                raise
            log.info("stopped while it was starting", broken_off=repr(error))

    async def stop(self) -> None:
        timer = threading.Timer(STOP_LIMIT_SECONDS, self._end_hard)
        timer.daemon = True
        timer.start()
        await super().stop()
        if self._beside is not None:
            await self._beside.close()

    def _say_why(self) -> None:
        """An operator looks at the last lines, and much is told between a crash and the end."""
        if self.crash_reason is not None:
            why = self.crash_reason
            log.critical("the worker has ended", why=str(why) or repr(why))

    def _end_hard(self) -> None:
        log.critical(
            "not stopped in time, ending at once; nothing committed is lost",
            limit_seconds=STOP_LIMIT_SECONDS,
        )
        self._say_why()
        os._exit(STOPPED_HARD)
