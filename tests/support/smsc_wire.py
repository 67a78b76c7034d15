"""SMPP 3.4 on the wire, as the simulated message center writes and reads it.

It is written from the specification, without the library under test, so that both cannot
share a mistake.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

HEADER = struct.Struct(">IIII")
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x15
BINDS = {0x01, 0x02, 0x09}
RESPONSE = 0x80000000
OK, INVALID_COMMAND, SYSTEM_ERROR, BAD_PASSWORD, THROTTLED = 0x00, 0x03, 0x08, 0x0E, 0x58
GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", "\f^{}\\[~]|€", strict=True))


@dataclass
class Submit:
    """The fields of a ``submit_sm`` that matter."""

    source: str
    destination: str
    esm_class: int
    validity: str
    registered: int
    coding: int
    body: bytes
    tlvs: dict[int, bytes] = field(default_factory=dict)


def parse_submit(body: bytes) -> Submit:
    """A ``submit_sm`` body (4.4.1)."""
    reader = _Reader(body)
    reader.string()  # service type
    reader.take(2)
    source = reader.string()
    reader.take(2)
    destination = reader.string()
    esm_class, _, _ = reader.take(3)
    reader.string()  # scheduled
    validity = reader.string()
    registered, _, coding, _, length = reader.take(5)
    message = reader.take(length)
    tlvs = {}
    while reader.left():
        tag, size = struct.unpack(">HH", reader.take(4))
        tlvs[tag] = reader.take(size)
    return Submit(source, destination, esm_class, validity, registered, coding, message, tlvs)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, count: int) -> bytes:
        found = self._data[self._place : self._place + count]
        assert len(found) == count, "the PDU is too short"
        self._place += count
        return found

    def string(self) -> str:
        end = self._data.index(b"\0", self._place)
        found = self._data[self._place : end]
        self._place = end + 1
        return found.decode("ascii")

    def left(self) -> int:
        return len(self._data) - self._place


def text_of(coding: int, body: bytes) -> str:
    """The characters of one part without its header."""
    if coding == 8:
        return body.decode("utf-16-be")
    out, codes = "", iter(body)
    for code in codes:
        out += GSM_EXTENDED[next(codes)] if code == 0x1B else GSM_BASIC[code]
    return out


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def facts(one: Submit) -> dict[str, Any]:
    body, reference, total, number = one.body, 0, 1, 1
    if one.esm_class & 0x40:
        assert body[:3] == b"\5\0\3"
        reference, total, number = body[3:6]
        body = body[6:]
    return {
        "to": one.destination,
        "source": one.source,
        "text": text_of(one.coding, body),
        "coding": one.coding,
        "octets": len(one.body),
        "reference": reference,
        "total": total,
        "number": number,
        "validity": one.validity,
    }


def receipt_body(one: Submit, text: bytes, tlvs: bytes) -> bytes:
    """A ``deliver_sm`` body with a delivery receipt: the submit's addresses, exchanged (4.6.1)."""
    to, source = one.destination.encode(), one.source.encode()
    addresses = b"\0\1\1" + to + b"\0\0\0" + source + b"\0"
    return addresses + bytes((0x04, 0, 0, 0, 0, 0, 0, 0, 0, len(text))) + text + tlvs
