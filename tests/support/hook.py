"""A webhook's receiver on loopback that accepts each ``webhook-id`` once, as the docs require."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Self

from aiohttp import web

from streamproc.contracts.records.codec import decode_reminder
from tests.support.ports import free_port


class HookReceiver:
    """Counts the posts of each id. It answers after ``answer_seconds``, so that tests can kill the
    sender."""

    def __init__(self, answer_seconds: float = 0.05) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.posts: Counter[str] = Counter()
        self.traces: dict[str, tuple[str | None, str | None]] = {}
        """``traceparent`` and ``tracestate`` of the last post to each subscriber."""
        self._port = port
        self._answer_seconds = answer_seconds
        self._taken: list[tuple[str, str]] = []

    def messages(self) -> list[tuple[str, str]]:
        """Number and text of the accepted messages, in order."""
        return list(self._taken)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        reminder = decode_reminder(await request.read())
        message_id = request.headers["webhook-id"]
        trace = request.headers.get("traceparent"), request.headers.get("tracestate")
        self.traces[reminder.subscriber] = trace
        if not self.posts[message_id]:
            self._taken.append((reminder.subscriber, reminder.text))
        self.posts[message_id] += 1
        await asyncio.sleep(self._answer_seconds)  # a slow receiver
        return web.Response(status=204)
