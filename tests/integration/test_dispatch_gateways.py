"""Each gateway against the outside it speaks to, on loopback or in a file."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import hmac
import io
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import smpp34
from aiohttp import web
from structlog.testing import capture_logs

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.console import ConsoleGateway
from streamproc.dispatch.gateways.file import FileGateway
from streamproc.dispatch.gateways.memory import MemoryGateway
from streamproc.dispatch.gateways.webhook import WebhookGateway, WebhookSettings
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Origin,
    Outgoing,
    Refused,
    Unknown,
    message_of,
)
from streamproc.dispatch.smpp.gateway import SmppGateway, SmppSettings
from streamproc.dispatch.smpp.session import SessionSettings
from streamproc.tracing.context import NO_TRACE, TraceHeaders
from tests.support.ports import free_port
from tests.support.scheduler import START_MS, reminder
from tests.support.smsc import Behaviour, Smsc
from tests.support.waiting import until

SECRET = b"key"


def message(number: int = 1, **fields: Any) -> Outgoing:
    return message_of(reminder(number, **fields), Origin("reminders", 0, 0, START_MS), 0, number)


class Heard:
    """What a gateway said by itself."""

    def __init__(self) -> None:
        self.ups: list[bool] = []
        self.reports: list[DeliveryReport] = []
        self.durable = asyncio.Event()
        self.durable.set()
        self.changed = asyncio.Event()
        self.events = Events(self._up, self._report, lambda: START_MS)

    def _up(self, is_up: bool) -> None:
        self.ups.append(is_up)
        self.changed.set()

    async def _report(self, report: DeliveryReport) -> None:
        self.reports.append(report)
        self.changed.set()
        await self.durable.wait()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def test_the_console_masks_the_number() -> None:
    out = io.StringIO()
    gateway = ConsoleGateway(out)
    assert await gateway.send(message()) == Accepted()

    assert out.getvalue() == "861********01  80% used\n"


async def test_memory_keeps_and_answers() -> None:
    gateway = MemoryGateway(lambda one: Refused(ErrorClass.PERMANENT, one.id))
    outcome = await gateway.send(message(1))

    assert isinstance(outcome, Refused)
    assert [one.reminder.text for one in gateway.sent] == ["80% used"]


async def test_the_file_has_a_line_for_each_reminder_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    path.write_bytes(b'{"id":"cut sho')  # as a crash leaves it
    gateway = FileGateway(path)
    for number in (1, 2):
        assert await gateway.send(message(number)) == Accepted()
    await gateway.close()

    cut, *lines = path.read_text().splitlines()
    assert cut == '{"id":"cut sho'
    assert [json.loads(line)["id"] for line in lines] == [f"{n:032x}" for n in (1, 2)]
    new = FileGateway(tmp_path / "new.ndjson")
    await new.send(message())
    await new.close()
    assert (tmp_path / "new.ndjson").stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_opened_refuses_and_one_that_fails_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = await FileGateway(tmp_path / "no" / "out").send(message())
    assert isinstance(outcome, Refused)
    assert outcome.error is ErrorClass.UNREACHABLE
    device = await FileGateway(Path("/dev/full")).send(message())
    assert isinstance(device, Refused)
    assert "None" not in device.code

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    outcome = await FileGateway(tmp_path / "out").send(message())
    assert outcome == Unknown("OSError: No space left on device")


class Hook:
    """A receiver that verifies as a receiver should."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.bodies: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.traces: list[tuple[str | None, str | None]] = []
        self.url = ""
        self.delay = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = request.headers
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
        if headers["webhook-signature"] != f"v1,{digest}":
            return web.Response(status=401)
        await asyncio.sleep(self.delay)  # a slow receiver
        self.bodies.append(json.loads(body))
        self.ids.append(headers["webhook-id"])
        self.traces.append((headers.get("traceparent"), headers.get("tracestate")))
        status, extra = self.answers.pop(0) if self.answers else (204, {})
        return web.Response(status=status, headers=extra)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/sms", hook.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    hook.url = f"http://127.0.0.1:{port}/sms"
    yield hook
    await runner.cleanup()


async def _post(
    hook: Hook,
    secret: bytes = SECRET,
    timeout_seconds: float = 5,
    trace: TraceHeaders = NO_TRACE,
) -> Any:
    gateway = WebhookGateway(WebhookSettings(hook.url, (secret,), timeout_seconds))
    await gateway.start(Heard().events)
    try:
        return await gateway.send(replace(message(7), trace=trace))
    finally:
        await gateway.close()


