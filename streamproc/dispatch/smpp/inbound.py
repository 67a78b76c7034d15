"""Requests of message centers: ``deliver_sm`` and ``data_sm`` in one form.

``messages`` reads ``deliver_sm``. A ``data_sm`` is read here: its text is always an optional
parameter (``message_payload``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamproc.contracts.numbers import Address
from streamproc.dispatch.model import IncomingPart
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.national import codec
from streamproc.dispatch.smpp.pdus import decode_deliver
from streamproc.dispatch.smpp.text import (
    LOCKING_SHIFT,
    MESSAGE_PAYLOAD,
    SAR_NUMBER,
    SAR_REFERENCE,
    SAR_TOTAL,
    SINGLE_SHIFT,
    UDH_INDICATOR,
    Alphabet,
)
from streamproc.errors import StreamprocError

ADDRESS_LIMITS: Final = {pdu.DELIVER_SM: 20, pdu.DATA_SM: 64}
"""Characters of an address by command (SMPP 3.4, 4.6.1 and 4.7.1), without the final zero."""
LONGEST_OCTETS: Final = 4 * 1_600
"""No SMS has more: 1,600 characters (schemas/sms.received.v1.json) of at most four octets."""
_SAR_SIZES: Final = {SAR_REFERENCE: 2, SAR_TOTAL: 1, SAR_NUMBER: 1}
_JOINTS: Final = {0x00: 1, 0x08: 2}
"""Header elements that join parts, with the size of their reference in octets."""
_CODINGS: Final = {
    0x01: "ascii",
    0x03: "latin-1",
    0x05: "shift_jis",
    0x06: "iso8859_5",
    0x07: "iso8859_8",
    0x0A: "iso2022_jp",
    0x0E: "euc_kr",
}
"""Data codings with an alphabet of their own (SMPP 3.4, 5.2.19)."""


class UnreadableError(StreamprocError, ValueError):
    """It cannot be read, and sending it again would not help."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A ``deliver_sm`` or ``data_sm``."""

    source: Address = field(repr=False)
    destination: Address
    esm_class: int
    data_coding: int
    body: bytes = field(repr=False)
    """The message as it arrived, with its user data header."""
    parameters: Mapping[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """The characters of one part."""

    text: str = field(repr=False)
    """If the other half of a surrogate pair is in another part, the text contains half a pair."""
    joint: IncomingPart | None


def read(data: bytes) -> Inbound:
    """A whole PDU. Raises :class:`UnreadableError`."""
    command = pdu.header(data[: pdu.HEADER_BYTES])[1]
    try:
        found = _deliver(data) if command == pdu.DELIVER_SM else _data(data[pdu.HEADER_BYTES :])
    except (ValueError, IndexError, struct.error) as error:
        raise UnreadableError(f"{pdu.NAMES[command]} could not be read: {error}") from None
    limit = ADDRESS_LIMITS[command]
    if max(len(found.source.digits), len(found.destination.digits)) > limit:
        raise UnreadableError(f"an address of {pdu.NAMES[command]} has more than {limit} octets")
    return found


def text_of(message: Inbound, alphabet: Alphabet) -> Written:
    """The text of a subscriber. Raises :class:`UnreadableError`.

    ``alphabet`` is the meaning of data coding 0, the message center's own.
    """
    body, elements = message.body, dict[int, bytes]()
    if message.esm_class & UDH_INDICATOR and body:
        body, elements = _without_header(body)
    if len(body) > LONGEST_OCTETS:
        raise UnreadableError(f"its text has more than {LONGEST_OCTETS} octets")
    tables = [elements.get(tag, b"\0")[0] for tag in (LOCKING_SHIFT, SINGLE_SHIFT)]
    return Written(
        _characters(body, message.data_coding, alphabet, *tables),
        _joint(elements, message.parameters),
    )


def _deliver(data: bytes) -> Inbound:
    message = decode_deliver(data)
    return Inbound(
        message.source,
        message.destination,
        message.esm_class,
        message.data_coding,
        message.short_message or message.parameters.get(MESSAGE_PAYLOAD, b""),
        message.parameters,
    )


def _data(body: bytes) -> Inbound:
    """The fields of 4.7.1: service type, addresses, four numbers, parameters."""
    _, rest = _string(body)
    source, rest = _address(rest)
    destination, rest = _address(rest)
    esm_class, _, coding = rest[0], rest[1], rest[2]
    parameters, place = dict[int, bytes](), 3
    while place < len(rest):
        tag, size = struct.unpack_from(">HH", rest, place)
        value = rest[place + 4 : place + 4 + size]
        if len(value) != size:
            raise ValueError(f"the parameter {tag:#06x} is cut short")
        parameters[tag] = value
        place += 4 + size
    text = parameters.get(MESSAGE_PAYLOAD, b"")
    return Inbound(source, destination, esm_class, coding, text, parameters)


def _string(data: bytes) -> tuple[str, bytes]:
    end = data.index(b"\0")
    return data[:end].decode("latin-1"), data[end + 1 :]


def _address(data: bytes) -> tuple[Address, bytes]:
    number, rest = _string(data[2:])
    return Address(data[0], data[1], number), rest


def _without_header(body: bytes) -> tuple[bytes, dict[int, bytes]]:
    """The octets after the user data header, and the elements of the header."""
    end = body[0] + 1
    if end > len(body):
        raise UnreadableError("its user data header is cut short")
    elements, place = dict[int, bytes](), 1
    while place + 1 < end:
        size = body[place + 1]
        value = body[place + 2 : place + 2 + size]
        if not value or place + 2 + size > end:
            raise UnreadableError("its user data header is broken")
        elements[body[place]] = value
        place += 2 + size
    return body[end:], elements


def _joint(elements: Mapping[int, bytes], parameters: Mapping[int, bytes]) -> IncomingPart | None:
    """How the part is joined to others; None if the message has one part."""
    found = None
    for tag, octets in _JOINTS.items():
        value = elements.get(tag, b"")
        if len(value) == octets + 2:
            found = IncomingPart(int.from_bytes(value[:octets], "big"), value[-2], value[-1])
    sar = [parameters.get(tag, b"") for tag in _SAR_SIZES]
    if found is None and [len(one) for one in sar] == list(_SAR_SIZES.values()):
        reference, total, number = (int.from_bytes(one, "big") for one in sar)
        found = IncomingPart(reference, total, number)
    if found is None or found.total < 2:
        return None
    if not 1 <= found.number <= found.total:
        raise UnreadableError(f"it says to be part {found.number} of {found.total}")
    return found


def _characters(body: bytes, coding: int, alphabet: Alphabet, locking: int, single: int) -> str:
    kind = _kind(coding)
    if kind == "default" and alphabet == "latin1":
        kind = "latin-1"
    try:
        if kind == "default":
            return str(codec(locking, single).decode(_known_escapes(body, single), "strict")[0])
        if kind == "ucs2":
            return body.decode("utf-16-be", "surrogatepass")
        if kind:
            return body.decode(kind)
    except (UnicodeDecodeError, LookupError) as error:
        raise UnreadableError(f"its text is not of data coding {coding}: {error}") from None
    raise UnreadableError(f"data coding {coding} is not text")


def _kind(coding: int) -> str:
    """``default``, ``ucs2``, a codec of Python, or empty if it is not text."""
    if coding in _CODINGS:
        return _CODINGS[coding]
    if coding in (0x00, 0x08):
        return "ucs2" if coding else "default"
    # Other values: as the network codes them (3GPP TS 23.038, 4).
    if coding & 0xF0 == 0xF0:
        return "" if coding & 0x04 else "default"
    if coding & 0xC0 == 0xC0:
        return "ucs2" if coding & 0xF0 == 0xE0 else "default"
    if coding & 0xC0 == 0 and coding & 0x10:
        return ("default", "", "ucs2", "")[coding >> 2 & 3]
    return ""


def _known_escapes(body: bytes, single: int) -> bytes:
    """After an escape that the table does not know comes an ordinary character (6.2.1.1)."""
    table = codec(single=single)
    out, place = bytearray(), 0
    while place < len(body):
        if body[place] != 0x1B:
            out.append(body[place])
            place += 1
            continue
        pair = body[place : place + 2]
        known = len(pair) == 2 and table.decode(pair, "replace")[0] != "\ufffd"
        out += pair if known else pair[1:]
        place += 2
    return bytes(out)
