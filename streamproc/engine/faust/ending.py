"""Ends a worker that was told to stop or has crashed, also if a library waits for ever."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NoReturn, Protocol

import faust
import structlog
from aiokafka.errors import KafkaConnectionError

from streamproc.hard_end import HardEnd

log = structlog.get_logger(__name__)


class Beside(Protocol):
    """A service that runs on the worker's loop from before its start until after its end."""

    async def start(self) -> object: ...

    async def close(self) -> None: ...


class BoundedWorker(faust.Worker):
    """Faust's worker. Its stop is bounded (``hard_end``), and it logs why it ended.

    If the broker is gone, aiokafka's consumer thread can fail while it stops, and Faust
    waits for it for ever. A hard end is then safe: the next owner of a partition aborts
    what was not committed.
    """

    def __init__(self, app: Any, *, beside: Iterable[Beside] = (), **options: Any) -> None:
        super().__init__(app, **options)
        self._beside = tuple(beside)
        self._hard_end = HardEnd("worker", self._say_why)

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
            if self._signal_stop_time:
                log.info("the worker was stopped during its start", interrupted=repr(error))
                return
            if not isinstance(error, KafkaConnectionError):
                raise
            # It answered when the topics were checked. A traceback of the libraries adds nothing.
            log.critical("the worker could not start: the broker is gone", why=str(error))
            raise SystemExit(1) from None

    async def stop(self) -> None:
        log.info("stopping: what was applied is committed first")
        self._hard_end.begin()
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