async def test_the_webhook_gets_the_trace_of_the_reminder(hook: Hook) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = (("traceparent", parent.encode()), ("tracestate", b"a=1,b=2"))
    for trace in (NO_TRACE, headers[:1], headers):
        assert await _post(hook, trace=trace) == Accepted()
    assert hook.traces == [(None, None), (parent, None), (parent, "a=1,b=2")]


async def test_the_webhook_is_signed_and_carries_the_reminder_and_its_id(hook: Hook) -> None:
    assert await _post(hook) == Accepted()

    assert hook.ids == [f"{7:032x}"]
    assert hook.bodies[0]["text"] == "80% used"
    wrong = await _post(hook, secret=b"other")
    assert wrong == Refused(ErrorClass.PERMANENT, "http_401")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, ErrorClass.THROTTLED),
        (503, ErrorClass.TRANSIENT),
        (408, ErrorClass.TRANSIENT),
        (400, ErrorClass.PERMANENT),
        (302, ErrorClass.PERMANENT),
    ],
)
async def test_http_status_decides_what_happens_next(
    hook: Hook, status: int, error: ErrorClass
) -> None:
    hook.answers = [(status, {"retry-after": "7", "location": "http://127.0.0.1:1/"})]
    outcome = await _post(hook)

    assert outcome.error is error
    assert outcome.retry_after_ms == (0 if error is ErrorClass.PERMANENT else 7_000)


async def test_a_webhook_that_does_not_answer_is_unknown_and_one_that_is_away_unreachable(
    hook: Hook,
) -> None:
    hook.delay = 0.3
    assert isinstance(await _post(hook, timeout_seconds=0.1), Unknown)
    hook.url = f"http://127.0.0.1:{free_port()}/"

    assert (await _post(hook)).error is ErrorClass.UNREACHABLE


