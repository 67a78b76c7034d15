"""Webhook receivers that mean harm: whatever they answer, it takes neither memory nor time."""

from __future__ import annotations

import asyncio
import resource
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any

import pytest

from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.webhook import WebhookGateway, WebhookSettings
from streamproc.dispatch.model import (
    Accepted,
    ErrorClass,
    Origin,
    Outcome,
    Refused,
    Unknown,
    message_of,
)
from tests.support.scheduler import START_MS, reminder

TIMEOUT_SECONDS = 0.5
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """Reads a request's head, then follows a script."""

    def __init__(self) -> None:
        self.connections = 0
        self.open = 0
        self.script: Script | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            assert self.script is not None
            await self.script(writer)
            await asyncio.Event().wait()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield receiver
    server.close()


async def post(receiver: Receiver, script: Script) -> Outcome:
    receiver.script = script
    url = f"http://127.0.0.1:{receiver.port}/"  # type: ignore[attr-defined]
    gateway = WebhookGateway(WebhookSettings(url, (b"key",), TIMEOUT_SECONDS))

    async def nowhere(_: Any) -> None:
        pass

    await gateway.start(Events(lambda _: None, nowhere, lambda: START_MS))
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS * 4):
            one = message_of(reminder(1), Origin("reminders", 0, 0, START_MS), 0, 1)
            return await gateway.send(one)
    finally:
        await gateway.close()


def head(*lines: str, status: str = "503 No") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        ("9" * 5_000, 3_600_000),
        ("0" * 4_000 + "7", 7_000),
        ("-5", 0),
        ("NaN", 0),
        ("1e999", 0),
        ("٣", 0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60_000),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("x" * 8_000, 0),
    ],
)
async def test_a_wait_that_is_asked_for_is_at_most_an_hour(
    receiver: Receiver, value: str, wait_ms: int
) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"retry-after: {value}".encode().decode("latin-1"), "content-length: 0"))

    assert await post(receiver, answer) == Refused(
        ErrorClass.TRANSIENT, "http_503", retry_after_ms=wait_ms
    )


@cache
def bomb() -> bytes:
    """64 MiB of zeros."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(head("transfer-encoding: chunked", status="200 OK"))
    while True:
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


async def huge(writer: asyncio.StreamWriter) -> None:
    writer.write(head(f"content-length: {10**15}", status="200 OK"))
    while True:
        writer.write(bytes(0x10000))
        await writer.drain()


async def packed(writer: asyncio.StreamWriter) -> None:
    body = bomb()
    lines = "content-encoding: gzip", f"content-length: {len(body)}"
    writer.write(head(*lines, status="200 OK") + body)
    await writer.drain()


@pytest.mark.parametrize("script", [endless, huge, packed])
async def test_a_body_is_not_read_whatever_its_length(receiver: Receiver, script: Script) -> None:
    bomb()  # made before the time counts
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        assert await post(receiver, script) == Accepted()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert grown_kib < 60_000
    assert receiver.connections == 3


async def heads(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n" * 1_000)
        await writer.drain()


async def interim(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(head(status="103 Early Hints"))
        await writer.drain()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00" * 1_000_000)


async def dribble(writer: asyncio.StreamWriter) -> None:
    for byte in head():
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.05)  # slow, but never silent


@pytest.mark.parametrize("script", [heads, interim, nonsense, dribble])
async def test_an_answer_without_an_end_is_unknown_in_time(
    receiver: Receiver, script: Script
) -> None:
    assert isinstance(await post(receiver, script), Unknown)


async def test_a_redirect_to_itself_is_not_followed(receiver: Receiver) -> None:
    async def around(writer: asyncio.StreamWriter) -> None:
        writer.write(head("location: /", "content-length: 0", status="307 Round"))

    assert await post(receiver, around) == Refused(ErrorClass.PERMANENT, "http_307")
    assert receiver.connections == 1
