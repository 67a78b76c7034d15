"""Ends a worker that was told to stop or has crashed, also if a library waits for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, NoReturn, Protocol

import faust
import structlog

log = structlog.get_logger(__name__)

STOP_LIMIT_SECONDS = 15.0
"""Longer than an orderly stop takes: the last commit can wait for a slow broker."""
STOPPED_HARD = 70


class Beside(Protocol):
    """A service that runs on the worker's loop from before its start until after its end."""

    async def start(self) -> object: ...

    async def close(self) -> None: ...


class BoundedWorker(faust.Worker):
    """Faust's worker. Its stop takes at most ``STOP_LIMIT_SECONDS``, and it logs why it ended.

    If the broker is gone, aiokafka's consumer thread can fail while it stops, and Faust
    waits for it for ever. A hard end is then safe: the next owner of a partition aborts
    what was not committed.
    """

    def __init__(self, app: Any, *, beside: Iterable[Beside] = (), **options: Any) -> None:
        super().__init__(app, **options)
        self._beside = tuple(beside)

    def execute_from_commandline(self) -> NoReturn:
        try:
            super().execute_from_commandline()
        finally:
            self._say_why()
        raise SystemExit(os.EX_OK)  # never reached; the type checker needs it

    async def start(self) -> None:
        """A start that was interrupted by a stop is not a failure."""
        for one in self._beside:
            await one.start()
        try:
            await super().start()
        except Exception as error:
            if not self._signal_stop_time:
                raise
            log.info("the worker was stopped during its start", interrupted=repr(error))

    async def stop(self) -> None:
        log.info("stopping: what was applied is committed first")
        timer = threading.Timer(STOP_LIMIT_SECONDS, self._end_hard)
        timer.daemon = True
        timer.start()
        await super().stop()
        log.info("stopped")
        for one in self._beside:
            await one.close()

    def _say_why(self) -> None:
        """Log the reason once more: operators read the last lines, and many lines follow a
        crash."""
        if self.crash_reason is not None:
            why = self.crash_reason
            log.critical("the worker has ended", why=str(why) or repr(why))

    def _end_hard(self) -> None:
        log.critical(
            "the stop took too long, so the worker ends at once; nothing committed is lost",
            limit_seconds=STOP_LIMIT_SECONDS,
        )
        self._say_why()
        os._exit(STOPPED_HARD)
