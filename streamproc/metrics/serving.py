"""`/metrics`, `/livez` and `/readyz` of a process, on its own event loop.

So no second thread uses the loop. If the loop is blocked, the probes get no answer, which
shows the fault.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)


class PortError(StreamprocError):
    """The port for metrics cannot be opened."""


class MetricsServer:
    """Serves one registry.

    Port 0 means any free port; the log names it. ``refresh`` sets gauges before each reading.
    ``failing`` returns why the process must be restarted (empty: it is alive), ``unready`` why it
    does not do its work yet.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        failing: Callable[[], str],
        unready: Callable[[], str],
    ) -> None:
        self._place = host, port
        self._refresh = refresh
        self._read = make_aiohttp_handler(registry)
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", _probe(failing))
        app.router.add_get("/readyz", _probe(unready))
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> int:
        """Listen; returns the port. Raises :class:`PortError`."""
        host, port = self._place
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortError(
                f"cannot listen on {host}:{port} for metrics: {error.strerror or error}; "
                f"choose another --http-port"
            ) from error
        bound: int = self._runner.addresses[0][1]
        log.info("metrics are served", url=f"http://{host}:{bound}/metrics")
        return bound

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        self._refresh()
        return await self._read(request)


def _probe(trouble: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        why = trouble()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)

    return answer
