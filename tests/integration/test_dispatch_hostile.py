"""Gateways against message centers that mean harm: what is kept, asked and answered is bounded."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.model import (
    Accepted,
    ErrorClass,
    IncomingSms,
    Origin,
    Outgoing,
    Refused,
    Unknown,
    message_of,
)
from streamproc.dispatch.smpp import session as session_module
from streamproc.dispatch.smpp.gateway import SmppGateway, SmppSettings
from streamproc.dispatch.smpp.session import SessionSettings
from tests.support.scheduler import START_MS, reminder
from tests.support.smsc_wire import (
    DELIVER_SM,
    ENQUIRE_LINK,
    HEADER,
    OK,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
)
from tests.support.waiting import until

BIND = 0x09
NACK = 0x80000000
TRY_AGAIN = 0x64
RESPONSE_SECONDS = 0.3


def pdu(command: int, sequence: int = 1, body: bytes = b"", status: int = OK) -> bytes:
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def sms(number: int, sequence: int) -> bytes:
    """A ``deliver_sm`` of a subscriber."""
    text = b"STOP %d" % number
    body = b"\0\1\1%d\0\1\110086\0" % (8613800000000 + number)
    return pdu(DELIVER_SM, sequence, body + bytes((0, 0, 0, 0, 0, 0, 0, 0, 0, len(text))) + text)


class Center:
    """A message center that follows a script after each bind."""

    def __init__(self) -> None:
        self.binds = 0
        self.got: list[tuple[int, int, int]] = []
        """Command, status and sequence number of each PDU."""
        self.ups: list[bool] = []
        self.taken: list[IncomingSms] = []
        self.confirmed: list[IncomingSms] = []
        self.durable = asyncio.Event()
        self.durable.set()
        self.script: Callable[[Center, Any], Awaitable[None]] | None = None
        self.answers: dict[int, Callable[[int], bytes]] = {}
        self.reads = True
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, **settings: Any) -> SmppGateway:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        session = SessionSettings(
            *("127.0.0.1", port, "dispatch", settings.pop("password", "secret")),
            response_seconds=RESPONSE_SECONDS,
            enquire_seconds=settings.pop("enquire", 30.0),
        )
        backoff = Backoff(base_ms=200, max_ms=1_000)
        settings = {"late_seconds": 0.6, **settings}
        self.gateway = SmppGateway(
            "main", SmppSettings(session, "10086", backoff, **settings), lambda: 0.5
        )
        events = Events(self.ups.append, self._report, lambda: START_MS)
        await self.gateway.start(replace(events, sms=self._sms, answered=self._confirm))
        return self.gateway

    async def close(self) -> None:
        await self.gateway.close()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()

    async def bound(self) -> None:
        await until(lambda: self.ups[-1:] == [True])

    def count(self, command: int, status: int | None = None) -> int:
        return sum(one == command and status in (None, told) for one, told, _ in self.got)

    async def _report(self, _: Any) -> None:
        await self.durable.wait()

    async def _sms(self, one: IncomingSms) -> None:
        await self.durable.wait()
        self.taken.append(one)

    async def _confirm(self, one: IncomingSms) -> None:
        self.confirmed.append(one)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        try:
            while self.reads:
                length, command, status, sequence = HEADER.unpack(await reader.readexactly(16))
                await reader.readexactly(length - 16)
                self.got.append((command, status, sequence))
                if command in self.answers:
                    writer.write(self.answers[command](sequence))
                elif command == BIND:
                    self.binds += 1
                    writer.write(pdu(BIND | RESPONSE, sequence, b"center\0"))
                    if self.script is not None:
                        await self.script(self, writer)
                elif command in (ENQUIRE_LINK, UNBIND):
                    writer.write(pdu(command | RESPONSE, sequence))
            await asyncio.Event().wait()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@pytest.fixture
async def center() -> AsyncIterator[Center]:
    center = Center()
    yield center
    await center.close()


def message(number: int = 1, **fields: Any) -> Outgoing:
    return message_of(reminder(number, **fields), Origin("reminders", 0, 0, START_MS), 0, number)


async def test_a_center_that_ends_each_session_is_not_bound_at_full_speed(center: Center) -> None:
    async def drop(_: Center, writer: asyncio.StreamWriter) -> None:
        writer.close()

    center.script = drop
    await center.open()
    await until(lambda: center.binds >= 3)
    count, began = center.binds, asyncio.get_running_loop().time()
    await asyncio.sleep(0.5)  # how often it binds in a time

    assert (center.binds - count) / (asyncio.get_running_loop().time() - began) < 5


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFFFFFF])
async def test_a_pdu_of_an_impossible_length_ends_the_session(center: Center, length: int) -> None:
    async def lie(_: Center, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER.pack(length, ENQUIRE_LINK, OK, 1))

    center.script = lie
    with capture_logs() as logs:
        await center.open()
        await until(lambda: center.ups[-2:] == [True, False])

    assert any(f"claims to have {length} bytes" in str(one.get("reason")) for one in logs)


async def test_half_a_pdu_for_ever_ends_the_session(center: Center) -> None:
    async def dribble(_: Center, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADER.pack(60_000, DELIVER_SM, OK, 1))
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)  # slow, but never silent

    center.script = dribble
    await center.open(enquire=0.2)
    await until(lambda: center.ups[-2:] == [True, False])


@pytest.mark.parametrize("command", [BIND | RESPONSE, DELIVER_SM | RESPONSE])
async def test_an_answer_of_another_command_settles_nothing(center: Center, command: int) -> None:
    center.answers[SUBMIT_SM] = lambda number: pdu(command, number, b"42\0")
    gateway = await center.open()
    await center.bound()

    assert isinstance(await gateway.send(message()), Unknown)


async def test_answers_to_nothing_are_ignored_and_the_true_one_counts(center: Center) -> None:
    def answers(number: int) -> bytes:
        others = b"".join(pdu(SUBMIT_SM | RESPONSE, one, b"no\0") for one in range(90, 5_000))
        return others + pdu(SUBMIT_SM | RESPONSE, number, b"42\0")

    center.answers[SUBMIT_SM] = answers
    gateway = await center.open()
    await center.bound()

    assert await gateway.send(message()) == Accepted({1: "42"})


async def test_a_refusal_of_an_unknown_pdu_is_told(center: Center) -> None:
    """Message centers refuse with the sequence number 0 what they could not read."""

    async def script(_: Center, writer: Any) -> None:
        writer.write(pdu(NACK, 0, status=0x02) * 3)

    center.script = script
    with capture_logs() as logs:
        await center.open()
        await center.bound()
        await until(lambda: [one for one in logs if one["log_level"] == "warning"])
    (told,) = (one for one in logs if one["log_level"] == "warning")
    assert told["event"] == "the message center could not read a PDU of ours"
    assert told["status"] == "ESME_RINVCMDLEN"
    assert told["message_center"].startswith("127.0.0.1:")


async def test_an_answer_without_an_id_is_told(center: Center) -> None:
    center.answers[SUBMIT_SM] = lambda number: pdu(SUBMIT_SM | RESPONSE, number)
    gateway = await center.open()
    await center.bound()
    with capture_logs() as logs:
        assert await gateway.send(message()) == Accepted({1: ""})
        assert await gateway.send(message(2)) == Accepted({1: ""})
    (told,) = logs
    assert told["event"] == "a message was accepted without an id, so its receipt is unknown"
    assert told["gateway"] == "main"


async def test_a_nack_that_says_ok_is_a_refusal(center: Center) -> None:
    center.answers[SUBMIT_SM] = lambda number: pdu(NACK, number)
    gateway = await center.open()
    await center.bound()

    assert await gateway.send(message()) == Refused(ErrorClass.TRANSIENT, "ESME_RUNKNOWNERR")


async def test_who_asks_and_does_not_read_the_answers_is_left(
    center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0

    async def flood(_: Center, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        center.reads = False
        while True:
            writer.write(pdu(ENQUIRE_LINK) * 1_000)
            await writer.drain()
            most = max(most, *(unread(one) for one in center.gateway._sessions.values()), 0)

    def unread(one: Any) -> int:
        size: int = one._writer.transport.get_write_buffer_size()
        return size

    center.script = flood
    with capture_logs() as logs:
        await center.open()
        await until(lambda: center.ups[-2:] == [True, False])

    assert most < 2 * session_module.UNREAD_LIMIT
    assert any("does not read" in str(one.get("reason")) for one in logs)


async def test_a_flood_of_sms_is_refused_for_now_and_none_is_lost(
    center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka is slow, and more SMS come than may be under way."""
    monkeypatch.setattr(session_module, "HANDLING_LIMIT", 20)
    most_tasks = 0

    async def flood(_: Center, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(sms(number, number) for number in range(1, 2_001)))

    center.script = flood
    center.durable.clear()
    gateway = await center.open()
    await center.bound()
    await until(lambda: center.count(DELIVER_SM | RESPONSE) >= 1_980)
    most_tasks = len(asyncio.all_tasks())
    center.durable.set()
    await until(lambda: center.count(DELIVER_SM | RESPONSE) == 2_000)

    assert center.count(DELIVER_SM | RESPONSE, TRY_AGAIN) == 1_980
    assert center.count(DELIVER_SM | RESPONSE, OK) == len(center.taken) == 20
    assert most_tasks < 60
    # One question confirms all, so the flood does not push submits out of what is remembered.
    await until(lambda: len(center.confirmed) == 20)
    assert center.count(ENQUIRE_LINK) < 20
    assert gateway.takes_sms


