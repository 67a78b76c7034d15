"""`/metrics` and probes of a tool that runs until it is stopped, on a thread of their own.

The tool itself counts nothing for them: they read what it knows of its progress.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from streamproc import __version__

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streamproc.kafka.settings import Broker
    from streamproc.metrics.serving import MetricsServer
    from streamproc.tools.replay.pace import Control

STANDSTILL_SECONDS: Final = 60.0
"""Longer than any transaction, and than a tool waits between two looks."""
START_SECONDS: Final = 10.0


class ToolPages:
    """What is shown of one tool."""

    def __init__(
        self,
        tool: str,
        broker: Broker,
        control: Control,
        records: Callable[[], int],
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``records``: how many the tool has written in this run. ``clock``: monotonic seconds."""
        from streamproc.metrics.process import register_process
        from streamproc.metrics.tool import ToolMetrics

        self.metrics = ToolMetrics(registry)
        register_process(registry)
        self._tool = tool
        self._broker = broker
        self._control = control
        self._records = records
        self._counted = 0
        self._clock = clock
        self._turned: tuple[tuple[int, int], float] = (self._progress(), clock())
        """The progress at the last look, and when it changed last (seconds)."""
        self.metrics.build.info({"version": __version__, "tool": tool})
        self.metrics.bad_records.labels(tool)

    def file_done(self, verdict: str, bad_records: int) -> None:
        """A file of a drop folder is done."""
        self.metrics.files.labels(self._tool, verdict).inc()
        self.metrics.bad_records.labels(self._tool).inc(bad_records)

    def refresh(self) -> None:
        """Set the figures to their present values."""
        count = self._records()
        self.metrics.records.labels(self._tool).inc(max(count - self._counted, 0))
        self._counted = max(count, self._counted)
        self.metrics.paused.labels(self._tool).set(int(self._control.paused))
        self.metrics.standstill.labels(self._tool).set(self._still_seconds())
        self.metrics.broker_silent.labels(self._tool).set(self._silent_seconds())

    def failing(self) -> str:
        """Why the tool must be started again; empty if it is alive."""
        seconds = self._still_seconds()
        if seconds < STANDSTILL_SECONDS:
            return ""
        return f"the {self._tool} has made no progress for {seconds:.0f} s"

    def waiting(self) -> str:
        """What the tool waits for, though it is alive; empty if nothing."""
        from streamproc.kafka.silence import waited_for

        return waited_for(self._silent_seconds())

    def _progress(self) -> tuple[int, int]:
        return self._control.turns, self._records()

    def _still_seconds(self) -> float:
        """How long it has made no progress; a silent broker does not count."""
        progress, now = self._progress(), self._clock()
        if progress != self._turned[0] or self._silent_seconds() > 0:
            self._turned = progress, now
        return now - self._turned[1]

    def _silent_seconds(self) -> float:
        from streamproc.kafka.topic_watch import silent_seconds

        return silent_seconds(self._broker)


@contextmanager
def tool_pages(
    tool: str,
    broker: Broker,
    control: Control,
    records: Callable[[], int],
    place: tuple[str, int | None],
) -> Iterator[ToolPages | None]:
    """Serve the pages meanwhile, at host and port; nothing without a port. Raises ``PortError``."""
    host, port = place
    if port is None:
        yield None
        return
    from prometheus_client import CollectorRegistry

    from streamproc.metrics.serving import MetricsServer

    registry = CollectorRegistry()
    pages = ToolPages(tool, broker, control, records, registry)
    server = MetricsServer(
        host, port, registry, pages.refresh, pages.failing, pages.waiting, pages.waiting
    )
    with served(server):
        yield pages


@contextmanager
def served(server: MetricsServer) -> Iterator[None]:
    """A server on a loop of its own, in a thread: tools block theirs."""
    from streamproc.supervision import on_loop, start_thread

    loop = asyncio.new_event_loop()
    ended = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.close()
        ended.set()

    start_thread(run, "metrics")
    try:
        on_loop(server.start(), loop).result(START_SECONDS)
        yield
    finally:
        on_loop(server.close(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        ended.wait(START_SECONDS)
