"""A receiver with an official library of Standard Webhooks takes what the webhook gateway posts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import standardwebhooks
from aiohttp import web

from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import Site
from streamproc.dispatch.gateways.webhook import KIND, WebhookEntry
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Origin,
    Outcome,
    Refused,
    message_of,
)
from tests.interop.conftest import Record
from tests.interop.parts import NODE_WEBHOOKS, PYTHON_WEBHOOKS
from tests.support.npm_parts import PARTS, node_modules
from tests.support.ports import free_port
from tests.support.scheduler import START_MS, reminder

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_bmV3IGtleSBvZiAyNCBieXRlcyBvciBtb3Jl"
OTHER = "whsec_b3RoZXIga2V5IG9mIDI0IGJ5dGVzIG9yIG1vcmU="
FINDING = "one and several secrets, an old one, a wrong one", "verified, or refused with 401"
REFUSED = Refused(ErrorClass.PERMANENT, "http_401")


async def posted(url: str, secret: str, skew_seconds: int = 0) -> Outcome:
    """What a receiver answers to a reminder that is signed with this secret of a gateways file.

    The dispatcher's clock is ahead by ``skew_seconds``.
    """

    async def report(_: DeliveryReport) -> None:
        raise AssertionError("a webhook reports nothing")

    entry = WebhookEntry(name="h", url=url, secret_env="SECRET")
    gateway = KIND.gateway(entry, Site(Path(), lambda: 0.5, {"SECRET": secret}))
    await gateway.start(
        Events(lambda _: None, report, lambda: int((time.time() + skew_seconds) * 1000))
    )
    try:
        one = reminder(7, text="还剩 20% – “2 GB”")
        return await gateway.send(message_of(one, Origin("reminders", 0, 0, START_MS), 0, 7))
    finally:
        await gateway.close()


@asynccontextmanager
async def python_receiver(secret: str) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            standardwebhooks.Webhook(secret).verify(body, dict(request.headers))
        except standardwebhooks.WebhookVerificationError:
            return web.Response(status=401)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def javascript_receiver(packages: Path, secret: str) -> AsyncIterator[str]:
    program = PARTS / "webhook_receiver.js"
    environment = os.environ | {"NODE_PATH": str(packages), "SECRET": secret}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(program), stdin=pipe, stdout=pipe, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.stdin.close()
        async with asyncio.timeout(30):
            assert await process.wait() == 0


CLOCK_FINDING = "a clock that is 4 minutes away, and 6", "verified, and refused with 401"
SKEWS = pytest.mark.parametrize(
    ("skew_seconds", "outcome"),
    [(240, Accepted()), (-240, Accepted()), (360, REFUSED), (-360, REFUSED)],
)


@SKEWS
async def test_the_python_library_refuses_a_message_of_another_time(
    skew_seconds: int, outcome: Outcome, record_finding: Record
) -> None:
    async with python_receiver(OLD) as url:
        assert await posted(url, OLD, skew_seconds) == outcome
    record_finding(PYTHON_WEBHOOKS, *CLOCK_FINDING)


@SKEWS
async def test_the_javascript_library_refuses_a_message_of_another_time(
    skew_seconds: int, outcome: Outcome, record_finding: Record
) -> None:
    packages = await asyncio.to_thread(node_modules)
    async with javascript_receiver(packages, OLD) as url:
        assert await posted(url, OLD, skew_seconds) == outcome
    record_finding(NODE_WEBHOOKS, *CLOCK_FINDING)


SECRETS = pytest.mark.parametrize(
    ("secret", "outcome"),
    [
        (OLD, Accepted()),
        (f"{NEW} {OLD}", Accepted()),
        (f"raw:an old password\n{OLD}", Accepted()),
        (f"{NEW} {OTHER}", REFUSED),
        (f"raw:{OLD}", REFUSED),
    ],
)


@SECRETS
async def test_the_python_library_verifies_a_message_by_any_of_its_secrets(
    secret: str, outcome: Outcome, record_finding: Record
) -> None:
    async with python_receiver(OLD) as url:
        assert await posted(url, secret) == outcome
    record_finding(PYTHON_WEBHOOKS, *FINDING)


@SECRETS
async def test_the_javascript_library_verifies_a_message_by_any_of_its_secrets(
    secret: str, outcome: Outcome, record_finding: Record
) -> None:
    packages = await asyncio.to_thread(node_modules)
    async with javascript_receiver(packages, OLD) as url:
        assert await posted(url, secret) == outcome
    record_finding(NODE_WEBHOOKS, *FINDING)