async def test_a_flood_of_unbinds_is_one(center: Center) -> None:
    async def flood(_: Center, writer: asyncio.StreamWriter) -> None:
        writer.write(pdu(UNBIND) * 1_000)

    center.script = flood
    await center.open()
    await until(lambda: center.ups[-2:] == [True, False])

    assert center.count(UNBIND | RESPONSE) <= 1


async def test_a_password_that_smpp_cannot_carry_leaves_the_gateway_trying(center: Center) -> None:
    with capture_logs() as logs:
        gateway = await center.open(password="pässwort")
        await until(lambda: [one for one in logs if "no session" in one["event"]])

    assert (await gateway.send(message())) == Refused(ErrorClass.UNREACHABLE, "not_bound")
    assert not any(task.done() for task in gateway._keepers)


async def test_what_smpp_cannot_carry_is_refused_and_leaves_nothing_waiting(center: Center) -> None:
    gateway = await center.open()
    await center.bound()
    session = gateway._sessions["transceiver"]
    numbers = "8" * 21, "A" + "b" * 63
    outcomes = [await gateway.send(message(subscriber=one)) for one in numbers]
    outcomes.append(await gateway.send(message(text="x" * 50_000)))

    assert [getattr(one, "error", None) for one in outcomes] == [ErrorClass.PERMANENT] * 3
    assert not session._waiting


async def test_a_bug_in_a_session_ends_it_and_another_follows(
    center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise struct.error("a bug")

    async def ask(center: Center, writer: asyncio.StreamWriter) -> None:
        await center.bound()
        monkeypatch.setattr(session_module.Session, "_settle", fail)
        writer.write(pdu(ENQUIRE_LINK | RESPONSE))

    center.script = ask
    await center.open()
    await until(lambda: center.ups[-2:] == [True, False])
