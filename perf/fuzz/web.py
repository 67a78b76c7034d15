"""HTTP: the answers of webhook receivers, and the clients of a process's own pages."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from rich.text import Text

from perf.fuzz.loops import Loop
from perf.fuzz.target import Target
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.retry_after import LONGEST_MS
from streamproc.dispatch.gateways.webhook import WebhookGateway, WebhookSettings
from streamproc.dispatch.model import Accepted, Origin, Refused, Unknown, message_of
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.serving import MetricsServer
from streamproc.metrics.worker import WorkerMetrics
from streamproc.tools.top.reading import PageChange, read_page
from streamproc.tools.top.showing import whole
from tests.support.scheduler import START_MS, reminder

MESSAGE = message_of(reminder(1), Origin("reminders", 0, 0, START_MS), 0, 1)
ANSWER_SECONDS = 0.5


class Receiver:
    """Answers each request with the same bytes, and ends the connection."""

    def __init__(self) -> None:
        self.answer = b""

    async def open(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = WebhookSettings(f"http://127.0.0.1:{port}/", (b"key",), ANSWER_SECONDS)
        self.gateway = WebhookGateway(settings)
        await self.gateway.start(Events(lambda _: None, _nowhere, lambda: START_MS))
        pages = "127.0.0.1", 0, CollectorRegistry(), lambda: None, lambda: "", lambda: "no"
        self.pages = await MetricsServer(*pages).start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
            writer.write_eof()
            await reader.read()  # as long as the gateway wants to read
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.transport.abort()


async def _nowhere(_: Any) -> None:
    pass


@cache
def _opened() -> tuple[Loop, Receiver]:
    loop, receiver = Loop(), Receiver()
    loop.run(receiver.open())
    return loop, receiver


def _answer(data: bytes) -> None:
    loop, receiver = _opened()
    receiver.answer = data
    outcome = loop.run(receiver.gateway.send(MESSAGE))
    assert isinstance(outcome, Accepted | Refused | Unknown)
    if isinstance(outcome, Refused):
        assert 0 <= outcome.retry_after_ms <= LONGEST_MS
        assert len(outcome.code) < 100


async def _asked(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.transport.abort()


def _request(data: bytes) -> None:
    loop, receiver = _opened()
    answer = loop.run(_asked(receiver.pages, data))
    assert b" 500 " not in answer.partition(b"\r\n")[0], answer
    assert answer.count(b"\r\nServer: ") <= 1, "more than one answer"


ANSWERS = (
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 429 Slow down\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno",
    b"HTTP/1.1 503 No\r\nretry-after: Thu, 01 Jan 2026 00:01:00 GMT\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n\x1f\x8b\x08\0\0",
    b"HTTP/1.1 302 Away\r\nlocation: http://127.0.0.1:1/\r\nset-cookie: a=b; path=/\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nwww-authenticate: Basic\r\n\r\n",
)
REQUESTS = (
    b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /readyz HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    b"HEAD /metrics?name[]=up HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text;version=1\r\n\r\n",
    b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
    b"PUT /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    b"POST /readyz HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\na",
    b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
)
WORDS = (
    *(b"\r\n", b"\r\n\r\n", b"HTTP/1.1 ", b"HTTP/9.9 ", b"retry-after: ", b"content-length: "),
    *(b"transfer-encoding: chunked\r\n", b"connection: close\r\n", b"x" * 9_000, b"x: y\r\n" * 200),
    *(b"ffffffffffffffff\r\n", b"; ", b"%ff", b"%00", b"http://[::1", b"Fri, 31 Dec 9999 23:59:60"),
)
WEBHOOK_ANSWERS = Target(
    "webhook-answers", "the answer of a webhook receiver", lambda: ANSWERS, _answer, words=WORDS
)
REQUESTS_OF_PAGES = Target(
    "probe-requests", "a request for /metrics or a probe", lambda: REQUESTS, _request, words=WORDS
)


def _pages() -> list[bytes]:
    registry = CollectorRegistry()
    worker, dispatch = WorkerMetrics(registry), DispatchMetrics(CollectorRegistry())
    worker.alarms.labels("GatewayDown", "main", "orange").set(1)
    worker.rows.labels("0").set(7)
    worker.lag_seconds.labels("0").set(7)
    worker.arrival_to_reminder.add(0.2, 5)
    dispatch.connected.labels("main").set(1)
    texts = [generate_latest(one).decode() for one in (registry, dispatch.registry)]
    # Without the samples of 0, which are most of it.
    return ["\n".join(one for one in text.splitlines() if not one.endswith(" 0.0")).encode()
            for text in texts]  # fmt: skip


def _page(data: bytes) -> None:
    page = read_page("h:1", lambda _: data.decode())
    for line in whole([PageChange(page, page, 1.0)], "00:00:00").renderables:
        if isinstance(line, Text):
            assert line.plain.isprintable(), f"it steers: {line.plain!r}"


PAGES = Target("top", "a page of metrics that `streamproc top` reads", _pages, _page, words=WORDS)
WEB = WEBHOOK_ANSWERS, REQUESTS_OF_PAGES, PAGES