class Center:
    """A simulated message center in this process, with the gateway bound to it."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.log = directory / "smsc.ndjson"
        self.heard = Heard()
        self.server: asyncio.Task[None] | None = None

    async def open(self, password: str = "secret", **behaviour: Any) -> SmppGateway:
        await self.serve(**behaviour)
        session = SessionSettings(
            *("127.0.0.1", self.port, "dispatch", password),
            response_seconds=0.3,
            enquire_seconds=behaviour.pop("enquire", 0.2),
        )
        backoff = Backoff(base_ms=50, max_ms=100)
        self.gateway = SmppGateway("main", SmppSettings(session, "10086", backoff), lambda: 0.5)
        await self.gateway.start(self.heard.events)
        return self.gateway

    async def serve(self, **behaviour: Any) -> None:
        self.server = asyncio.create_task(Smsc(Behaviour(**behaviour), self.log).serve(self.port))
        await until(lambda: self.events("listening"))

    async def stop(self) -> None:
        if self.server is not None:
            self.server.cancel()
            await asyncio.gather(self.server, return_exceptions=True)

    def events(self, kind: str) -> list[dict[str, Any]]:
        written = self.log.read_text() if self.log.exists() else ""
        lines = map(json.loads, written.splitlines())
        return [line for line in lines if line["event"] == kind]


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Center]:
    center = Center(tmp_path)
    yield center
    await center.gateway.close()
    await center.stop()


async def test_a_message_is_submitted_and_its_receipt_comes_back(center: Center) -> None:
    gateway = await center.open()
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])
    outcome = await gateway.send(message())
    await center.heard.until(lambda: center.heard.reports)

    assert isinstance(outcome, Accepted)
    (report,) = center.heard.reports
    assert (report.message_id, report.state) == (outcome.parts[1], "delivered")
    (accepted,) = center.events("accepted")
    assert accepted["to"] == "8613800000001"
    assert accepted["text"] == "80% used"
    assert accepted["validity"] == "000001000000000R"


async def test_a_long_text_goes_in_parts_of_which_accepted_ones_are_left_out(
    center: Center,
) -> None:
    gateway = await center.open(receipts="none")
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])
    one = message(text="流量提醒" * 40, segments=3)
    outcome = await gateway.send(one)
    assert isinstance(outcome, Accepted)
    assert sorted(outcome.parts) == [1, 2, 3]
    one.parts = {1: "x", 3: "y"}
    again = await gateway.send(one)

    assert isinstance(again, Accepted)
    assert sorted(again.parts) == [2]
    parts = center.events("accepted")
    assert "".join(part["text"] for part in parts[:3]) == "流量提醒" * 40
    assert len({part["reference"] for part in parts}) == 1


async def test_a_receipt_is_acknowledged_only_when_it_is_durable(center: Center) -> None:
    gateway = await center.open()
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])
    center.heard.durable.clear()
    await gateway.send(message())
    await center.heard.until(lambda: center.heard.reports)
    await asyncio.sleep(0.05)  # it must not be acknowledged
    assert center.events("receipt_acknowledged") == []
    center.heard.durable.set()
    await until(lambda: center.events("receipt_acknowledged"))

    assert len(center.events("receipt_acknowledged")) == 1


async def test_refusals_keep_their_class(center: Center) -> None:
    gateway = await center.open(fail_status=0x58, fail_share=1.0)
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])

    assert await gateway.send(message()) == Refused(ErrorClass.THROTTLED, "ESME_RTHROTTLED")


async def test_an_answer_after_the_usual_time_is_waited_for(center: Center) -> None:
    gateway = await center.open(answer_seconds=1.0)
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])

    assert isinstance(await gateway.send(message()), Accepted)


async def test_a_lost_connection_is_unknown_for_what_is_out_and_comes_back(center: Center) -> None:
    gateway = await center.open(mute_share=1.0)
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])
    assert isinstance(await gateway.send(message()), Unknown)
    later = await gateway.send(message(2))
    assert later == Refused(ErrorClass.UNREACHABLE, "not_bound")
    await center.heard.until(lambda: center.heard.ups[-2:] == [False, True])

    assert len(center.events("bind")) == 2


async def test_a_silent_link_is_asked_and_given_up_without_an_answer(center: Center) -> None:
    await center.open(mute_enquire=True)
    await center.heard.until(lambda: center.heard.ups[-2:] == [True, False])

    assert center.events("enquire_link")


async def test_a_link_that_answers_is_kept(center: Center) -> None:
    await center.open()
    await center.heard.until(lambda: center.heard.ups[-1:] == [True])
    await until(lambda: len(center.events("enquire_link")) >= 3)

    assert center.heard.ups == [False, True]


async def test_a_wrong_password_is_tried_again_and_sends_nothing(center: Center) -> None:
    with capture_logs() as logs:
        gateway = await center.open(password="wrong")
        await until(lambda: len(center.events("bind")) >= 3)

    told = [one["log_level"] for one in logs if one["event"].startswith("no session")]
    assert told[:2] == ["warning", "debug"]
    assert "warning" not in told[1:]
    assert True not in center.heard.ups
    outcome = await gateway.send(message())
    assert outcome == Refused(ErrorClass.UNREACHABLE, "not_bound")


async def test_the_gateway_also_gets_on_with_the_librarys_own_server() -> None:
    port = free_port()
    server: Any = smpp34.Server(host="127.0.0.1", port=port)
    await server.start()
    heard = Heard()
    settings = SmppSettings(
        SessionSettings("127.0.0.1", port, "dispatch", "secret"), "10086", Backoff()
    )
    gateway = SmppGateway("main", settings, lambda: 0.5)
    await gateway.start(heard.events)
    esme = await server.next()
    await heard.until(lambda: heard.ups[-1:] == [True])
    sending = asyncio.create_task(gateway.send(message()))
    submit = await server.next()
    assert (submit.destination_addr, bytes(submit.short_message)) == ("8613800000001", b"80% used")
    submit.accept("AB12")
    answer = await sending
    tags = vars(smpp34)  # it makes the constants at import
    tlvs = [
        smpp34.Tlv(tags["TLV_RECEIPTED_MESSAGE_ID"], b"AB12\0"),
        smpp34.Tlv(tags["TLV_MESSAGE_STATE"], b"\2"),
    ]
    response = await esme.deliver_sm(
        "10086", b"", source_addr="8613800000001", esm_class=4, tlvs=tlvs
    )
    await gateway.close()
    await server.stop()

    assert answer == Accepted({1: "AB12"})
    assert response.is_success
    assert [(one.message_id, one.state) for one in heard.reports] == [("AB12", "delivered")]


async def test_the_simulator_also_gets_on_with_the_librarys_own_client(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    serving = asyncio.create_task(Smsc(Behaviour(), log).serve(port))
    await until(lambda: log.exists() and "listening" in log.read_text())
    client: Any = smpp34.Client("127.0.0.1", port, "me", "secret")
    session = await client.connect()
    answer = await session.submit_sm(
        "8613800000001", b"hello", source_addr="1", registered_delivery=1
    )
    receipt = await session.next()
    await session.unbind()
    serving.cancel()

    assert answer.is_success
    assert f"id:{answer.message_id}".encode() in bytes(receipt.short_message)
    assert receipt.source_addr == "8613800000001"
