"""Clients of `/metrics`, `/livez` and `/readyz` that mean harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from logging.handlers import BufferingHandler

import pytest
from prometheus_client import CollectorRegistry

from streamproc.metrics import serving
from streamproc.metrics.serving import CONNECTIONS_LIMIT, MetricsServer

PROBE = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(serving, "CONNECTION_SECONDS", 0.2)
    nothing = "127.0.0.1", 0, CollectorRegistry(), lambda: None, lambda: "", lambda: ""
    server = MetricsServer(*nothing)
    yield await server.start()
    await server.close()


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """The lines of libraries."""
    handler = BufferingHandler(1_000)
    logging.getLogger().addHandler(handler)
    yield handler.buffer
    logging.getLogger().removeHandler(handler)


async def ask(port: int, request: bytes) -> bytes:
    """All that comes until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_a_connection_has_one_request(port: int) -> None:
    answer = await ask(port, PROBE * 1_000)

    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"GET /livez HTTP/1.1\r\nhost: ",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["silent", "half a head", "body without an end", "TLS"],
)
async def test_a_client_that_takes_its_time_is_left(port: int, request_bytes: bytes) -> None:
    await ask(port, request_bytes)


async def test_a_request_that_is_wrong_is_refused_without_a_line_in_the_log(
    port: int, logged: list[logging.LogRecord]
) -> None:
    for lines in (b"x: " + b"y" * 5_000 + b"\r\n", b"x: y\r\n" * 100, b"\0\r\n"):
        answer = await ask(port, PROBE[:-2] + lines + b"\r\n")
        assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert logged == []


async def test_a_probe_is_answered_while_others_hold_connections(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_LIMIT * 3)]
    assert b"200 OK" in await ask(port, PROBE)
    ended = await asyncio.gather(*(reader.read() for reader, _ in held), return_exceptions=True)

    assert len(ended) == CONNECTIONS_LIMIT * 3
    for _, writer in held:
        writer.transport.abort()


async def test_an_odd_accept_field_is_the_fault_of_the_client(
    port: int, logged: list[logging.LogRecord]
) -> None:
    accept = b"accept: application/openmetrics-text;version=x\r\n\r\n"
    answer = await ask(port, PROBE.replace(b"livez", b"metrics")[:-2] + accept)

    assert answer.split()[1] == b"400"
    assert logged == []


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200"), ("PUT", b"405")])
async def test_only_reading_is_allowed(port: int, method: str, status: bytes) -> None:
    answer = await ask(port, PROBE.replace(b"GET", method.encode()))

    assert answer.split()[1] == status
