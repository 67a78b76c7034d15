"""An event loop that lives as long as a run, for entrances that need one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog


class Loop:
    """Runs one coroutine after the other. What asyncio complains about is an escape, too."""

    def __init__(self) -> None:
        structlog.configure(processors=[say_nothing])
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._complain)
        self._complaints: list[str] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        found = self._loop.run_until_complete(work)
        assert not self._complaints, self._complaints.pop()
        return found

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._complaints.append(str(context))


def say_nothing(*_: Any) -> Any:
    """A processor that drops each log line."""
    raise structlog.DropEvent
