"""Message centers: what they send into a session, as bytes and as whole PDUs.

Each input goes to a session on a loop without a network, with submits that wait for answers. What
the session passes on goes where a dispatcher would put it: reports to a scheduler, SMS to the
memory of SMS, each through the record that is written in between.
"""

from __future__ import annotations

import asyncio
import struct
from functools import cache, partial
from typing import Any

import msgspec

from perf.fuzz.loops import Loop
from perf.fuzz.target import Target
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.gateways.base import Events, SmsRefusedError
from streamproc.dispatch.matching import ID_LIMIT
from streamproc.dispatch.model import DeliveryReport, IncomingSms, Outgoing
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.gateway import SmppGateway, SmppSettings
from streamproc.dispatch.smpp.session import NoAnswerError, Session, SessionSettings
from streamproc.dispatch.sms_memory import LONGEST, SmsMemory, decode_record, heard_of
from tests.support.scheduler import START_MS, Table, line, reminder

SETTINGS = SmppSettings(
    SessionSettings("127.0.0.1", 2775, "dispatch", "secret", unbind_seconds=0.001),
    "10086",
    Backoff(),
)
COMMANDS = (
    *(0x80000000, 0x80000004, 0x80000009, 0x80000015, 0x80000006, 0x80000103, 0x00000005),
    *(0x00000006, 0x00000015, 0x00000103, 0x00000102, 0x00000004, 0x00000009, 0x0000000B),
)
STATUSES = 0, 0, 0, 1, 8, 0x14, 0x58, 0xFF, 0x400
WRITTEN_MOST = 40
"""Bytes that a session writes for each 16 bytes that it reads, and a submit."""


class Wire:
    """The writer of a session, which keeps what is written."""

    def __init__(self) -> None:
        self.written = 0
        self.transport: Any = self

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    async def drain(self) -> None:
        pass


class Dispatcher:
    """What a gateway reports to."""

    def __init__(self) -> None:
        self.table = Table(line(reports=True))
        self.memory = SmsMemory()
        self.number = 0

    async def report(self, report: DeliveryReport) -> None:
        assert len(report.message_id) <= ID_LIMIT
        msgspec.json.encode(report)
        self.table.scheduler.report(report, None, START_MS)

    async def sms(self, sms: IncomingSms) -> None:
        if len(sms.text) > LONGEST:
            raise SmsRefusedError("too long", is_final=True)
        self.number += 1
        record = decode_record(msgspec.json.encode(heard_of(sms, str(self.number), START_MS)))
        assert record is not None, f"no dispatcher would read the record of {sms}"
        self.memory.hear(record)  # type: ignore[arg-type]  # it is what heard_of has made

    async def answered(self, sms: IncomingSms) -> None:
        pass


@cache
def _loop() -> Loop:
    return Loop()


async def _session(data: bytes) -> None:
    heard = Dispatcher()
    gateway = SmppGateway("main", SETTINGS, lambda: 0.5)
    gateway._events = Events(
        lambda _: None, heard.report, lambda: START_MS, sms=heard.sms, answered=heard.answered
    )
    reader, wire = asyncio.StreamReader(), Wire()
    session = Session(SETTINGS.session, reader, wire, gateway._heard)  # type: ignore[arg-type]
    answers = [session.submit(partial(pdu.encode, pdu.SUBMIT_SM)) for _ in range(3)]
    message = _message()
    gateway._settle_late(answers[2], message, 1, 0)
    reader.feed_data(data)
    reader.feed_eof()
    await session._read()
    for answer in answers:
        try:
            _, body = await answer
            assert len(pdu.message_id(body)) <= ID_LIMIT
        except NoAnswerError:
            pass
    while session._handling:
        await asyncio.wait(session._handling)
    assert not session.reason.startswith("failed"), session.reason
    assert not session._delivering
    assert wire.written <= (len(data) + 64) // 16 * WRITTEN_MOST


@cache
def _message() -> Outgoing:
    table = Table(line(reports=True))
    table.put(reminder(1))
    (message,) = table.step()
    return message


def _feed(data: bytes) -> None:
    _loop().run(_session(data))


def _framed(data: bytes) -> None:
    """Each line is a PDU: command, status and sequence number by one byte each, then its body."""
    pdus = b""
    for one in data.split(b"\n"):
        if len(one) < 3:
            continue
        command = COMMANDS[one[0] % len(COMMANDS)]
        body = one[3:].replace(b"\\n", b"\n")
        pdus += pdu.encode(command, one[2] % 6, body, STATUSES[one[1] % len(STATUSES)])
    _feed(pdus)


def _deliver(text: bytes, esm_class: int = 0, coding: int = 0, parameters: bytes = b"") -> bytes:
    numbers = b"\0\1\18613800000001\0\0\0" + b"10086\0"
    fields = bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(text)))
    return numbers + fields + text + parameters


def _tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


RECEIPT = (
    b"id:42 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 "
    b"text:Hello"
)
BODIES = {
    pdu.DELIVER_SM: (
        _deliver(b"STOP"),
        _deliver(RECEIPT, 4),
        _deliver(b"", 4, 0, _tlv(0x1E, b"1A2B\0") + _tlv(0x427, b"\2") + _tlv(0x423, b"\3\0\x1b")),
        _deliver(b"\5\0\3\7\2\1" + b"part", 0x40),
        _deliver(b"\6\x08\4\0\7\2\1" + "流量".encode("utf-16-be"), 0x40, 8),
        _deliver(b"\x09\x24\1\1\x25\1\1\0\1\0" + b"\x1b\x65", 0x40),
        _deliver(b"half", 0, 3, _tlv(0x20C, b"\0\7") + _tlv(0x20E, b"\2") + _tlv(0x20F, b"\1")),
    ),
    pdu.DATA_SM: (
        b"\0\1\18613800000001\0\0\x0010086\0\0\0\0" + _tlv(0x424, b"ANSWER"),
        b"\0\1\18613800000001\0\0\x0010086\0\4\0\0" + _tlv(0x424, RECEIPT),
    ),
    pdu.SUBMIT_SM | pdu.RESPONSE: (b"42\0", b"0A1B-2c\0", b""),
    pdu.ENQUIRE_LINK: (b"",),
    pdu.UNBIND: (b"",),
    pdu.ALERT_NOTIFICATION: (b"\1\18613800000001\0\0\x0010086\0",),
}


def _samples() -> list[bytes]:
    return [
        pdu.encode(command, number, body)
        for command, bodies in BODIES.items()
        for number, body in enumerate(bodies, 1)
    ]


def _lines() -> list[bytes]:
    one_each = [
        bytes((COMMANDS.index(command), 0, number)) + body.replace(b"\n", b"\\n")
        for command, bodies in BODIES.items()
        for number, body in enumerate(bodies, 1)
    ]
    return [*one_each, b"\n".join(one_each), b"\n".join(one_each[:4] * 3)]


WORDS = (
    *(b"\0\0\0\x10", b"\0\0\0\x0f", b"\xff\xff\xff\xff", b"\x80\0\0\4", b"\0\0\0\5"),
    *(b"id:", b"stat:", b"err:", b"text:", b"DELIVRD", b"ENROUTE", b"\x04\x24\xff\xff"),
    *(b"\2\x0c\0\2", b"\2\x0e\0\1\xff", b"\0\x1e\0\1", b"\x1b", b"\x40", b"\5\0\3"),
)
SMPP_BYTES = Target("smpp-bytes", "bytes of a message center", _samples, _feed, words=WORDS)
SMPP_PDUS = Target("smpp-pdus", "PDUs of a message center", _lines, _framed, words=WORDS)
