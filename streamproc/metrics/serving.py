"""`/metrics`, `/livez` and `/readyz` of a process, on its own event loop.

So no second thread uses the loop. If the loop is blocked, the probes get no answer, which
shows the fault.

Clients can be anybody who reaches the port. So each connection has one request and little time, and
if there are too many, the oldest makes room: a probe is answered also while others hold
connections open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import http, web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.exposition import choose_encoder

from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)


CONNECTIONS_LIMIT: Final = 32
"""A scraper and the probes need a few. One more than these ends the oldest, so that a client that
opens connections and keeps them cannot lock out the probes."""
CONNECTION_SECONDS: Final = 10.0
"""How long a connection may last, from its start to the end of its answer."""
HEADER_LIMITS: Final = {"max_line_size": 4_096, "max_field_size": 4_096, "max_headers": 64}
"""Bytes of a line, and lines, of a request's head."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class PortError(StreamprocError):
    """The port for metrics cannot be opened."""


class MetricsServer:
    """Serves one registry.

    Port 0 means any free port; the log names it. ``refresh`` sets gauges before each reading.
    ``failing`` returns why the process must be restarted (empty: it is alive), ``unready`` why it
    does not do its work yet, ``waiting`` what a process that is alive waits for.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        failing: Callable[[], str],
        unready: Callable[[], str],
        waiting: Callable[[], str] = lambda: "",
    ) -> None:
        self._place = host, port
        self._refresh = refresh
        self._read: Handler = make_aiohttp_handler(registry)  # type: ignore[assignment]  # any request does
        self._pages: dict[str, Handler] = {
            "/metrics": self._metrics,
            "/livez": _probe(failing, waiting),
            "/readyz": _probe(unready, waiting),
        }
        self._runner: web.ServerRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises :class:`PortError`."""
        host, port = self._place
        # Bodies are neither read nor unpacked.
        server = _BoundedServer(
            self._answer,
            access_log=None,
            logger=_own_faults(),
            auto_decompress=False,
            lingering_time=0,
            **HEADER_LIMITS,
        )
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            raise PortError(
                f"cannot listen on {host}:{port} for metrics: {error.strerror or error}; "
                f"choose another --http-port"
            ) from error
        bound: int = self._runner.addresses[0][1]
        log.info("metrics are served", url=f"http://{host}:{bound}/metrics")
        return bound

    async def close(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is None:
            answer: web.StreamResponse = web.Response(status=404, text="not found\n")
        elif request.method not in ("GET", "HEAD"):
            answer = web.Response(status=405, text="only GET\n", headers={"allow": "GET, HEAD"})
        else:
            answer = await page(request)
        answer.force_close()
        return answer

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            choose_encoder(",".join(request.headers.getall("accept", [])))
        except (TypeError, ValueError):  # such as a version that is not a number
            return web.Response(status=400, text="the field accept cannot be read\n")
        self._refresh()
        return await self._read(request)


def _own_faults() -> logging.Logger:
    """A logger of the server that says nothing about what clients do wrong: they get status 400."""
    logger = logging.getLogger("aiohttp.server.pages")
    if not logger.filters:
        logger.addFilter(_is_own_fault)
    return logger


def _is_own_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, http.HttpProcessingError | web.RequestPayloadError)


class _BoundedServer(web.Server):
    """Ends each connection after a time, and the oldest ones if there are too many."""

    def __init__(self, handler: Handler, **limits: Any) -> None:
        super().__init__(handler, **limits)
        self._ends: dict[web.RequestHandler, tuple[asyncio.TimerHandle, asyncio.Transport]] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        timer = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, transport.abort)
        self._ends[handler] = timer, transport
        if len(self._ends) > CONNECTIONS_LIMIT:
            self._forget(next(iter(self._ends))).abort()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        if handler in self._ends:
            self._forget(handler)

    def _forget(self, handler: web.RequestHandler) -> asyncio.Transport:
        timer, transport = self._ends.pop(handler)
        timer.cancel()
        return transport


def _probe(trouble: Callable[[], str], waiting: Callable[[], str]) -> Handler:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        why = trouble()
        if why:
            return web.Response(text=f"{why}\n", status=503)
        remark = waiting()
        return web.Response(text=f"ok: {remark}\n" if remark else "ok\n")

    return answer
